/* Problems of sigmoid_bce.  Exponentials give no exact integers; bounds are derived at each truth. */
#include <math.h>
#include <string.h>

#include "kernels/sigmoid_bce/sigmoid_bce.h"
#include "tests/kernelcheck/compare.h"

enum { N, K, SMOOTHING, POSITIVES, CLASSES, SAMPLES, BY_WEIGHTS, LOSS_WEIGHT, LEFT_OUT };

static const case_field fields[] = {{"n", 1, 0, 65536},      {"k", 1, 1, 1 << 20},          {"smoothing", 0, 0, 0.99},
                                    {"positives", 0, 0, 1},  {"classes", 0, 0, 1},          {"samples", 0, 0, 1},
                                    {"by_weights", 0, 0, 1}, {"loss_weight", 1, 1e-3, 1e3}, {"left_out", 0, 0, 1},
                                    {NULL, 0, 0, 0}};
static const char *const fixed[] = {"n=1",
                                    "n=0 k=5",
                                    "n=70 k=3 classes=1",
                                    "n=7 k=17 smoothing=0.1 positives=1",
                                    "n=16 k=16 smoothing=0.25 samples=1 by_weights=1",
                                    "n=33 k=400 positives=1 classes=1 samples=1",
                                    "n=5 k=9 samples=1 loss_weight=0.3",
                                    "n=2 k=4100 classes=1",
                                    "n=257 k=2 samples=1 by_weights=1",
                                    "n=1 k=4 samples=1 left_out=1 by_weights=1",
                                    "n=7 k=5 samples=1 left_out=1",
                                    "n=16 k=17 samples=1 left_out=1 smoothing=0.1 by_weights=1",
                                    NULL};

static void draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 2, 3, 8, 33, 64);
  v[K] = CASE_PICK(random, 1, 2, 3, 5, 14, 16, 17, 100, 1000);
  v[SMOOTHING] = CASE_PICK(random, 0, 0, 1, 5) / 10.0;
  for (int i = POSITIVES; i <= BY_WEIGHTS; i++) v[i] = case_between(random, 0, 1);
  v[LOSS_WEIGHT] = CASE_PICK(random, 3, 10, 10, 17) / 10.0;
  v[LEFT_OUT] = CASE_PICK(random, 0, 0, 1);
}

static void weights(const case_problem *problem, int field, const char *name, size_t rows, int channels,
                    case_tensor *out) {
  if (problem->v[field] == 0) return;
  *out = case_tensor_make(name, rows, channels, 0);
  out->values = CASE_POSITIVE;
}

static const char *layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_sigmoid_bce_desc d = {case_int(problem, N), case_int(problem, K), (float)problem->v[SMOOTHING],
                             problem->v[BY_WEIGHTS] != 0 ? KOHL_SIGMOID_BCE_BY_WEIGHTS : KOHL_SIGMOID_BCE_BY_BATCH,
                             (float)problem->v[LOSS_WEIGHT]};
  if (direction == KOHL_WGRAD) return "a loss has no weights";
  bool fwd = direction == KOHL_FWD;
  size_t n = (size_t)d.n;
  out->in[SIGMOID_BCE_LOGITS] = case_tensor_make(fwd ? "logits" : "probabilities", n, d.k, 0);
  if (!fwd) out->in[SIGMOID_BCE_DGRAD_PROBABILITIES].values = CASE_POSITIVE;
  out->in[SIGMOID_BCE_TARGETS] = case_tensor_make("targets", n, d.k, 0);
  out->in[SIGMOID_BCE_TARGETS].values = CASE_POSITIVE;
  weights(problem, POSITIVES, "positive weights", 1, d.k, &out->in[SIGMOID_BCE_POSITIVE_WEIGHTS]);
  weights(problem, CLASSES, "class weights", 1, d.k, &out->in[SIGMOID_BCE_CLASS_WEIGHTS]);
  weights(problem, SAMPLES, "sample weights", n, 1, &out->in[SIGMOID_BCE_SAMPLE_WEIGHTS]);
  out->in[SIGMOID_BCE_SAMPLE_WEIGHTS].holes = problem->v[LEFT_OUT] != 0;
  if (fwd) {
    out->out[SIGMOID_BCE_PROBABILITIES] = case_tensor_make("probabilities", n, d.k, 0);
    out->out[SIGMOID_BCE_LOSS] = case_tensor_make("loss", n, 1, 0);
  } else {
    out->out[SIGMOID_BCE_DGRAD_DLOGITS] = case_tensor_make("dlogits", n, d.k, 0);
  }
  out->may_be[SIGMOID_BCE_PROBABILITIES] = 1u << SIGMOID_BCE_LOGITS; /* and dlogits the probabilities */
  out->flops = (fwd ? 70.0 : 6.0) * (double)n * d.k;
  out->bytes = 12.0 * (double)n * d.k;
  memcpy(out->desc, &d, sizeof d);
  return kohl_sigmoid_bce_check(&d);
}

static double weight_at(const kohl_args *args, int slot, size_t i) {
  const float *list = args->in[slot];
  return list ? list[i] : 1.0;
}

/* The smoothed target is 3 roundings off, what is left of 1 one more. */
static double target_at(const kohl_sigmoid_bce_desc *d, const kohl_args *args, size_t i) {
  double t = ((const float *)args->in[SIGMOID_BCE_TARGETS])[i];
  return t * (1.0 - (double)d->label_smoothing) + (double)d->label_smoothing / 2.0;
}

/* ln(1 + e^-|x|) is at most 8 u off (exponential 1.8, logarithm 1.8, four operations of values not above it), softplus
 * one more; a term's weights, target, products and sum at most 8; then k additions, the sample's weight and the mean.
 * The terms are not negative, but 1 - T is: |1 - T| <= 1 has an absolute error of 4 u. */
static case_value loss(const kohl_sigmoid_bce_desc *d, const kohl_args *args, size_t row) {
  double sum = 0.0, size = 0.0, squares = 0.0, partials = 0.0;
  for (int j = 0; j < d->k; j++) {
    size_t at = row * (size_t)d->k + (size_t)j;
    double x = ((const float *)args->in[SIGMOID_BCE_LOGITS])[at], tail = log1p(exp(-fabs(x)));
    double target = target_at(d, args, at), positive = weight_at(args, SIGMOID_BCE_POSITIVE_WEIGHTS, (size_t)j);
    double label = weight_at(args, SIGMOID_BCE_CLASS_WEIGHTS, (size_t)j);
    double above = (x < 0.0 ? 0.0 : x) + tail, below = (x > 0.0 ? 0.0 : -x) + tail;
    double part = label * (fabs(positive * target) * below + (1.0 + fabs(target)) * above);
    sum += label * (positive * target * below + (1.0 - target) * above);
    size += part;
    squares += part * part;
    partials += sum * sum;
  }
  double factor = weight_at(args, SIGMOID_BCE_SAMPLE_WEIGHTS, row) / d->k;
  return (case_value){factor * sum, compare_limit(19.0, factor * size) + compare_limit(d->k + 2.0, factor * size),
                      compare_variance(factor * factor * (16.0 * 16.0 * squares + partials + 2.0 * sum * sum))};
}

static double divisor_of(const kohl_sigmoid_bce_desc *d, const kohl_args *args) {
  double sum = 0.0;
  if (d->divide_by == KOHL_SIGMOID_BCE_BY_BATCH || !args->in[SIGMOID_BCE_SAMPLE_WEIGHTS]) return d->n;
  for (int i = 0; i < d->n; i++) sum += weight_at(args, SIGMOID_BCE_SAMPLE_WEIGHTS, (size_t)i);
  return sum == 0.0 ? 1.0 : sum;
}

/* Targets, products and difference: 8 roundings of what adds up; the weight has 5, the same for a whole sample, and n
 * of a sum of weights, which all elements share: their variance is taken to be the square of the worst case. */
static case_value gradient(const kohl_sigmoid_bce_desc *d, const kohl_args *args, size_t row, int j, double divisor) {
  size_t at = row * (size_t)d->k + (size_t)j;
  double p = ((const float *)args->in[SIGMOID_BCE_DGRAD_PROBABILITIES])[at], target = target_at(d, args, at);
  double positive = weight_at(args, SIGMOID_BCE_POSITIVE_WEIGHTS, (size_t)j) * target;
  double weight = weight_at(args, SIGMOID_BCE_SAMPLE_WEIGHTS, row) / d->k / divisor;
  weight *= weight_at(args, SIGMOID_BCE_CLASS_WEIGHTS, (size_t)j) * (double)d->loss_weight;
  /* a product too small for f32 is 0, which gives NaN where it meets an infinite class weight or probability */
  float product = (float)weight_at(args, SIGMOID_BCE_SAMPLE_WEIGHTS, row) / (float)d->k / (float)divisor;
  product = product * d->loss_weight * (float)weight_at(args, SIGMOID_BCE_CLASS_WEIGHTS, (size_t)j);
  if (product == 0.0f || isnan(product)) weight = (double)product;
  double shared = d->divide_by == KOHL_SIGMOID_BCE_BY_BATCH ? 0.0 : d->n;
  double value = weight * ((1.0 - target) * p - positive * (1.0 - p)), steps = shared + 5.0;
  double size = fabs(weight) * ((1.0 + fabs(target)) * fabs(p) + fabs(positive * (1.0 - p)));
  return (case_value){
      value, compare_limit(8.0, size) + compare_limit(steps, fabs(value)),
      compare_variance(16.0 * size * size) + COMPARE_U * COMPARE_U * (5.0 + shared * shared) * value * value};
}

static void truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_sigmoid_bce_desc *d = (const void *)out->desc;
  if (out->direction == KOHL_FWD && output == SIGMOID_BCE_LOSS) {
    values[0] = loss(d, args, row);
    return;
  }
  double divisor = out->direction == KOHL_DGRAD ? divisor_of(d, args) : 1.0;
  for (int j = 0; j < d->k; j++) {
    double x = ((const float *)args->in[0])[row * (size_t)d->k + (size_t)j], e = exp(-fabs(x));
    /* sigmoid: as activation's */
    values[j] = out->direction == KOHL_DGRAD ? gradient(d, args, row, j, divisor)
                                             : compare_rounded((x < 0.0 ? e : 1.0) / (1.0 + e), 1.8 * 1.8 + 2.0);
  }
}

static double share(const case_layout *out, const kohl_args *args, int output) {
  const kohl_sigmoid_bce_desc *d = (const void *)out->desc;
  return output == SIGMOID_BCE_LOSS ? (double)d->loss_weight / divisor_of(d, args) : 0.0;
}

const case_op case_sigmoid_bce = {"sigmoid_bce", fields, fixed, draw, layout, truth, share, NULL, NULL};
