/* Problems of softmax and softmax_xent.  Both give no exact integers; their bounds are derived at relative_error. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/softmax/softmax.h"
#include "kernels/softmax_xent/softmax_xent.h"
#include "tests/kernelcheck/compare.h"

enum { N, C, PIXELS, SRC_GAP, DST_GAP };                                    /* of softmax */
enum { SMOOTHING = 2, WEIGHTED, BY_WEIGHTS, LOSS_WEIGHT, LEFT_OUT, WRONG }; /* of softmax_xent, after n and k */

static const case_field softmax_fields[] = {{"n", 1, 0, 65536},      {"c", 1, 1, 1 << 20},    {"pixels", 1, 1, 1 << 20},
                                            {"src_gap", 0, 0, 4096}, {"dst_gap", 0, 0, 4096}, {NULL, 0, 0, 0}};
static const case_field xent_fields[] = {{"n", 1, 0, 65536},    {"k", 1, 1, 1 << 20},    {"smoothing", 0, 0, 0.99},
                                         {"weighted", 0, 0, 1}, {"by_weights", 0, 0, 1}, {"loss_weight", 1, 1e-3, 1e3},
                                         {"left_out", 0, 0, 1}, {"wrong", 0, 0, 2},      {NULL, 0, 0, 0}};

static const char *const softmax_fixed[] = {"n=1",
                                            "n=0 c=5",
                                            "n=2 c=15 src_gap=1",
                                            "n=1 c=16 pixels=5",
                                            "n=3 c=17",
                                            "n=1 c=1000 dst_gap=3",
                                            "n=1 c=31 pixels=300",
                                            "n=2 c=200",
                                            "n=2 c=8191",
                                            NULL};
static const char *const xent_fixed[] = {"n=1",
                                         "n=0 k=5",
                                         "n=70 k=3 weighted=1",
                                         "n=7 k=17 smoothing=0.1",
                                         "n=16 k=16 smoothing=0.25 weighted=1 by_weights=1",
                                         "n=3 k=1000 by_weights=1",
                                         "n=5 k=9 weighted=1 loss_weight=0.3",
                                         "n=2 k=4100 smoothing=0.1",
                                         "n=257 k=3 weighted=1 by_weights=1",
                                         "n=1 k=4 left_out=1 by_weights=1",
                                         "n=7 k=5 left_out=1 weighted=1",
                                         "n=16 k=17 left_out=1 smoothing=0.1 weighted=1 by_weights=1",
                                         "n=1 k=4 wrong=1 weighted=1",
                                         "n=3 k=5 wrong=1 smoothing=0.1 by_weights=1",
                                         "n=3 k=5 wrong=2",
                                         NULL};

static void softmax_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 2, 3, 33);
  v[C] = CASE_PICK(random, 1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 47, 100, 1000);
  v[PIXELS] = CASE_PICK(random, 1, 1, 2, 49);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 1, 16);
}

static void xent_draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[0] = CASE_PICK(random, 0, 1, 2, 3, 8, 33, 64);
  v[1] = CASE_PICK(random, 1, 2, 3, 5, 15, 16, 17, 33, 100, 1000);
  v[SMOOTHING] = CASE_PICK(random, 0, 0, 1, 5) / 10.0;
  v[WEIGHTED] = case_between(random, 0, 1);
  v[BY_WEIGHTS] = case_between(random, 0, 1);
  v[LOSS_WEIGHT] = CASE_PICK(random, 3, 10, 10, 17) / 10.0;
  v[LEFT_OUT] = CASE_PICK(random, 0, 0, 1);
}

static const char *softmax_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction == KOHL_WGRAD) return "softmax has no weights";
  int c = case_int(problem, C);
  kohl_softmax_desc d = {case_int(problem, N), case_int(problem, PIXELS), c, c + case_int(problem, SRC_GAP),
                         c + case_int(problem, DST_GAP)};
  size_t rows = (size_t)d.n * (size_t)d.pixels;
  case_tensor dst = case_tensor_make("dst", rows, c, d.dst_stride);
  if (direction == KOHL_FWD) {
    out->in[SOFTMAX_SRC] = case_tensor_make("src", rows, c, d.src_stride);
    out->out[SOFTMAX_DST] = dst;
    out->may_be[SOFTMAX_DST] = 1u << SOFTMAX_SRC;
  } else {
    out->in[SOFTMAX_DGRAD_DST] = out->in[SOFTMAX_DGRAD_DDST] = dst;
    out->in[SOFTMAX_DGRAD_DST].values = CASE_POSITIVE;
    out->in[SOFTMAX_DGRAD_DDST].name = "ddst";
    out->out[SOFTMAX_DGRAD_DSRC] = case_tensor_make("dsrc", rows, c, d.src_stride);
    out->may_be[SOFTMAX_DGRAD_DSRC] = 1u << SOFTMAX_DGRAD_DDST;
  }
  out->flops = 20.0 * (double)rows * c; /* an exponential is about 15 operations */
  out->bytes = 8.0 * (double)rows * c;
  memcpy(out->desc, &d, sizeof d);
  return kohl_softmax_check(&d);
}

/* One row's exponentials relative to its maximum: their sum, the maximum, and the greatest distance from it. */
typedef struct exponentials {
  double max, sum, spread;
} exponentials;

static exponentials sum_up(const float *x, int c) {
  exponentials e = {-INFINITY, 0.0, 0.0};
  for (int i = 0; i < c; i++) e.max = x[i] > e.max || isnan(x[i]) ? x[i] : e.max;
  for (int i = 0; i < c; i++) {
    double distance = x[i] - e.max;
    e.sum += exp(distance);
    if (fabs(distance) > e.spread) e.spread = fabs(distance);
  }
  return e;
}

/* The relative error, in u, of exp(x - max) / sum.  The numerator: x - max is rounded, which moves it by u |x - max|
 * and so the exponential by as much relatively; the exponential is 0.9 units in the last place off, 1.8 u.  The sum:
 * every summand is that wrong, and an element goes through c/16 additions of its partial sum and 4 of the tree.  Then a
 * division. */
static double relative_error(const exponentials *e, double distance, int c) {
  return (distance + 1.8) + (e->spread + 1.8) + (c / 16.0 + 5.0) + 1.0;
}

/* The variance's sum of squares of the same roundings, each partial sum counted as if it were the whole one. */
static double relative_squares(const exponentials *e, double distance, int c) {
  return distance * distance + e->spread * e->spread + 2.0 * 1.8 * 1.8 + (c / 16.0 + 5.0) + 1.0;
}

static void probabilities(const float *x, int c, case_value *values) {
  exponentials e = sum_up(x, c);
  for (int i = 0; i < c; i++) {
    double value = exp(x[i] - e.max) / e.sum, distance = fabs(x[i] - e.max);
    values[i] = (case_value){value, compare_limit(relative_error(&e, distance, c), value),
                             compare_variance(relative_squares(&e, distance, c) * value * value)};
  }
}

/* dst (ddst - sum): the sum has c/16 + 4 roundings, then a difference and a product.  The sum's error is the same for
 * the whole pixel and counts in full. */
static void softmax_gradient(const float *dst, const float *ddst, int c, case_value *values) {
  double sum = 0.0, magnitude = 0.0, steps = c / 16.0 + 5.0;
  for (int i = 0; i < c; i++) {
    sum += (double)ddst[i] * dst[i];
    magnitude += fabs((double)ddst[i] * dst[i]);
  }
  for (int i = 0; i < c; i++) {
    double value = dst[i] * (ddst[i] - sum), common = dst[i] * magnitude;
    values[i] = (case_value){value, compare_limit(steps + 2.0, fabs(common) + fabs(dst[i] * ddst[i])),
                             COMPARE_U * COMPARE_U * steps * common * common + compare_variance(2.0 * value * value)};
  }
}

static void softmax_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_softmax_desc *d = (const void *)out->desc;
  (void)output;
  if (out->direction == KOHL_DGRAD) {
    size_t at = row * (size_t)d->dst_stride;
    softmax_gradient((const float *)args->in[SOFTMAX_DGRAD_DST] + at, (const float *)args->in[SOFTMAX_DGRAD_DDST] + at,
                     d->c, values);
    return;
  }
  probabilities((const float *)args->in[SOFTMAX_SRC] + row * (size_t)d->src_stride, d->c, values);
}

static const char *xent_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_softmax_xent_desc d = {case_int(problem, 0), case_int(problem, 1), (float)problem->v[SMOOTHING],
                              problem->v[BY_WEIGHTS] != 0 ? KOHL_SOFTMAX_XENT_BY_WEIGHTS : KOHL_SOFTMAX_XENT_BY_BATCH,
                              (float)problem->v[LOSS_WEIGHT]};
  if (direction == KOHL_WGRAD) return "a loss has no weights";
  bool fwd = direction == KOHL_FWD, wrong = problem->v[WRONG] != 0;
  const int32_t beyond = problem->v[WRONG] == 1 ? d.k : -2; /* of the first sample, where it is wrong */
  size_t n = (size_t)d.n;
  out->in[SOFTMAX_XENT_LOGITS] = case_tensor_make(fwd ? "logits" : "probabilities", n, d.k, 0);
  if (!fwd) out->in[SOFTMAX_XENT_DGRAD_PROBABILITIES].values = CASE_POSITIVE;
  case_tensor *labels = &out->in[SOFTMAX_XENT_LABELS];
  *labels = case_tensor_make("labels", n, 1, 0);
  labels->type = CASE_I32;
  labels->values = CASE_LABELS;
  labels->labels = d.k;
  labels->holes = problem->v[LEFT_OUT] != 0;
  if (wrong && n > 0) case_tensor_give(labels, 0, &beyond, sizeof beyond);
  if (problem->v[WEIGHTED] != 0) {
    out->in[SOFTMAX_XENT_CLASS_WEIGHTS] = case_tensor_make("class weights", 1, d.k, 0);
    out->in[SOFTMAX_XENT_CLASS_WEIGHTS].values = CASE_POSITIVE;
  }
  if (fwd) {
    out->out[SOFTMAX_XENT_PROBABILITIES] = case_tensor_make("probabilities", n, d.k, 0);
    out->may_be[SOFTMAX_XENT_PROBABILITIES] = 1u << SOFTMAX_XENT_LOGITS;
    out->out[SOFTMAX_XENT_LOSS] = case_tensor_make("loss", n, 1, 0);
  } else {
    out->out[SOFTMAX_XENT_DGRAD_DLOGITS] = case_tensor_make("dlogits", n, d.k, 0);
    out->may_be[SOFTMAX_XENT_DGRAD_DLOGITS] = 1u << SOFTMAX_XENT_DGRAD_PROBABILITIES;
  }
  out->flops = (fwd ? 20.0 : 3.0) * (double)n * d.k;
  out->bytes = 8.0 * (double)n * d.k;
  memcpy(out->desc, &d, sizeof d);
  return kohl_softmax_xent_check(&d);
}

static double weight_of(const kohl_softmax_xent_desc *d, const kohl_args *args, int32_t label) {
  const float *weights = args->in[SOFTMAX_XENT_CLASS_WEIGHTS];
  if (label == -1) return 0.0;
  if (label < 0 || label >= d->k) return NAN;
  return weights ? weights[label] : 1.0;
}

static double target_of(const kohl_softmax_xent_desc *d, int j, int32_t label) {
  double low = (double)d->label_smoothing / d->k;
  return j == label ? (1.0 - (double)d->label_smoothing) + low : low;
}

/* loss = w (ln sum - dot).  ln sum moves by the sum's relative error and by 1.8 u of itself; of dot, every x - m is
 * rounded, every target is 2 u off (all those of the smoothing alike), and the chain has k roundings; then a
 * difference and a product. */
static case_value loss(const kohl_softmax_xent_desc *d, const kohl_args *args, size_t row) {
  const float *x = (const float *)args->in[SOFTMAX_XENT_LOGITS] + row * (size_t)d->k;
  int32_t label = ((const int32_t *)args->in[SOFTMAX_XENT_LABELS])[row];
  exponentials e = sum_up(x, d->k);
  compare_chain dot = {0};
  double squares = 0.0, w = weight_of(d, args, label), log_sum = log(e.sum);
  for (int j = 0; j < d->k; j++) {
    double t = target_of(d, j, label), term = t * (x[j] - e.max);
    if (t == 0.0) continue;
    compare_add(&dot, term);
    squares += term * term;
  }
  double apart = log_sum - dot.value, sum_error = relative_error(&e, 0.0, d->k);
  double limit = compare_limit(sum_error, 1.0) + compare_limit(dot.roundings + 5.0, dot.magnitude + fabs(log_sum));
  double variance = relative_squares(&e, 0.0, d->k) + 1.8 * 1.8 * log_sum * log_sum + dot.partials + squares +
                    4.0 * dot.value * dot.value + 2.0 * apart * apart;
  return (case_value){w * apart, fabs(w) * limit, w * w * compare_variance(variance)};
}

static double divisor_of(const kohl_softmax_xent_desc *d, const kohl_args *args) {
  const int32_t *labels = args->in[SOFTMAX_XENT_LABELS];
  double sum = 0.0;
  if (d->divide_by == KOHL_SOFTMAX_XENT_BY_BATCH) return d->n;
  for (int i = 0; i < d->n; i++) sum += weight_of(d, args, labels[i]);
  return sum == 0.0 ? 1.0 : sum;
}

/* w (p - t) / divisor * loss_weight: t is 2 u off, then a difference, two products and a division.  A sum of weights
 * has n roundings, which all elements share and which may all go one way (few different weights): its variance is taken
 * to be the square of the worst case. */
static void gradient(const kohl_softmax_xent_desc *d, const kohl_args *args, size_t row, case_value *values) {
  const float *p = (const float *)args->in[SOFTMAX_XENT_DGRAD_PROBABILITIES] + row * (size_t)d->k;
  int32_t label = ((const int32_t *)args->in[SOFTMAX_XENT_LABELS])[row];
  double w = weight_of(d, args, label) * (double)d->loss_weight, divisor = divisor_of(d, args);
  const double shared = d->divide_by == KOHL_SOFTMAX_XENT_BY_BATCH ? 0.0 : d->n, roundings = shared + 6.0;
  for (int j = 0; j < d->k; j++) {
    double t = target_of(d, j, label), value = w * (p[j] - t) / divisor, factor = fabs(w / divisor);
    double squares = factor * factor * 4.0 * t * t + value * value * (6.0 + 3.0 * shared * shared);
    values[j] = (case_value){value, compare_limit(roundings, factor * (fabs(p[j]) + t)), compare_variance(squares)};
  }
}

static void xent_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_softmax_xent_desc *d = (const void *)out->desc;
  if (out->direction == KOHL_DGRAD) {
    gradient(d, args, row, values);
  } else if (output == SOFTMAX_XENT_LOSS) {
    values[0] = loss(d, args, row);
  } else {
    probabilities((const float *)args->in[SOFTMAX_XENT_LOGITS] + row * (size_t)d->k, d->k, values);
  }
}

static double xent_share(const case_layout *out, const kohl_args *args, int output) {
  const kohl_softmax_xent_desc *d = (const void *)out->desc;
  return output == SOFTMAX_XENT_LOSS ? (double)d->loss_weight / divisor_of(d, args) : 0.0;
}

const case_op case_softmax = {"softmax",     softmax_fields, softmax_fixed, softmax_draw, softmax_layout,
                              softmax_truth, NULL,           NULL,          NULL};
const case_op case_softmax_xent = {"softmax_xent", xent_fields, xent_fixed, xent_draw, xent_layout,
                                   xent_truth,     xent_share,  NULL,       NULL};
