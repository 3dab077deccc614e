/* Problems of warp and colour. */
#include <math.h>
#include <string.h>

#include "kernels/colour/colour.h"
#include "kernels/warp/warp.h"
#include "tests/kernelcheck/compare.h"

enum { N, H, W, P, Q, GAP, FILL };
/* fill: 0 nearest, 1 constant, 2 reflect, 3 wrap. */
static const case_field warp_fields[] = {{"n", 1, 0, 65536}, {"h", 1, 1, 32768}, {"w", 1, 1, 32768},
                                         {"p", 1, 1, 32768}, {"q", 1, 1, 32768}, {"src_gap", 0, 0, 4096},
                                         {"fill", 0, 0, 3},  {NULL, 0, 0, 0}};
static const char *const warp_fixed[] = {"h=1 w=1",
                                         "n=0 h=4 w=4 p=2 q=2",
                                         "h=1 w=50 p=7 q=60 fill=3",
                                         "h=50 w=1 p=60 q=11 fill=2",
                                         "n=2 h=2 w=2 p=9 q=17",
                                         "n=3 h=37 w=53 p=37 q=53 src_gap=5",
                                         "n=3 h=37 w=53 p=37 q=53 fill=1",
                                         "n=3 h=37 w=53 p=41 q=59 fill=2 src_gap=1",
                                         "n=3 h=37 w=53 p=31 q=47 fill=3",
                                         "n=3 h=41 w=40 p=150 q=151 fill=2",
                                         "n=70 h=3 w=4 p=2 q=3",
                                         "n=2 h=9 w=11 p=15 q=17", /* 255 pixels: one fewer than CUDA's blocks */
                                         NULL};

static void warp_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 2, 3);
  v[H] = case_between(random, 1, 60);
  v[W] = case_between(random, 1, 60);
  v[P] = case_between(random, 1, 40);
  v[Q] = case_between(random, 0, 1) ? case_between(random, 1, 17) : CASE_PICK(random, 23, 24, 31, 37, 53, 64);
  v[GAP] = CASE_PICK(random, 0, 0, 1, 7);
  v[FILL] = case_between(random, 0, 3);
}

static const char *warp_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction != KOHL_FWD) return "warp has cases for fwd only";
  kohl_warp_desc d = {.n = case_int(problem, N),
                      .h = case_int(problem, H),
                      .w = case_int(problem, W),
                      .p = case_int(problem, P),
                      .q = case_int(problem, Q),
                      .src_row = case_int(problem, W) * 3 + case_int(problem, GAP),
                      .fill = (kohl_fill)case_int(problem, FILL),
                      .colour = {7.0f, 0.0f, 255.0f}};
  double pixels = (double)d.n * d.p * d.q;
  out->in[WARP_SRC] = case_tensor_make("src", (size_t)d.n * (size_t)d.h, d.w * 3, d.src_row);
  out->in[WARP_SRC].type = CASE_U8;
  out->in[WARP_MATRIX] = case_tensor_make("matrix", (size_t)d.n, 6, 0);
  out->in[WARP_MATRIX].type = CASE_U64;
  out->in[WARP_MATRIX].values = CASE_MATRICES;
  out->out[WARP_DST] = case_tensor_make("dst", (size_t)d.n * (size_t)d.p * (size_t)d.q, 3, 0);
  out->flops = 24.0 * pixels;
  out->bytes = 3.0 * d.n * d.h * d.w + 12.0 * pixels;
  out->integer = 1;
  memcpy(out->desc, &d, sizeof d);
  return kohl_warp_check(&d);
}

/* scipy.ndimage's map_coordinate; -1 when there is nothing but the colour.  A long double holds all 64 bits. */
static long double map_coordinate(kohl_fill fill, int length, long double c) {
  const long double last = length - 1, period = 2.0L * length;
  if (c >= 0 && c <= last) return c;
  switch (fill) {
    case KOHL_FILL_CONSTANT: return -1;
    case KOHL_FILL_NEAREST: break;
    case KOHL_FILL_WRAP:
      if (length == 1) return 0;
      return c < 0 ? last - fmodl(-c, last) : fmodl(c, last);
    case KOHL_FILL_REFLECT:
      if (c < 0) {
        c = -fmodl(-c, period);
        c = c < -length ? c + period : -c - 1;
      } else {
        c = fmodl(c, period);
        if (c >= length) c = period - c - 1;
      }
  }
  return fminl(fmaxl(c, 0), last); /* within half a pixel of an edge both neighbours are the edge's pixel */
}

/* A fraction keeps 24 bits: at most u = 2^-24 times a difference of 255 is lost for either.  Of the roundings, those of
 * top and bottom, of their difference and of the result are each at most u * 255.  Together 6 * 255 u; the lost bits
 * have one sign, so that the rms may come near it. */
static case_value warped(double value) {
  const double limit = 6.0 * 255.0 * COMPARE_U;
  return (case_value){value, limit, limit * limit / 4.0};
}

static void warp_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_warp_desc *d = (const void *)out->desc;
  size_t q = (size_t)d->q, n = row / q / (size_t)d->p, at = row / q % (size_t)d->p;
  const uint64_t *m = (const uint64_t *)args->in[WARP_MATRIX] + n * 6;
  long double c[2];
  (void)output;
  for (int i = 0; i < 2; i++) {
    int64_t fixed = (int64_t)(m[3 * i] * at + m[3 * i + 1] * (row % q) + m[3 * i + 2]);
    c[i] = map_coordinate(d->fill, i ? d->w : d->h, (long double)fixed * 0x1p-32L);
  }
  if (c[0] < 0 || c[1] < 0) {
    for (int k = 0; k < 3; k++) values[k] = warped(d->colour[k]);
    return;
  }
  int y = (int)c[0], x = (int)c[1], below = y + 1 < d->h ? y + 1 : y, right = x + 1 < d->w ? x + 1 : x;
  double fy = (double)(c[0] - y), fx = (double)(c[1] - x);
  const uint8_t *src = (const uint8_t *)args->in[WARP_SRC] + n * (size_t)d->h * (size_t)d->src_row;
  const uint8_t *above = src + (size_t)y * (size_t)d->src_row, *under = src + (size_t)below * (size_t)d->src_row;
  for (int k = 0; k < 3; k++) {
    double top = above[3 * x + k] * (1.0 - fx) + above[3 * right + k] * fx;
    double bottom = under[3 * x + k] * (1.0 - fx) + under[3 * right + k] * fx;
    values[k] = warped(top * (1.0 - fy) + bottom * fy);
  }
}

const case_op case_warp = {"warp", warp_fields, warp_fixed, warp_draw, warp_layout, warp_truth, NULL, NULL, NULL};

enum { C_N, C_PIXELS, C_BRIGHTNESS, C_CONTRAST, C_SATURATION };
/* The factors are those of the first picture, all of them drawn where brightness is 0; the others' are drawn. */
static const case_field colour_fields[] = {{"n", 1, 0, 65536},        {"pixels", 1, 1, 1 << 24},
                                           {"brightness", 0, 0, 1e3}, {"contrast", 1, 0, 100},
                                           {"saturation", 1, 0, 100}, {NULL, 0, 0, 0}};
static const char *const colour_fixed[] = {"n=1",
                                           "n=0 pixels=5",
                                           "n=2 pixels=17",
                                           "n=3 pixels=48",
                                           "n=3 pixels=4099",
                                           "n=70 pixels=5",
                                           "n=2 pixels=2047",
                                           "n=3 pixels=17003",
                                           "n=2 pixels=300 brightness=1",
                                           "n=2 pixels=300 brightness=1 contrast=0.5",
                                           "n=2 pixels=300 brightness=400 contrast=0.5",
                                           "n=2 pixels=300 brightness=100 contrast=3 saturation=2",
                                           "n=2 pixels=300 brightness=400 saturation=3",
                                           "n=1 pixels=526400 brightness=100 contrast=0.5 saturation=0.5",
                                           NULL};

static void colour_draw(case_problem *problem, uint64_t *random) {
  problem->v[C_N] = CASE_PICK(random, 0, 1, 2, 3);
  problem->v[C_PIXELS] =
      case_between(random, 0, 1) ? case_between(random, 1, 17) : CASE_PICK(random, 31, 32, 33, 97, 641);
}

static const char *colour_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction != KOHL_FWD) return "colour has cases for fwd only";
  kohl_colour_desc d = {case_int(problem, C_N), case_int(problem, C_PIXELS)};
  size_t rows = (size_t)d.n * (size_t)d.pixels;
  out->in[COLOUR_SRC] = case_tensor_make("src", rows, 3, 0);
  out->in[COLOUR_FACTORS] = case_tensor_make("factors", (size_t)d.n, 3, 0);
  out->in[COLOUR_FACTORS].values = CASE_POSITIVE;
  if (d.n > 0 && problem->v[C_BRIGHTNESS] > 0.0) {
    const float factors[] = {(float)problem->v[C_BRIGHTNESS], (float)problem->v[C_CONTRAST],
                             (float)problem->v[C_SATURATION]};
    case_tensor_give(&out->in[COLOUR_FACTORS], 0, factors, sizeof factors);
  }
  out->out[COLOUR_DST] = case_tensor_make("dst", rows, 3, 0);
  out->may_be[COLOUR_DST] = 1u << COLOUR_SRC;
  out->flops = 23.0 * (double)rows;
  out->bytes = 36.0 * (double)rows; /* src is read twice */
  memcpy(out->desc, &d, sizeof d);
  return kohl_colour_check(&d);
}

static double clip(double x) { return x < 0.0 ? 0.0 : x > 255.0 ? 255.0 : x; }

/* chain: with the roundings of the header's order; an infinite factor makes a NaN of a difference of exactly 0. */
static double grey_of(const double v[3], bool chain) {
  if (chain) return fmaf(0.114f, (float)v[2], fmaf(0.587f, (float)v[1], 0.299f * (float)v[0]));
  return (double)0.299f * v[0] + (double)0.587f * v[1] + (double)0.114f * v[2];
}

static double mean_of(const float *src, float brightness, size_t pixels, bool chain) {
  double sum = 0.0;
  for (size_t i = 0; i < pixels; i++) {
    double v[3];
    for (int c = 0; c < 3; c++) v[c] = clip((double)src[3 * i + (size_t)c] * (double)brightness);
    double grey = grey_of(v, chain);
    if (grey > 0.0) sum += floor(grey * 65536.0);
  }
  return sum / (65536.0 * (double)pixels);
}

/* The mean of the row's picture: what the row before found, unless that was of another picture, or no neighbour. */
static double picture_mean(const kohl_colour_desc *d, const float *src, size_t row, float brightness, bool chain) {
  static struct {
    const float *src;
    size_t row;
    double mean;
  } last;
  const size_t pixels = (size_t)d->pixels, n = row / pixels;
  if (last.src != src || last.row + 1 != row || row % pixels == 0) {
    last.mean = mean_of(src + n * pixels * 3, brightness, pixels, chain);
    last.src = src;
  }
  last.row = row;
  return last.mean;
}

/* Roundings, of numbers up to `size`: v one; the mean one, and 2^-16 when a grey's error crosses a multiple of it; grey
 * four; each blend two, after a difference and a factor f that multiplies what was before by up to f + |1 - f|.  The
 * mean is one number for all pixels, so that the rms may come near the limit. */
static void colour_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_colour_desc *d = (const void *)out->desc;
  size_t n = row / (size_t)d->pixels;
  const float *src = (const float *)args->in[COLOUR_SRC], *f = (const float *)args->in[COLOUR_FACTORS] + n * 3;
  bool chain = !isfinite(f[1]) || !isfinite(f[2]);
  double v[3], mean = picture_mean(d, src, row, f[0], chain), size = mean;
  (void)output;
  for (int c = 0; c < 3; c++) {
    v[c] = clip((double)src[row * 3 + (size_t)c] * (double)f[0]);
    size = fmax(size, v[c]);
  }
  for (int c = 0; c < 3; c++) {
    if (f[1] != 1.0f) v[c] = clip((double)f[1] * (v[c] - mean) + mean); /* else nothing, of a NaN's neighbours too */
    if (chain) v[c] = (float)v[c];
  }
  double grey = grey_of(v, chain), rest = fabs(1.0 - (double)f[1]) * 0x1p-16;
  for (int c = 0; c < 3; c++) {
    double value = f[2] != 1.0f ? clip((double)f[2] * (v[c] - grey) + grey) : v[c];
    double gain = (fabs(f[1]) + fabs(1.0 - (double)f[1])) * (fabs(f[2]) + fabs(1.0 - (double)f[2]));
    double limit = compare_limit(10.0, (1.0 + gain) * size) + rest * gain;
    values[c] = (case_value){value, limit, limit * limit};
  }
}

const case_op case_colour = {"colour",     colour_fields, colour_fixed, colour_draw, colour_layout,
                             colour_truth, NULL,          NULL,         NULL};
