/* Problems of batchnorm_train.  Nothing here is an exact integer; bounds are derived beside each truth. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/batchnorm_train/batchnorm_train.h"
#include "tests/kernelcheck/compare.h"

enum { N, PIXELS, C, SRC_GAP, DST_GAP, RELU, EPSILON, MOMENTUM, UNBIASED, AFFINE };

/* affine: 1 with gamma, 2 with beta, 3 with both. */
static const case_field fields[] = {
    {"n", 1, 0, 65536},      {"pixels", 1, 1, 1 << 24}, {"c", 1, 1, 1 << 20},    {"src_gap", 0, 0, 4096},
    {"dst_gap", 0, 0, 4096}, {"relu", 0, 0, 1},         {"epsilon", 1e-3, 0, 1}, {"momentum", 0.99, 0, 1},
    {"unbiased", 0, 0, 1},   {"affine", 3, 0, 3},       {NULL, 0, 0, 0}};

/* 64 rows are a block, from 4,097 on there are 64 blocks of more; a register group is 16 or 32 channels. */
static const char *const fixed[] = {"n=1",
                                    "n=0 pixels=5 c=3",
                                    "n=1 pixels=1 c=3 unbiased=1",
                                    "n=1 pixels=2 c=7 affine=0 unbiased=1",
                                    "n=2 pixels=9 c=15 src_gap=1 relu=1",
                                    "n=1 pixels=64 c=16 dst_gap=16 affine=1",
                                    "n=1 pixels=65 c=17 src_gap=15 dst_gap=3 affine=2 relu=1",
                                    "n=3 pixels=31 c=37 dst_gap=1 unbiased=1 momentum=0.9",
                                    "n=1 pixels=7 c=65 relu=1 momentum=0",
                                    "n=2 pixels=2048 c=3 relu=1",
                                    "n=1 pixels=4097 c=2 momentum=1",
                                    "n=1 pixels=6000 c=9 src_gap=2 relu=1",
                                    "n=1 pixels=70 c=2052 relu=1",
                                    NULL};

static void draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 1, 2, 3);
  v[PIXELS] = CASE_PICK(random, 1, 2, 3, 7, 49, 64, 196, 257);
  v[C] = CASE_PICK(random, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 97, 200);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 5, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 1, 3, 16);
  v[RELU] = case_between(random, 0, 1);
  v[EPSILON] = CASE_PICK(random, 1, 1, 10) / 10.0;
  v[MOMENTUM] = CASE_PICK(random, 0, 50, 90, 99, 100) / 100.0;
  v[UNBIASED] = case_between(random, 0, 1);
  v[AFFINE] = case_between(random, 0, 3);
}

static const char *layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  int c = case_int(problem, C), affine = case_int(problem, AFFINE);
  kohl_batchnorm_train_desc d;
  memset(&d, 0, sizeof d);
  d.n = case_int(problem, N);
  d.pixels = case_int(problem, PIXELS);
  d.c = c;
  d.src_stride = c + case_int(problem, SRC_GAP);
  d.dst_stride = c + case_int(problem, DST_GAP);
  d.activation = problem->v[RELU] != 0 ? KOHL_ACTIVATION_RELU : KOHL_ACTIVATION_NONE;
  d.epsilon = (float)problem->v[EPSILON];
  d.momentum = problem->v[MOMENTUM];
  d.unbiased = problem->v[UNBIASED] != 0;
  if (direction == KOHL_WGRAD) return "batchnorm_train gives the gradients of its weights in dgrad";
  size_t rows = (size_t)d.n * (size_t)d.pixels;
  case_tensor weights = case_tensor_make("gamma", 1, c, 0), src = case_tensor_make("src", rows, c, d.src_stride);
  if (direction == KOHL_FWD) {
    out->in[BATCHNORM_TRAIN_SRC] = src;
    if (affine & 1) out->in[BATCHNORM_TRAIN_GAMMA] = weights;
    if (affine & 2) out->in[BATCHNORM_TRAIN_BETA] = case_tensor_make("beta", 1, c, 0);
    out->out[BATCHNORM_TRAIN_DST] = case_tensor_make("dst", rows, c, d.dst_stride);
    out->out[BATCHNORM_TRAIN_SAVED] = case_tensor_make("saved", 2, c, 0);
    case_tensor *mean = &out->out[BATCHNORM_TRAIN_RUNNING_MEAN];
    case_tensor *variance = &out->out[BATCHNORM_TRAIN_RUNNING_VARIANCE];
    *mean = case_tensor_make("running mean", 1, c, 0);
    *variance = case_tensor_make("running variance", 1, c, 0);
    mean->updated = variance->updated = true;
    variance->values = CASE_POSITIVE;
  } else {
    out->in[BATCHNORM_TRAIN_DGRAD_SRC] = src;
    out->in[BATCHNORM_TRAIN_DGRAD_DDST] = case_tensor_make("ddst", rows, c, d.dst_stride);
    if (d.activation) out->in[BATCHNORM_TRAIN_DGRAD_DST] = case_tensor_make("dst", rows, c, d.dst_stride);
    if (affine & 1) out->in[BATCHNORM_TRAIN_DGRAD_GAMMA] = weights;
    out->in[BATCHNORM_TRAIN_DGRAD_SAVED] = case_tensor_make("saved", 2, c, 0);
    out->out[BATCHNORM_TRAIN_DGRAD_DSRC] = case_tensor_make("dsrc", rows, c, d.src_stride);
    out->may_be[BATCHNORM_TRAIN_DGRAD_DSRC] = 1u << BATCHNORM_TRAIN_DGRAD_DDST;
    out->out[BATCHNORM_TRAIN_DGRAD_DGAMMA] = case_tensor_make("dgamma", 1, c, 0);
    out->out[BATCHNORM_TRAIN_DGRAD_DBETA] = case_tensor_make("dbeta", 1, c, 0);
  }
  out->flops = 8.0 * (double)rows * c;
  out->bytes = 4.0 * (direction == KOHL_FWD ? 4.0 : 5.0 + 2.0 * (d.activation != 0)) * (double)rows * c;
  /* Every element moves a whole channel: with a ReLU some of it meets the kink, and the variance of a few pixels may be
   * so small that the slope bends within a step. */
  out->partial = d.activation != 0 || rows < 7;
  memcpy(out->desc, &d, sizeof d);
  return kohl_batchnorm_train_check(&d);
}

/* Sums over the pixels of channel c: fwd: of src and of its squared distances from the mean; dgrad: of g and g t. */
typedef struct sums {
  double a, b, absolute_a, absolute_b;
} sums;

static double gate(const kohl_batchnorm_train_desc *d, const kohl_args *args, size_t row, int c) {
  size_t at = row * (size_t)d->dst_stride + (size_t)c;
  const float *dst = args->in[BATCHNORM_TRAIN_DGRAD_DST], *ddst = args->in[BATCHNORM_TRAIN_DGRAD_DDST];
  return d->activation && !(dst[at] > 0.0f) ? 0.0 : ddst[at];
}

static sums sum_up(const case_layout *out, const kohl_args *args, int c) {
  const kohl_batchnorm_train_desc *d = (const void *)out->desc;
  const float *src = (const float *)args->in[0] + c, *saved = args->in[BATCHNORM_TRAIN_DGRAD_SAVED];
  const size_t rows = (size_t)d->n * (size_t)d->pixels, step = (size_t)d->src_stride;
  sums s = {0.0, 0.0, 0.0, 0.0};
  if (out->direction == KOHL_DGRAD) {
    for (size_t row = 0; row < rows; row++) {
      double g = gate(d, args, row, c), term = g * ((double)src[row * step] - saved[c]);
      s = (sums){s.a + g, s.b + term, s.absolute_a + fabs(g), s.absolute_b + fabs(term)};
    }
    return s;
  }
  for (size_t row = 0; row < rows; row++) s.a += src[row * step], s.absolute_a += fabs((double)src[row * step]);
  for (size_t row = 0; row < rows; row++) {
    double t = src[row * step] - s.a / (double)rows;
    s.b += t * t;
  }
  return s;
}

/* The sums of every channel.  Rows are asked for in ascending order, so that row 0 is where data may be new. */
static const sums *all_sums(const case_layout *out, const kohl_args *args, size_t row) {
  static sums *kept;
  static int channels;
  const kohl_batchnorm_train_desc *d = (const void *)out->desc;
  if (row > 0 && channels == d->c) return kept;
  channels = d->c;
  kept = realloc(kept, sizeof *kept * (size_t)channels);
  if (!kept) exit(4);
  for (int c = 0; c < channels; c++) kept[c] = sum_up(out, args, c);
  return kept;
}

/* A double that is rounded once, its own error being a sum's: `absolute` is what |terms| add up to. */
static case_value from_double(double value, double absolute) {
  case_value v = compare_rounded(value, 1.0);
  v.limit += 1e-12 * absolute;
  v.variance += 1e-24 * absolute * absolute;
  return v;
}

/* dst = src scale + shift.  inv_std's rounding moves (src - mean) scale; scale, mean and shift are rounded themselves,
 * and the result.  All but the last are the same for a whole channel, so that they do not average out: their variance
 * is the square of the largest they can be together. */
static case_value forward(const kohl_batchnorm_train_desc *d, const kohl_args *args, size_t row, int c, sums s) {
  const float *gamma = args->in[BATCHNORM_TRAIN_GAMMA], *beta = args->in[BATCHNORM_TRAIN_BETA];
  double count = (double)d->n * d->pixels, mean = s.a / count, inv_std = 1.0 / sqrt(s.b / count + (double)d->epsilon);
  double scale = (gamma ? gamma[c] : 1.0) * inv_std, offset = beta ? beta[c] : 0.0, shift = offset - mean * scale;
  double x = ((const float *)args->in[BATCHNORM_TRAIN_SRC])[row * (size_t)d->src_stride + (size_t)c];
  double value = isfinite(scale) ? (x - mean) * scale + offset : x * scale + shift;
  double common = fabs((x - mean) * scale) + fabs(x * scale) + fabs(mean * scale) + fabs(shift);
  case_value v = {value, compare_limit(1.0, common + fabs(value)),
                  COMPARE_U * COMPARE_U * common * common + compare_variance(value * value)};
  if (d->activation && v.value < 0.0) v.value = 0.0;
  return v;
}

static case_value statistics(const kohl_batchnorm_train_desc *d, const kohl_args *args, int output, size_t row, int c,
                             sums s) {
  double count = (double)d->n * d->pixels, mean = s.a / count, variance = s.b / count;
  if (output == BATCHNORM_TRAIN_SAVED) {
    if (count == 0.0) return (case_value){0.0, 0.0, 0.0};
    return row ? from_double(1.0 / sqrt(variance + (double)d->epsilon), 0.0) : from_double(mean, s.absolute_a / count);
  }
  double old = ((const float *)args->out[output])[c], batch = mean;
  if (count == 0.0) return (case_value){old, 0.0, 0.0};
  if (output == BATCHNORM_TRAIN_RUNNING_VARIANCE) batch = d->unbiased && count > 1.0 ? s.b / (count - 1.0) : variance;
  return from_double(d->momentum * old + (1.0 - d->momentum) * batch, fabs(old) + s.absolute_a / count);
}

/* dsrc = scale g + a t + b: every coefficient is rounded (for the whole channel), and so are t and both sums. */
static case_value backward(const kohl_batchnorm_train_desc *d, const kohl_args *args, size_t row, int c, sums s) {
  const float *gamma = args->in[BATCHNORM_TRAIN_DGRAD_GAMMA], *saved = args->in[BATCHNORM_TRAIN_DGRAD_SAVED];
  double count = (double)d->n * d->pixels, inv_std = saved[d->c + c], scale = (gamma ? gamma[c] : 1.0) * inv_std;
  double a = (float)(-scale * (inv_std * inv_std) * s.b / count), b = (float)(-scale * s.a / count);
  double t = (double)((const float *)args->in[0])[row * (size_t)d->src_stride + (size_t)c] - saved[c];
  double pull = a * t, inner = pull + b, outer = scale * gate(d, args, row, c), value = outer + inner;
  double common = fabs(pull) + fabs(b) + fabs(outer);
  return (case_value){
      value, compare_limit(4.0, common),
      COMPARE_U * COMPARE_U * common * common + compare_variance(pull * pull + inner * inner + value * value)};
}

static void truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_batchnorm_train_desc *d = (const void *)out->desc;
  const sums *s = all_sums(out, args, row);
  for (int c = 0; c < d->c; c++) {
    if (out->direction == KOHL_FWD) {
      values[c] =
          output == BATCHNORM_TRAIN_DST ? forward(d, args, row, c, s[c]) : statistics(d, args, output, row, c, s[c]);
    } else if (output == BATCHNORM_TRAIN_DGRAD_DSRC) {
      values[c] = backward(d, args, row, c, s[c]);
    } else {
      double inv_std = ((const float *)args->in[BATCHNORM_TRAIN_DGRAD_SAVED])[d->c + c];
      values[c] = output == BATCHNORM_TRAIN_DGRAD_DBETA ? from_double(s[c].a, s[c].absolute_a)
                                                        : from_double(s[c].b * inv_std, s[c].absolute_b * inv_std);
    }
  }
}

/* Only dst leads to the loss. */
static double share(const case_layout *out, const kohl_args *args, int output) {
  (void)out, (void)args, (void)output;
  return 0.0;
}

const case_op case_batchnorm_train = {"batchnorm_train", fields, fixed, draw, layout, truth, share, NULL, NULL};
