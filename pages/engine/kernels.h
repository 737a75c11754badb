// What the network is made of: convolution, normalisation, pooling, upsampling, softmax. No libc.
//
// A plane is one channel of H×W pixels with a frame of zeros, so that a 3×3 convolution needs no special case at
// the border. Rows lie W+1 floats apart: one column of zeros is the right frame of a row and the left one of the
// next. A pointer to a plane points at pixel (0, 0). Kernels run over the rows as over one long line, LANES at a
// time and past its end into the slack of the plane; `seal` then makes the frame zero again.
// Vectors are a language extension: without SIMD the compiler takes them apart, and every number stays the same.

#pragma once

enum { LANES = 4, BLOCK = 4, STRIPS = 3 };  // floats in a vector; output channels, strips of pixels at a time

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

// out (outputs rounded up to BLOCK) = start + bias + weights ∗ in, for a kernel of side 1 or 3; start may be missing.
// Weights: for each BLOCK of outputs its biases, then (inputs, side, side, BLOCK). out must not be in.
static inline __attribute__((always_inline)) void convolve(const float *in, int inputs, float *out, int outputs,
                                                           const float *weights, const float *start, const Grid *g,
                                                           int side) {
  const int reach = side / 2 * (g->row + 1);
  for (int p = 0; p < g->line; p += STRIPS * STRIP) {
    const float *w = weights;
    for (int o = 0; o < outputs; o += BLOCK) {
      Strip sum[BLOCK][STRIPS];  // 12 registers of the 16 that most processors have
      UNROLLED for (int b = 0; b < BLOCK; b++)
        UNROLLED for (int k = 0; k < STRIPS; k++) {
          sum[b][k] = (Strip){0} + w[b];
          if (start) sum[b][k] += *(const Strip *)(start + (o + b) * g->plane + p + k * STRIP);
        }
      w += BLOCK;
      for (int i = 0; i < inputs; i++) {
        const float *near = in + i * g->plane + p - reach;
        for (int dy = 0; dy < side; dy++, near += g->row)
          UNROLLED for (int dx = 0; dx < side; dx++, w += BLOCK)
            UNROLLED for (int b = 0; b < BLOCK; b++)
              UNROLLED for (int k = 0; k < STRIPS; k++)
                sum[b][k] += w[b] * *(const Strip *)(near + dx + k * STRIP);
      }
      UNROLLED for (int b = 0; b < BLOCK; b++)
        UNROLLED for (int k = 0; k < STRIPS; k++)
          *(Strip *)(out + (o + b) * g->plane + p + k * STRIP) = sum[b][k];
    }
  }
  for (int o = 0; o < round_up(outputs, BLOCK); o++) seal(out + o * g->plane, g, 0);
}

static void conv3(const float *in, int inputs, float *out, int outputs, const float *weights, const float *start,
                  const Grid *g) {
  convolve(in, inputs, out, outputs, weights, start, g, 3);
}

static void conv1(const float *in, int inputs, float *out, int outputs, const float *weights, const Grid *g) {
  convolve(in, inputs, out, outputs, weights, 0, g, 1);
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
