/* Problems of lrn, dropout and rmsprop. */
#include <math.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "kernels/dropout/dropout.h"
#include "kernels/lrn/lrn.h"
#include "kernels/rmsprop/rmsprop.h"
#include "tests/kernelcheck/compare.h"

enum { LRN_N, LRN_PIXELS, LRN_C, LRN_SRC_GAP, LRN_DST_GAP, LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_BIAS };
static const case_field lrn_fields[] = {{"n", 1, 0, 65536},      {"pixels", 1, 1, 1 << 20}, {"c", 1, 1, 1 << 20},
                                        {"src_gap", 0, 0, 4096}, {"dst_gap", 0, 0, 4096},   {"size", 5, 1, 999},
                                        {"alpha", 1e-4, 0, 100}, {"beta", 0.75, 0, 10},     {"bias", 2, 0.1, 100},
                                        {NULL, 0, 0, 0}};
static const char *const lrn_fixed[] = {"n=1",
                                        "n=0 c=4",
                                        "n=1 pixels=9 c=31 src_gap=2 dst_gap=1",
                                        "n=2 pixels=4 c=3 size=9",
                                        "n=1 pixels=300 c=33 alpha=0.5 beta=0.5 bias=1",
                                        "n=1 pixels=3 c=64 size=1",
                                        "n=1 pixels=5 c=7 size=999 src_gap=9",
                                        "n=1 pixels=2 c=17 size=3 dst_gap=15",
                                        "n=2 pixels=9 c=96 alpha=2e-05",
                                        "n=1 pixels=3 c=255 beta=10 alpha=100 bias=100",
                                        "n=1 pixels=6 c=257 beta=0 src_gap=1",
                                        "n=1 pixels=259 c=1028",
                                        NULL};

static void lrn_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[LRN_N] = CASE_PICK(random, 0, 1, 1, 2);
  v[LRN_PIXELS] = CASE_PICK(random, 1, 2, 7, 49);
  v[LRN_C] = CASE_PICK(random, 1, 2, 3, 5, 15, 16, 17, 31, 33, 96);
  v[LRN_SRC_GAP] = CASE_PICK(random, 0, 0, 1, 16);
  v[LRN_DST_GAP] = CASE_PICK(random, 0, 0, 1, 16);
  v[LRN_SIZE] = CASE_PICK(random, 1, 3, 5, 5, 9, 31);
  v[LRN_ALPHA] = CASE_PICK(random, 0, 1, 10, 1000) / 1000.0;
  v[LRN_BETA] = CASE_PICK(random, 0, 1, 2, 3, 4) / 4.0;
  v[LRN_BIAS] = CASE_PICK(random, 1, 2);
}

static const char *lrn_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction == KOHL_WGRAD) return "lrn has no weights";
  int c = case_int(problem, LRN_C);
  kohl_lrn_desc d = {
      case_int(problem, LRN_N),           case_int(problem, LRN_PIXELS),      c,
      c + case_int(problem, LRN_SRC_GAP), c + case_int(problem, LRN_DST_GAP), case_int(problem, LRN_SIZE),
      (float)problem->v[LRN_ALPHA],       (float)problem->v[LRN_BETA],        (float)problem->v[LRN_BIAS]};
  size_t rows = (size_t)d.n * (size_t)d.pixels;
  out->in[LRN_SRC] = case_tensor_make("src", rows, c, d.src_stride);
  if (direction == KOHL_FWD) {
    out->out[LRN_DST] = case_tensor_make("dst", rows, c, d.dst_stride);
  } else {
    out->in[LRN_DGRAD_DDST] = case_tensor_make("ddst", rows, c, d.dst_stride);
    out->out[LRN_DGRAD_DSRC] = case_tensor_make("dsrc", rows, c, d.src_stride);
  }
  out->flops = (double)rows * c * (2.0 * d.size + 60.0); /* a power in double is about 60 operations */
  out->bytes = 8.0 * (double)rows * c;
  memcpy(out->desc, &d, sizeof d);
  return kohl_lrn_check(&d);
}

static double lrn_base(const kohl_lrn_desc *d, const float *src, int c) {
  double sum = 0.0;
  for (int j = c - d->size / 2; j <= c + d->size / 2; j++) {
    if (j >= 0 && j < d->c) sum += (double)src[j] * src[j];
  }
  return (double)d->bias + (double)d->alpha * sum;
}

/* The power is off as in the forward; a quotient by that, by the base's size + 1 roundings and 3 of its own; the sum
 * adds size, factor and product 3, the last sum one. */
static void lrn_gradient(const kohl_lrn_desc *d, const float *src, const float *ddst, case_value *values) {
  double power_error = (d->size + 1.0) * d->beta + 1.1, error = power_error + (d->size + 4.0) + d->size + 4.0;
  for (int c = 0; c < d->c; c++) {
    double sum = 0.0, magnitude = 0.0, factor = 2.0 * d->alpha * d->beta * src[c];
    for (int j = c - d->size / 2; j <= c + d->size / 2; j++) {
      if (j < 0 || j >= d->c) continue;
      double base = lrn_base(d, src, j), term = (double)ddst[j] * src[j] * pow(base, -(double)d->beta) / base;
      sum += term;
      magnitude += fabs(term);
    }
    double direct = ddst[c] * pow(lrn_base(d, src, c), -(double)d->beta), value = direct - factor * sum;
    double back = fabs(factor) * magnitude;
    values[c] = (case_value){
        value, compare_limit(power_error + 2.0, fabs(direct)) + compare_limit(error, back),
        compare_variance((power_error * power_error + 2.0) * direct * direct + error * error * back * back)};
  }
}

/* The sum has at most size roundings and the base one more, which the power multiplies by beta; the power and the last
 * product have one each.  All summands are positive, so that relative errors do not grow. */
static void lrn_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_lrn_desc *d = (const void *)out->desc;
  const float *src = (const float *)args->in[LRN_SRC] + row * (size_t)d->src_stride;
  (void)output;
  if (out->direction == KOHL_DGRAD) {
    lrn_gradient(d, src, (const float *)args->in[LRN_DGRAD_DDST] + row * (size_t)d->dst_stride, values);
    return;
  }
  for (int c = 0; c < d->c; c++) {
    double value = src[c] * pow(lrn_base(d, src, c), -(double)d->beta);
    double squares = (d->size + 1.0) * d->beta * d->beta + 2.1;
    values[c] = (case_value){value, compare_limit((d->size + 1.0) * d->beta + 2.1, fabs(value)),
                             compare_variance(squares * value * value)};
  }
}

enum { DROPOUT_N, DROPOUT_FEATURES, DROPOUT_RATE, DROPOUT_SEED, DROPOUT_EPOCH, DROPOUT_OP, DROPOUT_AT_RATE };
static const case_field dropout_fields[] = {
    {"n", 1, 0, 65536},   {"features", 1, 1, 1 << 20}, {"rate", 0.5, 0, 0.99}, {"key", 1, 0, 1e9},
    {"epoch", 0, 0, 1e9}, {"op", 0, 0, 1e9},           {"at_rate", 0, 0, 1},   {NULL, 0, 0, 0}};
static const char *const dropout_fixed[] = {"n=1",
                                            "n=0 features=4",
                                            "n=3 features=7 rate=0.25",
                                            "n=2 features=4096 epoch=3",
                                            "n=5 features=33 rate=0 op=7",
                                            "n=40 features=5 rate=0.75 key=99",
                                            "n=2 features=31",
                                            "n=2 features=32 rate=0.3",
                                            "n=2 features=63 op=1",
                                            "n=3 features=65 rate=0.99",
                                            "n=1 features=9 at_rate=1",
                                            "n=1 features=1000003 rate=0.1",
                                            NULL};

static void dropout_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[DROPOUT_N] = CASE_PICK(random, 0, 1, 2, 3, 33);
  v[DROPOUT_FEATURES] = CASE_PICK(random, 1, 2, 3, 4, 5, 15, 16, 17, 33, 64, 129, 255, 1000);
  v[DROPOUT_RATE] = CASE_PICK(random, 0, 1, 2, 5, 5, 9) / 10.0;
  v[DROPOUT_SEED] = case_between(random, 0, 1000000);
  v[DROPOUT_EPOCH] = case_between(random, 0, 50);
  v[DROPOUT_OP] = case_between(random, 0, 9);
}

static const char *dropout_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_dropout_desc d = {case_int(problem, DROPOUT_N),        case_int(problem, DROPOUT_FEATURES),
                         (float)problem->v[DROPOUT_RATE],     (uint64_t)problem->v[DROPOUT_SEED],
                         (uint32_t)problem->v[DROPOUT_EPOCH], (uint32_t)problem->v[DROPOUT_OP]};
  if (direction == KOHL_WGRAD) return "a dropout has no weights";
  bool fwd = direction == KOHL_FWD;
  size_t n = (size_t)d.n;
  out->in[DROPOUT_SRC] = case_tensor_make(fwd ? "src" : "ddst", n, d.features, 0);
  out->in[DROPOUT_DRAWS] = case_tensor_make("draws", n, 1, 0);
  out->in[DROPOUT_DRAWS].type = CASE_U64;
  out->in[DROPOUT_DRAWS].values = CASE_LABELS;
  if (problem->v[DROPOUT_AT_RATE] != 0 && n > 0) { /* the first feature's number is the rate, and so it is kept */
    const uint64_t draw = 7;
    case_tensor_give(&out->in[DROPOUT_DRAWS], 0, &draw, sizeof draw);
    d.rate = kohl_random_uniform(d.seed, d.epoch, draw, d.op, 0);
  }
  out->out[DROPOUT_DST] = case_tensor_make(fwd ? "dst" : "dsrc", n, d.features, 0);
  out->may_be[DROPOUT_DST] = 1u << DROPOUT_SRC;
  out->flops = 12.0 * (double)n * d.features;
  out->bytes = 8.0 * (double)n * d.features;
  bool exact = d.rate == 0.0f || d.rate == 0.5f || d.rate == 0.75f; /* the scale is 1, 2 or 4 */
  out->integer = exact ? 1000 : 0;
  out->linear = true;
  memcpy(out->desc, &d, sizeof d);
  return kohl_dropout_check(&d);
}

/* The scale has two roundings, the product one. */
static void dropout_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_dropout_desc *d = (const void *)out->desc;
  const float *src = (const float *)args->in[DROPOUT_SRC] + row * (size_t)d->features;
  uint64_t draw = ((const uint64_t *)args->in[DROPOUT_DRAWS])[row];
  (void)output;
  for (int f = 0; f < d->features; f++) {
    bool keep = kohl_random_uniform(d->seed, d->epoch, draw, d->op, (uint64_t)f) >= d->rate;
    values[f] = keep ? compare_rounded(src[f] / (1.0 - (double)d->rate), 3.0) : (case_value){0.0, 0.0, 0.0};
  }
}

enum { RMS_COUNT, RMS_LR, RMS_RHO, RMS_EPSILON, RMS_MOMENTUM, RMS_DECAY, RMS_INSIDE };
static const case_field rmsprop_fields[] = {{"count", 1, 0, 1 << 28}, {"lr", 0.01, 0, 1e38}, {"rho", 0.9, 0, 1},
                                            {"epsilon", 1e-7, 0, 1},  {"momentum", 0, 0, 1}, {"decay", 0, 0, 1},
                                            {"inside", 0, 0, 1},      {NULL, 0, 0, 0}};
static const char *const rmsprop_fixed[] = {"count=1",
                                            "count=0",
                                            "count=15 momentum=0.9",
                                            "count=16 inside=1",
                                            "count=17 momentum=0.9 inside=1",
                                            "count=7",
                                            "count=8",
                                            "count=9",
                                            "count=20011 momentum=0.5 epsilon=0.001",
                                            "count=17 decay=0.5",
                                            "count=20011 momentum=0.9 decay=0.01 inside=1",
                                            NULL};

static void rmsprop_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[RMS_COUNT] = case_between(random, 0, 1) ? case_between(random, 1, 70) : case_between(random, 1, 30000);
  v[RMS_LR] = CASE_PICK(random, 1, 10, 1000) / 10000.0;
  v[RMS_RHO] = CASE_PICK(random, 5, 9, 9) / 10.0;
  v[RMS_EPSILON] = CASE_PICK(random, 1, 1000, 100000) * 1e-8;
  v[RMS_MOMENTUM] = CASE_PICK(random, 0, 0, 5, 9) / 10.0;
  v[RMS_DECAY] = CASE_PICK(random, 0, 0, 1, 100) / 1000.0;
  v[RMS_INSIDE] = case_between(random, 0, 1);
}

static const char *rmsprop_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  static const char *const names[] = {"weights", "v", "m"};
  if (direction != KOHL_FWD) return "rmsprop has cases for fwd only";
  kohl_rmsprop_desc d = {1,
                         (int64_t)problem->v[RMS_COUNT],
                         (float)problem->v[RMS_LR],
                         (float)problem->v[RMS_RHO],
                         (float)problem->v[RMS_EPSILON],
                         (float)problem->v[RMS_MOMENTUM],
                         (float)problem->v[RMS_DECAY],
                         problem->v[RMS_INSIDE] != 0};
  int count = (int)d.count;
  out->in[RMSPROP_GRAD] = case_tensor_make("grad", 1, count, 0);
  for (int i = 0; i < (d.momentum != 0.0f ? 3 : 2); i++) {
    out->out[i] = case_tensor_make(names[i], 1, count, 0);
    out->out[i].updated = true;
    if (i == RMSPROP_V) out->out[i].values = CASE_POSITIVE;
  }
  out->flops = 10.0 * count;
  out->bytes = (d.momentum != 0.0f ? 28.0 : 20.0) * count;
  memcpy(out->desc, &d, sizeof d);
  return kohl_rmsprop_check(&d);
}

/* v has four roundings, at most 5 u in all; its root half of that, and one rounding with one for epsilon; step then
 * lr g and a division, in all at most 7 u.  m and w add one rounding each to terms that are that wrong.  A decay rounds
 * g, which v has squared and step has itself and under the root: 2 u more for each.  A decay of 0 is left out. */
static void rmsprop_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_rmsprop_desc *d = (const void *)out->desc;
  const float *grad = args->in[RMSPROP_GRAD], *w = args->out[RMSPROP_WEIGHTS], *v = args->out[RMSPROP_V];
  const float *m = d->momentum != 0.0f ? args->out[RMSPROP_M] : NULL;
  (void)row;
  for (int64_t i = 0; i < d->count; i++) {
    const bool decays = d->weight_decay != 0.0f;
    double more = decays ? 2.0 : 0.0, g = grad[i] + (decays ? (double)d->weight_decay * w[i] : 0.0);
    double fresh = (1.0 - (double)d->rho) * g * g, mean = (double)d->rho * v[i] + fresh;
    double root = d->epsilon_inside ? sqrt(mean + (double)d->epsilon) : sqrt(mean) + (double)d->epsilon;
    double step = (double)d->lr * g / root, old = m ? (double)d->momentum * m[i] : 0.0, move = old + step;
    double step_squares = (7.0 + more * more) * step * step + move * move;
    if (output == RMSPROP_V) {
      values[i] = (case_value){mean, compare_limit(5.0 + more, mean),
                               compare_variance(mean * mean + (3.0 + more * more) * fresh * fresh)};
    } else if (output == RMSPROP_M) {
      values[i] = (case_value){move, compare_limit(8.0 + more, fabs(old) + fabs(step)), compare_variance(step_squares)};
    } else {
      double value = w[i] - move;
      values[i] = (case_value){value, compare_limit(9.0 + more, fabs(old) + fabs(step) + fabs(w[i])),
                               compare_variance(step_squares + value * value)};
    }
  }
}

const case_op case_lrn = {"lrn", lrn_fields, lrn_fixed, lrn_draw, lrn_layout, lrn_truth, NULL, NULL, NULL};
const case_op case_dropout = {"dropout",     dropout_fields, dropout_fixed, dropout_draw, dropout_layout,
                              dropout_truth, NULL,           NULL,          NULL};
const case_op case_rmsprop = {"rmsprop",     rmsprop_fields, rmsprop_fixed, rmsprop_draw, rmsprop_layout,
                              rmsprop_truth, NULL,           NULL,          NULL};
