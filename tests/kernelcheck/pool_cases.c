/* Problems of pool and adaptive_pool. */
#include <math.h>
#include <string.h>

#include "kernels/adaptive_pool/adaptive_pool.h"
#include "kernels/pool/pool.h"
#include "tests/kernelcheck/compare.h"

enum { N, H, W, C, SRC_GAP, DST_GAP, MODE, R, S, STRIDE, STRIDE_W, PAD, PAD_LEFT, PAD_BOTTOM, PAD_RIGHT, CEIL };
enum { P = R, Q = S }; /* of adaptive_pool */

#define PICTURE                                                                                             \
  {"n", 1, 0, 4096}, {"h", 1, 1, 65536}, {"w", 1, 1, 65536}, {"c", 1, 1, 65536}, {"src_gap", 0, 0, 4096}, { \
    "dst_gap", 0, 0, 4096                                                                                   \
  }

/* mode: 0 maximum, 1 average of the cells inside, 2 average that counts padding.  -1 as in conv2d_cases.c. */
static const case_field pool_fields[] = {PICTURE,
                                         {"mode", 0, 0, 2},
                                         {"r", 1, 1, 256},
                                         {"s", 1, 1, 256},
                                         {"stride", 1, 1, 256},
                                         {"stride_w", -1, -1, 256},
                                         {"pad", 0, 0, 64},
                                         {"pad_left", -1, -1, 64},
                                         {"pad_bottom", -1, -1, 64},
                                         {"pad_right", -1, -1, 64},
                                         {"ceil", 0, 0, 1},
                                         {NULL, 0, 0, 0}};

/* mode: 0 average, 1 maximum. */
static const case_field adaptive_fields[] = {
    PICTURE, {"mode", 0, 0, 1}, {"p", 1, 1, 65536}, {"q", 1, 1, 65536}, {NULL, 0, 0, 0}};

static const char *const pool_fixed[] = {"n=1 h=1 w=1 c=1",
                                         "n=0 h=4 w=4 c=3 r=2 s=2 stride=2",
                                         "n=2 h=8 w=8 c=64 r=2 s=2 stride=2",
                                         "n=1 h=9 w=7 c=63 r=3 s=3 stride=2 ceil=1",
                                         "n=1 h=9 w=7 c=65 r=3 s=3 stride=2 pad=1 src_gap=7 dst_gap=9",
                                         "n=1 h=7 w=7 c=31 r=3 s=3 pad=1 mode=1",
                                         "n=1 h=7 w=7 c=33 r=3 s=3 pad=1 mode=2 dst_gap=31",
                                         "n=1 h=8 w=6 c=17 r=3 s=3 stride=2 pad=1 mode=2 ceil=1",
                                         "n=1 h=8 w=6 c=15 r=3 s=2 stride=2 mode=1 ceil=1 pad=1 pad_left=0",
                                         "n=1 h=2 w=2 c=5 r=5 s=5 pad=4 mode=1",
                                         "n=1 h=2 w=2 c=5 r=5 s=5 pad=4",
                                         "n=1 h=60 w=60 c=3 r=60 s=60 mode=2",
                                         "n=1 h=5 w=7 c=9 stride=2",
                                         NULL};

static const char *const adaptive_fixed[] = {"n=1 h=1 w=1 c=1",
                                             "n=0 h=4 w=4 c=3",
                                             "n=2 h=7 w=7 c=130 src_gap=2 dst_gap=3",
                                             "n=1 h=8 w=8 c=64 mode=1",
                                             "n=1 h=13 w=9 c=33 p=6 q=6",
                                             "n=1 h=3 w=2 c=17 p=7 q=7 dst_gap=15",
                                             "n=1 h=3 w=5 c=31 p=2 q=8 mode=1",
                                             "n=1 h=60 w=55 c=3",
                                             "n=131 h=3 w=2 c=3 p=2 q=2 mode=1",
                                             "n=2 h=3 w=2 c=2055 p=2 q=2 mode=1",
                                             NULL};

static void draw_picture(double *v, uint64_t *random) {
  v[N] = CASE_PICK(random, 0, 1, 1, 2, 3);
  v[H] = CASE_PICK(random, 1, 2, 3, 4, 5, 7, 8, 13, 17);
  v[W] = CASE_PICK(random, 1, 2, 3, 4, 5, 7, 8, 13, 17);
  v[C] = CASE_PICK(random, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97, 129, 200);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 5, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 1, 3, 16);
}

static void pool_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  draw_picture(v, random);
  v[MODE] = case_between(random, 0, 2);
  v[R] = CASE_PICK(random, 1, 2, 2, 3, 3, 5, 8);
  v[S] = case_between(random, 0, 2) ? v[R] : CASE_PICK(random, 1, 2, 3);
  v[STRIDE] = CASE_PICK(random, 1, 2, 2, 3);
  v[STRIDE_W] = case_between(random, 0, 2) ? -1 : 1;
  v[PAD] = case_between(random, 0, (int)v[R] - 1);
  v[PAD_LEFT] = case_between(random, 0, (int)v[S] - 1);
  v[PAD_BOTTOM] = case_between(random, 0, 1) ? -1 : case_between(random, 0, (int)v[R] - 1);
  v[PAD_RIGHT] = case_between(random, 0, 1) ? -1 : case_between(random, 0, (int)v[S] - 1);
  v[CEIL] = case_between(random, 0, 1);
}

static void adaptive_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  draw_picture(v, random);
  v[MODE] = case_between(random, 0, 1);
  v[P] = CASE_PICK(random, 1, 1, 2, 3, 6, 7, 19);
  v[Q] = case_between(random, 0, 2) ? v[P] : CASE_PICK(random, 1, 5);
}

static int as(const case_problem *problem, int field, int other) {
  return problem->v[field] < 0 ? other : case_int(problem, field);
}

/* What both layouts have in common: picture in, picture out, cells read per output. */
static void picture(const case_problem *problem, kohl_direction direction, int p, int q, double cells, bool max,
                    case_layout *out) {
  int n = case_int(problem, N), h = case_int(problem, H), w = case_int(problem, W), c = case_int(problem, C);
  case_tensor src = case_tensor_make("src", (size_t)n * h * w, c, c + case_int(problem, SRC_GAP));
  case_tensor dst = case_tensor_make("dst", (size_t)n * p * q, c, c + case_int(problem, DST_GAP));
  out->flops = (double)n * p * q * c * cells;
  out->bytes = 4.0 * n * c * ((double)h * w + (double)p * q);
  out->integer = (int)fmin(1000.0, 0x1p24 / (cells + 1.0));
  out->linear = !max;
  if (direction == KOHL_FWD) {
    out->in[0] = src;
    out->out[0] = dst;
    return;
  }
  if (max) out->bytes += 4.0 * n * c * h * w;
  if (max) out->in[POOL_DGRAD_SRC] = src;
  if (!max) out->integer = 0; /* quotients that are added up: a sum of rounded terms */
  out->in[POOL_DGRAD_DDST] = dst;
  out->in[POOL_DGRAD_DDST].name = "ddst";
  out->out[POOL_DGRAD_DSRC] = src;
  out->out[POOL_DGRAD_DSRC].name = "dsrc";
}

static const char *pool_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction == KOHL_WGRAD) return "pool has no weights";
  kohl_pool_desc d;
  memset(&d, 0, sizeof d);
  d.n = case_int(problem, N);
  d.h = case_int(problem, H);
  d.w = case_int(problem, W);
  d.c = case_int(problem, C);
  d.r = case_int(problem, R);
  d.s = case_int(problem, S);
  d.stride_h = case_int(problem, STRIDE);
  d.stride_w = as(problem, STRIDE_W, d.stride_h);
  d.pad_top = case_int(problem, PAD);
  d.pad_left = as(problem, PAD_LEFT, d.pad_top);
  d.pad_bottom = as(problem, PAD_BOTTOM, d.pad_top);
  d.pad_right = as(problem, PAD_RIGHT, d.pad_left);
  d.p = kohl_pool_out(d.h, d.r, d.stride_h, d.pad_top, d.pad_bottom, problem->v[CEIL] != 0);
  d.q = kohl_pool_out(d.w, d.s, d.stride_w, d.pad_left, d.pad_right, problem->v[CEIL] != 0);
  d.src_stride = d.c + case_int(problem, SRC_GAP);
  d.dst_stride = d.c + case_int(problem, DST_GAP);
  d.mode = (kohl_pool_mode)case_int(problem, MODE);
  const char *wrong = kohl_pool_check(&d);
  if (wrong) return wrong;
  picture(problem, direction, d.p, d.q, (double)d.r * d.s, d.mode == KOHL_POOL_MAX, out);
  memcpy(out->desc, &d, sizeof d);
  return NULL;
}

/* One side of a window: cells from .. to - 1, and how many the average counts. */
typedef struct span {
  int from, to, counted;
} span;

/* Maximum or average of a window of picture n, channel c. */
static case_value reduce_window(const float *src, const kohl_pool_desc *d, size_t n, span y, span x, int c, bool max) {
  compare_chain chain = {0};
  double largest = -INFINITY;
  for (int i = y.from; i < y.to; i++) {
    for (int j = x.from; j < x.to; j++) {
      double cell =
          src[((n * (size_t)d->h + (size_t)i) * (size_t)d->w + (size_t)j) * (size_t)d->src_stride + (size_t)c];
      compare_add(&chain, cell);
      if (!(cell <= largest)) largest = isnan(largest) ? largest : cell;
    }
  }
  if (max) return (case_value){largest, 0.0, 0.0};
  double divisor = (double)y.counted * x.counted;
  case_value value = compare_chain_value(&chain, false);
  value.value /= divisor;
  value.limit = value.limit / divisor + 2.0 * COMPARE_U * fabs(value.value); /* and the division's own rounding */
  value.variance = value.variance / divisor / divisor + compare_variance(value.value * value.value);
  return value;
}

static span pool_span(int index, int stride, int before, int after, int window, int size, bool padding) {
  int start = index * stride - before, end = start + window;
  span s = {start > 0 ? start : 0, end < size ? end : size, 0};
  s.counted = padding ? (end < size + after ? end : size + after) - start : s.to - s.from;
  return s;
}

/* Whether the window's maximum of channel c, by the forward's rule, is at (i, j). */
static bool is_chosen(const float *src, const kohl_pool_desc *d, size_t n, span y, span x, int c, int i, int j) {
  double largest = -INFINITY;
  int row = y.from, column = x.from;
  for (int k = y.from; k < y.to; k++) {
    for (int l = x.from; l < x.to; l++) {
      double v = src[((n * (size_t)d->h + (size_t)k) * (size_t)d->w + (size_t)l) * (size_t)d->src_stride + (size_t)c];
      if (!(v > largest) && !isnan(v)) continue;
      largest = v;
      row = k;
      column = l;
    }
  }
  return row == i && column == j;
}

typedef span span_maker(const kohl_pool_desc *d, int index, bool across);

/* Row `row` of dsrc: every window is asked whether it covers the cell.  A quotient is rounded once, then added. */
static void gradient(const kohl_pool_desc *d, span_maker *make, const kohl_args *args, size_t row, case_value *values) {
  const float *src = args->in[POOL_DGRAD_SRC], *ddst = args->in[POOL_DGRAD_DDST];
  const bool max = d->mode == KOHL_POOL_MAX;
  int j = (int)(row % (size_t)d->w), i = (int)(row / (size_t)d->w % (size_t)d->h);
  size_t n = row / (size_t)d->w / (size_t)d->h;
  for (int c = 0; c < d->c; c++) {
    compare_chain chain = {0};
    double squares = 0.0;
    for (int p = 0; p < d->p; p++) {
      span y = make(d, p, false);
      if (i < y.from || i >= y.to) continue;
      for (int q = 0; q < d->q; q++) {
        span x = make(d, q, true);
        if (j < x.from || j >= x.to || (max && !is_chosen(src, d, n, y, x, c, i, j))) continue;
        double g =
            ddst[((n * (size_t)d->p + (size_t)p) * (size_t)d->q + (size_t)q) * (size_t)d->dst_stride + (size_t)c];
        double term = max ? g : g / ((double)y.counted * x.counted);
        compare_add(&chain, term);
        squares += max ? 0.0 : term * term;
      }
    }
    if (!max) chain.roundings += 1.0;
    values[c] = compare_chain_value(&chain, false);
    values[c].variance += compare_variance(squares);
  }
}

static span pool_span_of(const kohl_pool_desc *d, int index, bool across) {
  bool padding = d->mode == KOHL_POOL_AVG_ALL;
  return across ? pool_span(index, d->stride_w, d->pad_left, d->pad_right, d->s, d->w, padding)
                : pool_span(index, d->stride_h, d->pad_top, d->pad_bottom, d->r, d->h, padding);
}

static void pool_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_pool_desc *d = (const void *)out->desc;
  (void)output;
  if (out->direction == KOHL_DGRAD) {
    gradient(d, pool_span_of, args, row, values);
    return;
  }
  int q = (int)(row % (size_t)d->q), p = (int)(row / (size_t)d->q % (size_t)d->p);
  size_t n = row / (size_t)d->q / (size_t)d->p;
  span y = pool_span_of(d, p, false), x = pool_span_of(d, q, true);
  for (int c = 0; c < d->c; c++) values[c] = reduce_window(args->in[0], d, n, y, x, c, d->mode == KOHL_POOL_MAX);
}

static const char *adaptive_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction == KOHL_WGRAD) return "adaptive_pool has no weights";
  kohl_adaptive_pool_desc d;
  memset(&d, 0, sizeof d);
  d.n = case_int(problem, N);
  d.h = case_int(problem, H);
  d.w = case_int(problem, W);
  d.c = case_int(problem, C);
  d.p = case_int(problem, P);
  d.q = case_int(problem, Q);
  d.src_stride = d.c + case_int(problem, SRC_GAP);
  d.dst_stride = d.c + case_int(problem, DST_GAP);
  d.mode = (kohl_adaptive_pool_mode)case_int(problem, MODE);
  double cells = ((double)d.h / d.p + 2.0) * ((double)d.w / d.q + 2.0);
  picture(problem, direction, d.p, d.q, cells, d.mode == KOHL_ADAPTIVE_POOL_MAX, out);
  memcpy(out->desc, &d, sizeof d);
  return kohl_adaptive_pool_check(&d);
}

static span adaptive_span(int index, int windows, int size) {
  span s = {(int)floor((double)index * size / windows), (int)ceil((index + 1.0) * size / windows), 0};
  s.counted = s.to - s.from;
  return s;
}

static span adaptive_span_of(const kohl_pool_desc *d, int index, bool across) {
  return across ? adaptive_span(index, d->q, d->w) : adaptive_span(index, d->p, d->h);
}

static void adaptive_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_adaptive_pool_desc *d = (const void *)out->desc;
  (void)output;
  const bool max = d->mode == KOHL_ADAPTIVE_POOL_MAX;
  kohl_pool_desc as_pool = {.n = d->n, .h = d->h, .w = d->w, .c = d->c, .p = d->p, .q = d->q};
  as_pool.src_stride = d->src_stride;
  as_pool.dst_stride = d->dst_stride;
  as_pool.mode = max ? KOHL_POOL_MAX : KOHL_POOL_AVG_VALID;
  if (out->direction == KOHL_DGRAD) {
    gradient(&as_pool, adaptive_span_of, args, row, values);
    return;
  }
  int q = (int)(row % (size_t)d->q), p = (int)(row / (size_t)d->q % (size_t)d->p);
  size_t n = row / (size_t)d->q / (size_t)d->p;
  span y = adaptive_span(p, d->p, d->h), x = adaptive_span(q, d->q, d->w);
  for (int c = 0; c < d->c; c++) values[c] = reduce_window(args->in[0], &as_pool, n, y, x, c, max);
}

const case_op case_pool = {"pool", pool_fields, pool_fixed, pool_draw, pool_layout, pool_truth, NULL, NULL, NULL};
const case_op case_adaptive_pool = {
    "adaptive_pool", adaptive_fields, adaptive_fixed, adaptive_draw, adaptive_layout, adaptive_truth, NULL, NULL, NULL};
