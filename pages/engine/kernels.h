// What the network is made of: convolution, normalisation, pooling, upsampling, softmax. No libc.
//
// A plane is one channel of H×W pixels with a frame of zeros, so that a 3×3 convolution needs no special case at
// the border. Rows lie W+1 floats apart: one column of zeros is the right frame of a row and the left one of the
// next. A pointer to a plane points at pixel (0, 0). Kernels run over the rows as over one long line, LANES at a
// time and past its end into the slack of the plane; `seal` then makes the frame zero again.
// Vectors are a language extension: without SIMD the compiler takes them apart, and every number stays the same.

#pragma once

enum { LANES = 4, BLOCK = 4, STRIPS = 2 };  // floats in a vector; output channels, strips of pixels at a time

typedef float Vector __attribute__((vector_size(16), aligned(4)));
typedef int Bits __attribute__((vector_size(16), aligned(4)));

#ifdef __wasm_simd128__
typedef Vector Strip;  // the pixels that a convolution holds in one register
#else
typedef float Strip;
#endif
enum { STRIP = sizeof(Strip) / sizeof(float), SLACK = STRIPS * LANES };  // floats: in a strip; past a plane's last line

typedef struct {
  int height, width, row, plane, line;  // row: from a pixel to that below; plane: to the next channel; line: floats
} Grid;

#define UNROLLED _Pragma("clang loop unroll(full)")  // at once, so that what is indexed by the loop stays in registers

static const float EPS = 1e-5f;  // as in torch's norms

static int round_up(int n, int to) { return (n + to - 1) / to * to; }

static Grid grid_of(int height, int width) {
  const int row = width + 1;
  return (Grid){height, width, row, round_up((height + 2) * row + SLACK, LANES), height * row - 1};
}

static Vector at(const float *from) { return *(const Vector *)from; }
static void put(float *to, Vector value) { *(Vector *)to = value; }
static Vector all(float value) { return (Vector){value, value, value, value}; }
static Vector choose(Bits mask, Vector yes, Vector no) {
  return (Vector)(((Bits)yes & mask) | ((Bits)no & ~mask));
}

static void seal(float *plane, const Grid *g, float value) {
  for (int y = 0; y < g->height; y++) plane[y * g->row + g->width] = value;
  for (int i = 0; i < SLACK; i++) plane[g->line + i] = value;
}

static void clear(float *plane, const Grid *g) {
  for (int p = 0; p < g->line; p++) plane[p] = 0;
}

// ---- convolution -------------------------------------------------------------------------------------------------

// out (outputs rounded up to BLOCK) = bias + weights · in, pixel by pixel. Weights: for each BLOCK of outputs its
// biases, then (inputs, BLOCK). out must not be in.
static void conv1(const float *in, int inputs, float *out, int outputs, const float *weights, const Grid *g) {
  for (int p = 0; p < g->line; p += STRIPS * STRIP) {
    const float *w = weights;
    for (int o = 0; o < outputs; o += BLOCK) {
      Strip sum[BLOCK][STRIPS];
      UNROLLED for (int b = 0; b < BLOCK; b++)
        UNROLLED for (int k = 0; k < STRIPS; k++) sum[b][k] = (Strip){0} + w[b];
      w += BLOCK;
      for (int i = 0; i < inputs; i++, w += BLOCK)
        UNROLLED for (int b = 0; b < BLOCK; b++)
          UNROLLED for (int k = 0; k < STRIPS; k++)
            sum[b][k] += w[b] * *(const Strip *)(in + i * g->plane + p + k * STRIP);
      UNROLLED for (int b = 0; b < BLOCK; b++)
        UNROLLED for (int k = 0; k < STRIPS; k++)
          *(Strip *)(out + (o + b) * g->plane + p + k * STRIP) = sum[b][k];
    }
  }
  for (int o = 0; o < round_up(outputs, BLOCK); o++) seal(out + o * g->plane, g, 0);
}

// 3×3 by Winograd's F(2×2, 3×3) (Lavin and Gray 2016, arXiv 1509.09308): the four outputs of a tile by 16 products
// of a patch of 4×4 inputs and a kernel, both transformed, where the sum itself takes 36. LANES tiles side by side
// make a group, and STRIPS groups are worked on at a time.
enum { SIDE = 4, POINTS = SIDE * SIDE, TILES = STRIPS * LANES };

// Kernels (inputs, 3, 3, BLOCK) behind each BLOCK's biases to G g Gᵀ, (POINTS, inputs, BLOCK) behind the same biases.
static void to_points(const float *from, int inputs, int outputs, float *to) {
  for (int o = 0; o < outputs; o += BLOCK, to += POINTS * inputs * BLOCK) {
    put(to, at(from));
    from += BLOCK;
    to += BLOCK;
    for (int i = 0; i < inputs; i++, from += 9 * BLOCK) {
      Vector rows[SIDE][3];
      for (int x = 0; x < 3; x++) {
        const Vector *g = (const Vector *)from + x, half = (g[0] + g[6]) / 2, middle = g[3] / 2;
        rows[0][x] = g[0], rows[1][x] = half + middle, rows[2][x] = half - middle, rows[3][x] = g[6];
      }
      for (int y = 0; y < SIDE; y++) {
        const Vector *g = rows[y], half = (g[0] + g[2]) / 2, middle = g[1] / 2;
        const Vector across[SIDE] = {g[0], half + middle, half - middle, g[2]};
        for (int x = 0; x < SIDE; x++) put(to + ((y * SIDE + x) * inputs + i) * BLOCK, across[x]);
      }
    }
  }
}

#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 3, 5, 7)

// The patches d of a group of tiles to Bᵀ d B, each point `apart` from the next. in: the first tile's upper left
// pixel; below: that two rows further down, or the frame's where the image ends before it.
static void patches_to_points(const float *in, const float *below, int row, float *to, int apart) {
  Vector rows[SIDE][SIDE];
  UNROLLED for (int y = 0; y < SIDE; y++) {
    const float *from = y < 3 ? in + (y - 1) * row : below;
    const Vector a = at(from - 1), b = at(from + 3), c = at(from + 1), d = at(from + 5);
    const Vector first = EVEN(a, b), second = ODD(a, b), third = EVEN(c, d), last = ODD(c, d);
    rows[y][0] = first - third, rows[y][1] = second + third;
    rows[y][2] = third - second, rows[y][3] = second - last;
  }
  UNROLLED for (int x = 0; x < SIDE; x++) {
    put(to + x * apart, rows[0][x] - rows[2][x]);
    put(to + (SIDE + x) * apart, rows[1][x] + rows[2][x]);
    put(to + (2 * SIDE + x) * apart, rows[2][x] - rows[1][x]);
    put(to + (3 * SIDE + x) * apart, rows[1][x] - rows[3][x]);
  }
}

// Products m of a group to its outputs Aᵀ m A + bias + start (which may be missing), as far as they lie in the image:
// so many rows, and columns from here on.
static void points_to_outputs(const float *points, float bias, const float *start, float *out, int rows, int columns,
                              int row) {
  Vector sums[2][SIDE];
  UNROLLED for (int x = 0; x < SIDE; x++) {
    const Vector a = at(points + x * BLOCK * TILES), b = at(points + (SIDE + x) * BLOCK * TILES);
    const Vector c = at(points + (2 * SIDE + x) * BLOCK * TILES), d = at(points + (3 * SIDE + x) * BLOCK * TILES);
    sums[0][x] = a + b + c, sums[1][x] = b - c - d;
  }
  for (int y = 0; y < rows; y++, out += row) {
    const Vector *s = sums[y], even = s[0] + s[1] + s[2] + all(bias), odd = s[1] - s[2] - s[3] + all(bias);
    Vector halves[2];
    halves[0] = __builtin_shufflevector(even, odd, 0, 4, 1, 5);
    halves[1] = __builtin_shufflevector(even, odd, 2, 6, 3, 7);
    if (start)
      for (int k = 0; k < 2; k++) halves[k] += at(start + y * row + k * LANES);
    if (columns >= 2 * LANES)
      put(out, halves[0]), put(out + LANES, halves[1]);
    else
      for (int x = 0; x < columns; x++) out[x] = halves[x / LANES][x % LANES];
  }
}

static int least(int a, int b) { return a < b ? a : b; }

// out (outputs rounded up to BLOCK) = start + bias + weights ∗ in; start may be missing. weights: of `to_points`.
// room: POINTS · inputs · TILES floats. out must not be in.
static void conv3(const float *in, int inputs, float *out, int outputs, const float *weights, const float *start,
                  const Grid *g, float *room) {
  static float products[POINTS * BLOCK * TILES];
  const int across = (g->width + 2 * LANES - 1) / (2 * LANES), groups = across * ((g->height + 1) / 2);
  for (int first = 0; first < groups; first += STRIPS) {
    const int here = least(STRIPS, groups - first);
    for (int k = 0; k < here; k++) {
      const int y = (first + k) / across * 2, x = (first + k) % across * 2 * LANES;
      const float *from = in + y * g->row + x, *below = in + least(y + 2, g->height) * g->row + x;
      float *to = room + k * LANES;
      for (int i = 0; i < inputs; i++, from += g->plane, below += g->plane, to += TILES)
        patches_to_points(from, below, g->row, to, inputs * TILES);
    }
    const float *w = weights;
    for (int o = 0; o < outputs; o += BLOCK) {
      const float *bias = w;
      w += BLOCK;
      const float *from = room;
      for (int p = 0; p < POINTS; p++, from += inputs * TILES, w += inputs * BLOCK)
        for (int at = 0; at < TILES; at += STRIPS * STRIP) {
          Strip sum[BLOCK][STRIPS];  // 8 registers: the 16 that most processors have hold what is loaded, too
          UNROLLED for (int b = 0; b < BLOCK; b++)
            UNROLLED for (int k = 0; k < STRIPS; k++) sum[b][k] = (Strip){0};
          for (int i = 0; i < inputs; i++)
            UNROLLED for (int b = 0; b < BLOCK; b++)
              UNROLLED for (int k = 0; k < STRIPS; k++)
                sum[b][k] += w[i * BLOCK + b] * *(const Strip *)(from + i * TILES + at + k * STRIP);
          UNROLLED for (int b = 0; b < BLOCK; b++)
            UNROLLED for (int k = 0; k < STRIPS; k++)
              *(Strip *)(products + (p * BLOCK + b) * TILES + at + k * STRIP) = sum[b][k];
        }
      for (int k = 0; k < here; k++) {
        const int y = (first + k) / across * 2, x = (first + k) % across * 2 * LANES;
        for (int b = 0; b < BLOCK; b++) {
          const int to = (o + b) * g->plane + y * g->row + x;
          const float *from = products + b * TILES + k * LANES, *begin = start ? start + to : 0;
          points_to_outputs(from, bias[b], begin, out + to, least(2, g->height - y), g->width - x, g->row);
        }
      }
    }
  }
}

// ---- normalisation, in place, then max(·, floor) ------------------------------------------------------------------

static Vector at_least(float floor, Vector x) { return choose(x < all(floor), all(floor), x); }  // NaN stays

// Σ (x − centre) or its square over a plane whose frame holds the centre: rows in floats, their sum in double.
static double deviation(const float *plane, const Grid *g, float centre, int squared) {
  double total = 0;
  for (int from = 0; from < g->line; from += 32 * LANES) {
    const int to = from + 32 * LANES < g->line ? from + 32 * LANES : g->line;
    Vector sum = all(0);
    for (int p = from; p < to; p += LANES) {  // past the line there is the centre, too
      const Vector d = at(plane + p) - all(centre);
      sum += squared ? d * d : d;
    }
    total += (double)(sum[0] + sum[1]) + (double)(sum[2] + sum[3]);
  }
  return total;
}

static void affine(float *plane, const Grid *g, float centre, float scale, float shift, float floor) {
  for (int p = 0; p < g->line; p += LANES)
    put(plane + p, at_least(floor, (at(plane + p) - all(centre)) * all(scale) + all(shift)));
  seal(plane, g, 0);
}

// Group norm (Wu and He 2018, arXiv 1803.08494): mean and variance over the pixels and channels of a group.
// Variance in two passes.
static void group_norm(float *z, int channels, int groups, const float *weight, const float *bias, float floor,
                       const Grid *g) {
  const int each = channels / groups;
  const double count = (double)each * g->height * g->width;
  for (int first = 0; first < channels; first += each) {
    double total = 0, squares = 0;
    for (int c = first; c < first + each; c++) total += deviation(z + c * g->plane, g, 0, 0);
    const float centre = (float)(total / count);
    const double missed = total / count - centre;  // by rounding: seen where the pixels are few and nearly alike
    for (int c = first; c < first + each; c++) {
      seal(z + c * g->plane, g, centre);
      squares += deviation(z + c * g->plane, g, centre, 1);
    }
    const float scale = 1 / __builtin_sqrtf((float)(squares / count - missed * missed) + EPS);
    for (int c = first; c < first + each; c++)
      affine(z + c * g->plane, g, centre, weight[c] * scale, bias[c] - weight[c] * scale * (float)missed, floor);
  }
}

// The same over the channels of one pixel, so that nothing depends on the size of the image.
static void pixel_norm(float *z, int channels, const float *weight, const float *bias, float floor, const Grid *g) {
  for (int p = 0; p < g->line; p += LANES) {
    Vector mean = all(0), variance = all(EPS);
    for (int c = 0; c < channels; c++) mean += at(z + c * g->plane + p);
    mean /= all((float)channels);
    for (int c = 0; c < channels; c++) {
      const Vector d = at(z + c * g->plane + p) - mean;
      variance += d * d / all((float)channels);
    }
    for (int i = 0; i < LANES; i++) variance[i] = 1 / __builtin_sqrtf(variance[i]);
    for (int c = 0; c < channels; c++) {
      float *to = z + c * g->plane + p;
      put(to, at_least(floor, (at(to) - mean) * variance * all(weight[c]) + all(bias[c])));
    }
  }
  for (int c = 0; c < channels; c++) seal(z + c * g->plane, g, 0);
}

// ---- softmax ------------------------------------------------------------------------------------------------------

// e^x for x ≤ 0 to 2 units in the last place: 2^n times a polynomial of the rest (coefficients from Cephes' expf).
static Vector exp_below_zero(Vector x) {
  const float whole = 12582912;  // 1.5·2²³: added to a number, it leaves no digit behind the point
  x = at_least(-87, x);
  const Vector shifted = x * all(1.44269504f) + all(whole), n = shifted - all(whole);
  const Vector r = x - n * all(0.693359375f) + n * all(2.12194440e-4f);
  Vector y = all(1.9875691500e-4f);
  y = y * r + all(1.3981999507e-3f);
  y = y * r + all(8.3334519073e-3f);
  y = y * r + all(4.1665795894e-2f);
  y = y * r + all(1.6666665459e-1f);
  y = y * r + all(5.0000001201e-1f);
  y = y * r * r + r + all(1);
  const Bits exponent = ((Bits)shifted - (Bits)all(whole) + 127) << 23;
  return y * (Vector)exponent;
}

static void softmax(float *z, int channels, const Grid *g) {
  for (int p = 0; p < g->line; p += LANES) {
    Vector most = at(z + p), total = all(0);
    for (int c = 1; c < channels; c++) {
      const Vector x = at(z + c * g->plane + p);
      most = choose(x > most, x, most);
    }
    for (int c = 0; c < channels; c++) {
      const Vector e = exp_below_zero(at(z + c * g->plane + p) - most);
      put(z + c * g->plane + p, e);
      total += e;
    }
    for (int c = 0; c < channels; c++) put(z + c * g->plane + p, at(z + c * g->plane + p) / total);
  }
  for (int c = 0; c < channels; c++) seal(z + c * g->plane, g, 0);
}

// ---- between levels, and between planes and arrays without frames ---------------------------------------------------

static float larger(float a, float b) { return b > a || b != b ? b : a; }  // NaN stays

// 2×2 maximum; an odd last row or column is left out.
static void max_pool(const float *in, const Grid *fine, float *out, const Grid *coarse, int channels) {
  for (int c = 0; c < channels; c++)
    for (int y = 0; y < coarse->height; y++) {
      const float *a = in + c * fine->plane + 2 * y * fine->row, *b = a + fine->row;
      float *to = out + c * coarse->plane + y * coarse->row;
      for (int x = 0; x < coarse->width; x++)
        to[x] = larger(larger(a[2 * x], a[2 * x + 1]), larger(b[2 * x], b[2 * x + 1]));
    }
}

// The nearest pixel, found in single precision as torch does: with odd sides that is not x/2.
static void upsample(const float *in, const Grid *coarse, float *out, const Grid *fine, int channels) {
  const float down = (float)coarse->height / (float)fine->height, across = (float)coarse->width / (float)fine->width;
  for (int c = 0; c < channels; c++)
    for (int y = 0; y < fine->height; y++) {
      const float *from = in + c * coarse->plane + (int)((float)y * down) * coarse->row;
      float *to = out + c * fine->plane + y * fine->row;
      for (int x = 0; x < fine->width; x++) to[x] = from[(int)((float)x * across)];
    }
}

// Channels (channels, H, W) into planes, and back.
static void spread(const float *array, float *planes, int channels, const Grid *g) {
  for (int c = 0; c < channels; c++)
    for (int y = 0; y < g->height; y++)
      for (int x = 0; x < g->width; x++) planes[c * g->plane + y * g->row + x] = *array++;
}

static void gather(const float *planes, float *array, int channels, const Grid *g) {
  for (int c = 0; c < channels; c++)
    for (int y = 0; y < g->height; y++)
      for (int x = 0; x < g->width; x++) *array++ = planes[c * g->plane + y * g->row + x];
}
