/* Problems of normalise and resize, whose inputs are bytes. */
#include <math.h>
#include <string.h>

#include "kernels/normalise/normalise.h"
#include "kernels/resize/resize.h"
#include "tests/kernelcheck/compare.h"

enum { N, PIXELS, GAP, SCALE, MEAN, INV_STD, BGR, FLOATS };
static const case_field normalise_fields[] = {
    {"n", 1, 0, 65536},    {"pixels", 1, 1, 1 << 24}, {"dst_gap", 0, 0, 4096},
    {"scale", 1, -10, 10}, {"mean", 0, -1000, 1000},  {"inv_std", 1, -100, 100},
    {"bgr", 0, 0, 1},      {"floats", 0, 0, 1},       {NULL, 0, 0, 0}};
static const char *const normalise_fixed[] = {"n=1",
                                              "n=0 pixels=9",
                                              "n=2 pixels=49 mean=103 bgr=1",
                                              "n=1 pixels=4097 scale=2 inv_std=3 mean=5 dst_gap=1",
                                              "n=1 pixels=300 scale=0.00392156863 mean=0.456 inv_std=4.46428571",
                                              "n=3 pixels=17 scale=0.00784313726 mean=1 dst_gap=13 bgr=1",
                                              "n=2 pixels=37 mean=3 bgr=1 floats=1",
                                              "n=1 pixels=33 scale=0.017 mean=2 floats=1 dst_gap=2",
                                              NULL};

static void normalise_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 2, 3);
  v[PIXELS] = CASE_PICK(random, 1, 2, 7, 8, 9, 15, 16, 17, 49, 997, 2730, 2731, 4097);
  v[GAP] = CASE_PICK(random, 0, 0, 1, 5);
  v[SCALE] = case_between(random, 0, 1) ? CASE_PICK(random, 1, 2, 3) : case_between(random, 1, 99999) * 1e-6;
  v[MEAN] = case_between(random, 0, 1) ? case_between(random, -120, 120) : case_between(random, -1000, 1000) * 1e-3;
  v[INV_STD] = case_between(random, 0, 1) ? 1 : case_between(random, 100, 9000) * 1e-3;
  v[BGR] = case_between(random, 0, 1);
  v[FLOATS] = case_between(random, 0, 1);
}

static const char *normalise_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction != KOHL_FWD) return "normalise has cases for fwd only";
  float mean = (float)problem->v[MEAN], inv = (float)problem->v[INV_STD];
  kohl_normalise_desc d = {case_int(problem, N),          case_int(problem, PIXELS),
                           (float)problem->v[SCALE],      {mean, mean + 1.0f, mean - 2.0f},
                           {inv, inv + 1.0f, inv + 2.0f}, problem->v[BGR] != 0,
                           3 + case_int(problem, GAP),    problem->v[FLOATS] != 0};
  size_t rows = (size_t)d.n * (size_t)d.pixels;
  out->in[NORMALISE_SRC] = case_tensor_make("src", rows, 3, 0);
  if (!d.floats) out->in[NORMALISE_SRC].type = CASE_U8;
  out->out[NORMALISE_DST] = case_tensor_make("dst", rows, 3, d.dst_stride);
  out->flops = 9.0 * (double)rows;
  out->bytes = (d.floats ? 24.0 : 15.0) * (double)rows;
  out->integer = floorf(d.scale) == d.scale && floorf(mean) == mean && floorf(inv) == inv ? 20 : 0;
  memcpy(out->desc, &d, sizeof d);
  return kohl_normalise_check(&d);
}

static void normalise_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_normalise_desc *d = (const void *)out->desc;
  (void)output;
  for (int c = 0; c < 3; c++) {
    size_t at = row * 3 + (size_t)(d->bgr ? 2 - c : c);
    const void *src = args->in[NORMALISE_SRC];
    double grey = d->floats ? (double)((const float *)src)[at] : (double)((const uint8_t *)src)[at];
    double moved = grey * d->scale - d->mean[c], value = moved * d->inv_std[c];
    values[c] = compare_rounded(value, 2.0);
    if (!d->floats) {
      /* 256 bytes make 256 results, and a sum of an integer and a constant rounds alike over a whole binade: the errors
       * are not independent, and the rms may reach the limit */
      values[c].variance = values[c].limit * values[c].limit;
    }
  }
}

enum { R_N, R_H, R_W, R_C, R_P, R_Q, R_P_FULL, R_Q_FULL, R_TOP, R_LEFT, R_SRC_GAP, R_DST_GAP, R_FILTER };
/* p_full, q_full: 0 is as p, q.  filter: 0 nearest, 1 box, 2 bilinear, 3 bicubic, 4 lanczos. */
static const case_field resize_fields[] = {{"n", 1, 0, 65536},      {"h", 1, 1, 32768},      {"w", 1, 1, 32768},
                                           {"c", 3, 1, 4},          {"p", 1, 1, 32768},      {"q", 1, 1, 32768},
                                           {"p_full", 0, 0, 65536}, {"q_full", 0, 0, 65536}, {"top", 0, 0, 65536},
                                           {"left", 0, 0, 65536},   {"src_gap", 0, 0, 4096}, {"dst_gap", 0, 0, 4096},
                                           {"filter", 2, 0, 4},     {NULL, 0, 0, 0}};
static const char *const resize_fixed[] = {"h=1 w=1",
                                           "n=0 h=4 w=4 p=2 q=2",
                                           "n=2 h=7 w=9 p=7 q=9 src_gap=2 dst_gap=5",
                                           "h=37 w=53 p=16 q=16",
                                           "h=16 w=15 p=31 q=33 filter=3 dst_gap=1",
                                           "h=40 w=41 p=11 q=13 filter=4 c=1",
                                           "h=40 w=41 p=11 q=41 filter=1 c=4",
                                           "h=23 w=31 p=17 q=5 filter=0 src_gap=3",
                                           "h=50 w=70 p=24 q=24 p_full=32 q_full=45 top=4 left=10",
                                           "h=20 w=20 p=8 q=9 p_full=20 q_full=20 top=5 left=6",
                                           "n=2 h=75 w=131 p=44 q=59 filter=4 dst_gap=1",
                                           "n=70 h=5 w=6 p=3 q=4",
                                           "h=7 w=5 p=1 q=1", /* every pixel has a weight */
                                           "h=97 w=90 p=40 q=43 p_full=44 q_full=57 top=3 left=11 filter=3",
                                           NULL};

static void resize_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[R_N] = CASE_PICK(random, 0, 1, 1, 2);
  v[R_H] = case_between(random, 1, 60);
  v[R_W] = case_between(random, 1, 60);
  v[R_C] = case_between(random, 1, 4);
  v[R_P] = case_between(random, 0, 7) ? case_between(random, 1, 40) : v[R_H];
  v[R_Q] = case_between(random, 0, 7) ? case_between(random, 1, 40) : v[R_W];
  if (case_between(random, 0, 1)) {
    v[R_TOP] = case_between(random, 0, 5);
    v[R_LEFT] = case_between(random, 0, 5);
    v[R_P_FULL] = v[R_P] + v[R_TOP] + case_between(random, 0, 5);
    v[R_Q_FULL] = v[R_Q] + v[R_LEFT] + case_between(random, 0, 5);
  }
  v[R_SRC_GAP] = CASE_PICK(random, 0, 0, 1, 7);
  v[R_DST_GAP] = CASE_PICK(random, 0, 0, 1, 7);
  v[R_FILTER] = case_between(random, 0, 4);
}

static const char *resize_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction != KOHL_FWD) return "resize has cases for fwd only";
  kohl_resize_desc d =
      kohl_resize_whole(case_int(problem, R_H), case_int(problem, R_W), case_int(problem, R_C), case_int(problem, R_P),
                        case_int(problem, R_Q), (kohl_filter)case_int(problem, R_FILTER));
  d.n = case_int(problem, R_N);
  if (problem->v[R_P_FULL] > 0) d.p_full = case_int(problem, R_P_FULL);
  if (problem->v[R_Q_FULL] > 0) d.q_full = case_int(problem, R_Q_FULL);
  d.top = case_int(problem, R_TOP);
  d.left = case_int(problem, R_LEFT);
  d.src_row += case_int(problem, R_SRC_GAP);
  d.dst_row += case_int(problem, R_DST_GAP);
  const char *wrong = kohl_resize_check(&d);
  if (wrong) return wrong;
  out->in[RESIZE_SRC] = case_tensor_make("src", (size_t)d.n * (size_t)d.h, d.w * d.c, d.src_row);
  out->in[RESIZE_WEI] = case_tensor_make("wei", 1, 1, 0); /* nothing is stored: packed from the desc */
  out->in[RESIZE_WEI].type = CASE_U8;
  out->in[RESIZE_WEI].weights = true;
  out->out[RESIZE_DST] = case_tensor_make("dst", (size_t)d.n * (size_t)d.p, d.q * d.c, d.dst_row);
  out->in[RESIZE_SRC].type = out->out[RESIZE_DST].type = CASE_U8;
  double taps = 2.0 + 6.0 * fmax(1.0, (double)d.w / d.q_full), rows = (double)d.h + d.p;
  out->flops = 2.0 * d.n * rows * d.q * d.c * taps;
  out->bytes = (double)d.n * d.c * ((double)d.h * d.w + (double)d.p * d.q);
  out->integer = d.filter == KOHL_FILTER_NEAREST || (d.h == d.p_full && d.w == d.q_full);
  memcpy(out->desc, &d, sizeof d);
  return NULL;
}

static double filter_at(kohl_filter filter, double x) {
  const double pi = 3.14159265358979323846;
  double size = fabs(x);
  switch (filter) {
    case KOHL_FILTER_BILINEAR: return fmax(0.0, 1.0 - size);
    case KOHL_FILTER_BICUBIC:
      if (size < 1.0) return 1.5 * size * size * size - 2.5 * size * size + 1.0;
      return size < 2.0 ? -0.5 * size * size * size + 2.5 * size * size - 4.0 * size + 2.0 : 0.0;
    case KOHL_FILTER_LANCZOS:
      if (size >= 3.0) return 0.0;
      return size == 0.0 ? 1.0 : 3.0 * sin(pi * x) * sin(pi * x / 3.0) / (pi * pi * x * x);
    case KOHL_FILTER_BOX:
    case KOHL_FILTER_NEAREST: break;
  }
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

/* The source pixels of one output: from .. to - 1, the unnormalised weight of each by tap_weight. */
typedef struct tap_row {
  kohl_filter filter;
  int from, to;
  double centre, stretch, total;
} tap_row;

static double tap_weight(const tap_row *row, int i) {
  return row->total == 0.0 ? 1.0 : filter_at(row->filter, (i - row->centre + 0.5) / row->stretch) / row->total;
}

static tap_row taps_of(kohl_filter filter, int in, int full, int index) {
  static const double supports[] = {0.0, 0.5, 1.0, 2.0, 3.0};
  double scale = (double)in / full;
  tap_row row = {filter, index, index + 1, (index + 0.5) * scale, fmax(1.0, scale), 0.0};
  if (in == full) return row; /* one tap of weight 1 */
  if (filter == KOHL_FILTER_NEAREST) {
    double centre = scale / 2.0;
    for (int i = 0; i < index; i++) centre += scale;
    row.from = (int)centre;
    row.to = row.from + 1;
    return row;
  }
  double support = supports[filter] * row.stretch;
  row.from = (int)fmax(0.0, trunc(row.centre - support + 0.5));
  row.to = (int)fmin(in, trunc(row.centre + support + 0.5));
  double total = 0.0;
  for (int i = row.from; i < row.to; i++) total += filter_at(filter, (i - row.centre + 0.5) / row.stretch);
  row.total = total;
  return row;
}

static double clamp(double x) { return fmin(255.0, fmax(0.0, x)); }

/* Without the rounding to bytes.  The first pass rounds each row by at most 1/2, the second the result; weights are
 * 2^-23 off, which with up to 400 taps of 255 stays below 0.02.  Halves, which whole ratios make every second time, are
 * rounded up: a rounding has a mean of at most 1/4, alike in every row, and about it a variance of at most 1/12. */
static case_value resample(const kohl_resize_desc *d, const uint8_t *src, const tap_row *down, const tap_row *across,
                           int c) {
  double value = 0.0, magnitude = 0.0, squares = 0.0;
  for (int y = down->from; y < down->to; y++) {
    double sum = 0.0, weight = tap_weight(down, y);
    for (int x = across->from; x < across->to; x++) {
      sum += tap_weight(across, x) * src[(size_t)y * (size_t)d->src_row + (size_t)x * (size_t)d->c + (size_t)c];
    }
    value += weight * clamp(sum);
    magnitude += fabs(weight);
    squares += weight * weight;
  }
  double mean = magnitude / 4.0 + 0.25, variance = mean * mean + (squares + 1.0) / 12.0;
  return (case_value){clamp(value), 0.5 * magnitude + 0.5 + 0.02, variance};
}

static void resize_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_resize_desc *d = (const void *)out->desc;
  size_t n = row / (size_t)d->p;
  const uint8_t *src = (const uint8_t *)args->in[RESIZE_SRC] + n * (size_t)d->h * (size_t)d->src_row;
  tap_row down = taps_of(d->filter, d->h, d->p_full, (int)(row % (size_t)d->p) + d->top);
  (void)output;
  for (int q = 0; q < d->q; q++) {
    tap_row across = taps_of(d->filter, d->w, d->q_full, q + d->left);
    for (int c = 0; c < d->c; c++) values[q * d->c + c] = resample(d, src, &down, &across, c);
  }
}

const case_op case_normalise = {
    "normalise", normalise_fields, normalise_fixed, normalise_draw, normalise_layout, normalise_truth, NULL, NULL,
    NULL};
const case_op case_resize = {"resize",     resize_fields, resize_fixed, resize_draw, resize_layout,
                             resize_truth, NULL,          NULL,         NULL};
