// Equations E1-E6 for one image, as fbseg_core/models computes them, built to WebAssembly by build.py.
//
// The host fills in the settings, asks `plan` how much memory a model needs at a size, copies weights and image to
// where `address` says, and calls `prepare`, then `step` as often as it likes. weights.py declares the settings,
// the views and the order of the weights. All numbers are single precision; nothing is allocated.

#include "kernels.h"

#define EXPORT(name) __attribute__((export_name(name)))
enum { VERSION = 2, DEEPEST = 4 };
enum { PLAIN, GROUP, BATCH, PIXEL };  // norms

// As weights.SETTINGS. v: 0 where nothing is fed back; rows: steps that batch norm has statistics of; basis: whether
// there is Q; leaky: E5' in place of E5.
static struct {
  int version, in_channels, classes, width, depth, norm, rows, delta_norm, u, v, basis, leaky;
} s;

// kernel: as it was sent; points: as conv3 takes it; rows: scale and shift of each step.
typedef struct {
  int inputs, outputs;
  const float *kernel, *weight, *bias, *rows;
  float *points;
} Layer;

static Grid grid[DEEPEST + 1];
static Layer drive, stem, enter, down[DEEPEST][2], up[DEEPEST][2], out;
static const float *delta_weight, *delta_bias, *v_weight, *v_bias, *head_weight, *head_bias, *basis;

// Planes: what enters, what x makes of the first layer, and a level's two buffers; `wide` holds what is joined there.
static float *x_planes, *v_planes, *driven, *delta_planes, *narrow[DEEPEST + 1], *wide[DEEPEST + 1];

// As weights.VIEWS: arrays (channels, H, W) without frames, but the gains (U+V).
enum { WEIGHTS, IMAGE, STATE, DELTA, APPLIED, V_HAT, LOGITS, GAINS, VIEWS };
static float *view[VIEWS];

static float *mixing, *next;   // (U+V, U+V); where memory is still free
static float *room;            // of conv3
static int pointed;            // whether the kernels' points are filled in
static int known;              // δ holds what F makes of x alone: 0 no, 1 yes, 2 by the image's own statistics

static int neurons(void) { return s.u + s.v; }

// ---- where everything lies ----------------------------------------------------------------------------------------

static float *take(int floats) {
  float *here = next;
  next += round_up(floats, LANES);
  return here;
}

static const float *read(int floats) {  // weights lie without gaps
  const float *here = next;
  next += floats;
  return here;
}

static float *take_planes(int channels, const Grid *g) {
  return take(round_up(channels, BLOCK) * g->plane) + g->row + 1;
}

static const float *read_kernel(int inputs, int outputs, int side) {
  return read(round_up(outputs, BLOCK) * (1 + inputs * side * side));
}

static Layer read_layer(int inputs, int outputs) {
  Layer layer = {inputs, outputs, read_kernel(inputs, outputs, 3), 0, 0, 0, 0};
  if (s.norm == PLAIN) return layer;
  layer.weight = read(outputs);
  layer.bias = read(outputs);
  if (s.norm == BATCH) layer.rows = read(2 * outputs * s.rows);
  return layer;
}

static void read_norm(const float **weight, const float **bias, int channels) {
  *weight = read(channels);
  *bias = read(channels);
}

static void read_weights(void) {
  drive = (Layer){s.in_channels, s.width, read_kernel(s.in_channels, s.width, 3), 0, 0, 0, 0};
  stem = read_layer(s.v, s.width);
  enter = read_layer(s.width, s.width);
  for (int i = 0; i < s.depth; i++) {
    down[i][0] = read_layer(s.width << i, s.width << (i + 1));
    down[i][1] = read_layer(s.width << (i + 1), s.width << (i + 1));
  }
  for (int i = s.depth - 1; i >= 0; i--) {
    up[i][0] = read_layer((s.width << i) + (s.width << (i + 1)), s.width << i);
    up[i][1] = read_layer(s.width << i, s.width << i);
  }
  out = (Layer){s.width, neurons(), read_kernel(s.width, neurons(), 1), 0, 0, 0, 0};
  if (s.delta_norm) read_norm(&delta_weight, &delta_bias, neurons());
  if (s.v) read_norm(&v_weight, &v_bias, s.v);
  head_weight = read(s.classes * s.u);
  head_bias = read(s.classes);
  basis = s.basis ? read(neurons() * neurons()) : 0;
}

static void each_conv3(void (*act)(Layer *)) {
  act(&drive), act(&stem), act(&enter);
  for (int i = 0; i < s.depth; i++)
    for (int k = 0; k < 2; k++) act(&down[i][k]), act(&up[i][k]);
}

static void take_points(Layer *layer) {
  layer->points = take(round_up(layer->outputs, BLOCK) * (1 + POINTS * layer->inputs));
}

static void fill_points(Layer *layer) { to_points(layer->kernel, layer->inputs, layer->outputs, layer->points); }

// Lay out a model of these settings for images of that size. Returns the address of the first byte behind it all.
EXPORT("plan") unsigned plan(int height, int width) {
  extern float __heap_base;
  next = view[WEIGHTS] = (float *)(((unsigned)&__heap_base + 15) / 16 * 16);
  read_weights();
  next = view[WEIGHTS] + round_up((int)(next - view[WEIGHTS]), LANES);
  each_conv3(take_points);
  const int joined = (s.width << s.depth) + (s.width << s.depth >> 1);  // at the lowest level, the most
  room = take(POINTS * TILES * (joined > s.v + s.in_channels ? joined : s.v + s.in_channels));
  for (int i = 0; i <= s.depth; i++) {
    grid[i] = grid_of(height >> i, width >> i);
    narrow[i] = take_planes(s.width << i, &grid[i]);
    wide[i] = take_planes((s.width << i) + (i < s.depth ? s.width << (i + 1) : 0), &grid[i]);
  }
  x_planes = take_planes(s.in_channels, &grid[0]);
  v_planes = take_planes(s.v, &grid[0]);
  driven = take_planes(s.width, &grid[0]);
  delta_planes = take_planes(neurons(), &grid[0]);
  const int channels[VIEWS] = {0, s.in_channels, neurons(), neurons(), neurons(), s.v, s.classes, 0};
  for (int i = IMAGE; i < GAINS; i++) view[i] = take(channels[i] * height * width);
  view[GAINS] = take(neurons());
  mixing = take(neurons() * neurons());
  known = pointed = 0;
  return (unsigned)next;
}

EXPORT("version") int version(void) { return VERSION; }
EXPORT("settings") void *settings(void) { return &s; }
EXPORT("settings_count") int settings_count(void) { return sizeof(s) / sizeof(int); }
EXPORT("address") float *address(int i) { return view[i]; }
EXPORT("weight_count") int weight_count(void) {  // of the settings; to be followed by `plan`
  next = view[WEIGHTS];
  read_weights();
  return (int)(next - view[WEIGHTS]);
}

// ---- the network F ------------------------------------------------------------------------------------------------

typedef struct {
  int row, own;  // batch norm: which step's statistics; whether the image's own instead
} Moment;

static void activate(float *z, const Layer *layer, Moment now, const Grid *g) {
  const int n = layer->outputs, alone = g->height * g->width == 1;  // one value has no statistics of its own
  if (s.norm == GROUP)
    group_norm(z, n, n % 4 == 0 ? 4 : n % 2 == 0 ? 2 : 1, layer->weight, layer->bias, 0, g);
  else if (s.norm == PIXEL)
    pixel_norm(z, n, layer->weight, layer->bias, 0, g);
  else if (s.norm == BATCH && now.own && !alone)
    group_norm(z, n, n, layer->weight, layer->bias, 0, g);
  else
    for (int c = 0; c < n; c++) {
      const float *row = layer->rows + 2 * n * now.row;
      affine(z + c * g->plane, g, 0, s.norm == BATCH ? row[c] : 1, s.norm == BATCH ? row[n + c] : 0, 0);
    }
}

static void apply(const Layer *layer, const float *in, float *to, Moment now, const Grid *g) {
  conv3(in, layer->inputs, to, layer->outputs, layer->points, 0, g, room);
  activate(to, layer, now, g);
}

static void normalise(float *planes, int channels, const float *weight, const float *bias) {
  if (s.norm == PIXEL)
    pixel_norm(planes, channels, weight, bias, -__builtin_inff(), &grid[0]);
  else
    group_norm(planes, channels, channels, weight, bias, -__builtin_inff(), &grid[0]);
}

// E3: δ = norm(F([x, v̂])).
static void correct(Moment now) {
  conv3(v_planes, s.v, narrow[0], s.width, stem.points, driven, &grid[0], room);
  activate(narrow[0], &stem, now, &grid[0]);
  apply(&enter, narrow[0], wide[0], now, &grid[0]);
  for (int i = 0; i < s.depth; i++) {
    const Grid *g = &grid[i + 1];
    max_pool(wide[i], &grid[i], wide[i + 1], g, s.width << i);
    apply(&down[i][0], wide[i + 1], narrow[i + 1], now, g);
    apply(&down[i][1], narrow[i + 1], wide[i + 1], now, g);
  }
  for (int i = s.depth - 1; i >= 0; i--) {
    float *joined = wide[i] + (s.width << i) * grid[i].plane;  // behind the channels of the way down
    upsample(wide[i + 1], &grid[i + 1], joined, &grid[i], s.width << (i + 1));
    apply(&up[i][0], wide[i], narrow[i], now, &grid[i]);
    apply(&up[i][1], narrow[i], wide[i], now, &grid[i]);
  }
  conv1(wide[0], s.width, delta_planes, neurons(), out.kernel, &grid[0]);
  if (s.delta_norm) normalise(delta_planes, neurons(), delta_weight, delta_bias);
  gather(delta_planes, view[DELTA], neurons(), &grid[0]);
}

// ---- the loop around it -------------------------------------------------------------------------------------------

static int pixels(void) { return grid[0].height * grid[0].width; }

// to (rows, H, W) = bias + matrix (rows, columns) · from (columns, H, W); bias may be missing.
static void mix(const float *matrix, int rows, int columns, const float *bias, const float *from, float *to) {
  const int n = pixels();
  for (int r = 0; r < rows; r++, to += n) {
    for (int p = 0; p < n; p++) to[p] = bias ? bias[r] : 0;
    for (int c = 0; c < columns; c++)
      for (int p = 0; p < n; p++) to[p] += matrix[r * columns + c] * from[c * n + p];
  }
}

// E2: v̂ = softmax(norm(v)), or norm(v).
static void project(int simplex) {
  spread(view[STATE] + s.u * pixels(), v_planes, s.v, &grid[0]);
  normalise(v_planes, s.v, v_weight, v_bias);
  if (simplex) softmax(v_planes, s.v, &grid[0]);
  gather(v_planes, view[V_HAT], s.v, &grid[0]);
}

// E4: δ̃ = gains · δ, neuron by neuron. Leaky: of the error δ − h, with the gain k (E5').
static void damp(void) {
  for (int c = 0; c < neurons(); c++)
    for (int p = c * pixels(); p < (c + 1) * pixels(); p++)
      view[APPLIED][p] = view[GAINS][c] * (s.leaky ? view[DELTA][p] - view[STATE][p] : view[DELTA][p]);
}

// E4 where the eigenvectors of A are not the neurons: δ̃ = Q diag(gains) Qᵀ δ, or of δ − h (E5').
static void damp_along_basis(void) {
  const float *gains = view[GAINS];
  const int n = neurons();
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++) {
      float sum = 0;
      for (int j = 0; j < n; j++) sum += basis[i * n + j] * gains[j] * basis[k * n + j];
      mixing[i * n + k] = sum;
    }
  mix(mixing, n, n, 0, view[DELTA], view[APPLIED]);
  if (!s.leaky) return;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++)
      for (int p = 0; p < pixels(); p++) view[APPLIED][i * pixels() + p] -= mixing[i * n + k] * view[STATE][k * pixels() + p];
}

// What is made of the image alone. To be called for each new one.
EXPORT("prepare") void prepare(void) {
  if (!pointed) each_conv3(fill_points);
  pointed = 1;
  spread(view[IMAGE], x_planes, s.in_channels, &grid[0]);
  conv3(x_planes, s.in_channels, driven, s.width, drive.points, 0, &grid[0], room);
  known = 0;
}

// One step, E2-E5. looped, simplex: the switches loop and softmax; mixed: whether the gains lie along Q.
EXPORT("step") void step(int looped, int simplex, int mixed, int row, int own) {
  if (looped) {
    project(simplex);
    correct((Moment){row, own});
    known = 0;
  } else if (known != 1 + own) {
    for (int c = 0; c < s.v; c++) clear(v_planes + c * grid[0].plane, &grid[0]);  // v̂ := 0
    correct((Moment){0, own});
    known = 1 + own;
  }
  if (mixed)
    damp_along_basis();
  else
    damp();
  for (int p = 0; p < neurons() * pixels(); p++) view[STATE][p] += view[APPLIED][p];
}

// E6: class logits, read from u.
EXPORT("readout") void readout(void) {
  mix(head_weight, s.classes, s.u, head_bias, view[STATE], view[LOGITS]);
}
