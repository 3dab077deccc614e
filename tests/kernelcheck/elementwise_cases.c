/* Problems of the ops that treat every pixel by itself: batchnorm, activation, add, concat.  They share their fields
 * and shapes; each has its tensors and its truth. */
#include <math.h>
#include <string.h>

#include "kernels/activation/activation.h"
#include "kernels/add/add.h"
#include "kernels/batchnorm/batchnorm.h"
#include "kernels/concat/concat.h"
#include "tests/kernelcheck/compare.h"

enum { N, PIXELS, C, SRC_GAP, DST_GAP, FUNCTION };

#define FIELDS(function)                                                                        \
  {"n", 1, 0, 65536}, {"pixels", 1, 1, 1 << 24}, {"c", 1, 1, 1 << 24}, {"src_gap", 0, 0, 4096}, \
      {"dst_gap", 0, 0, 4096}, {function, 0, 0, 2}, {                                           \
    NULL, 0, 0, 0                                                                               \
  }
static const case_field relu_fields[] = {FIELDS("relu")};
static const case_field function_fields[] = {FIELDS("function")}; /* of kohl_activation_function */

/* The rest of the row is blocks of 8 and 16 floats; 8,192 floats are one unit of work. */
#define SHAPES(option)                                                                                                \
  "n=1", "n=0 pixels=5 c=3", "n=1 pixels=7 c=7", "n=1 pixels=5 c=8 " option, "n=2 pixels=9 c=15 src_gap=1",           \
      "n=1 pixels=3 c=16 dst_gap=16 " option, "n=1 pixels=11 c=17 src_gap=15 dst_gap=3 " option,                      \
      "n=3 pixels=4 c=31 dst_gap=1", "n=1 pixels=2 c=33 src_gap=31 " option, "n=1 pixels=700 c=37 dst_gap=2 " option, \
      "n=2 pixels=1 c=8193 " option, "n=2 pixels=8191 c=1", "n=1 pixels=66 c=2052 " option
static const char *const relu_fixed[] = {SHAPES("relu=1"), NULL};
static const char *const function_fixed[] = {SHAPES("function=1"), "n=2 pixels=9 c=17 src_gap=1 dst_gap=2 function=2",
                                             "n=1 pixels=1 c=1 function=2", NULL};
static const char *const concat_fixed[] = {SHAPES("relu=1"), NULL};

static void draw(case_problem *problem, uint64_t *random, int functions) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 1, 2, 3);
  v[PIXELS] = CASE_PICK(random, 1, 2, 3, 7, 49, 64, 196, 257);
  v[C] = CASE_PICK(random, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 97, 200);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 5, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 1, 3, 16);
  v[FUNCTION] = case_between(random, 0, functions - 1);
}
static void relu_draw(case_problem *problem, uint64_t *random) { draw(problem, random, 2); }
static void function_draw(case_problem *problem, uint64_t *random) { draw(problem, random, 3); }

static int src_stride(const case_problem *problem) { return case_int(problem, C) + case_int(problem, SRC_GAP); }
/* Another stride than src's, but no gap where src has none: some kernels want dense pixels. */
static int b_stride(const case_problem *problem) { return src_stride(problem) + (case_int(problem, SRC_GAP) > 0); }
static int dst_stride(const case_problem *problem) { return case_int(problem, C) + case_int(problem, DST_GAP); }

/* A tensor of the problem's pixels. */
static case_tensor pixels(const case_problem *problem, const char *name, int stride) {
  size_t rows = (size_t)case_int(problem, N) * (size_t)case_int(problem, PIXELS);
  return case_tensor_make(name, rows, case_int(problem, C), stride);
}

static void costs(case_layout *out, double flops, double tensors) {
  double elements = (double)out->out[0].rows * out->out[0].channels;
  out->flops = flops * elements;
  out->bytes = 4.0 * tensors * elements;
  out->integer = 1000; /* one product and one sum stay far below 2^24 */
}

static kohl_activation relu(const case_problem *problem) {
  return problem->v[FUNCTION] != 0 ? KOHL_ACTIVATION_RELU : KOHL_ACTIVATION_NONE;
}

static case_value activate(case_value value, kohl_activation activation) {
  if (activation == KOHL_ACTIVATION_RELU && value.value < 0.0) value.value = 0.0;
  return value;
}

static const char *batchnorm_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_batchnorm_desc d = {case_int(problem, N), case_int(problem, PIXELS), case_int(problem, C),
                           src_stride(problem),  dst_stride(problem),       relu(problem)};
  case_tensor src = pixels(problem, "src", d.src_stride), dst = pixels(problem, "dst", d.dst_stride);
  case_tensor ddst = pixels(problem, "ddst", d.dst_stride), scale = case_tensor_make("scale", 1, d.c, 0);
  const bool gated = d.activation == KOHL_ACTIVATION_RELU;
  if (direction == KOHL_FWD) {
    out->in[BATCHNORM_SRC] = src;
    out->in[BATCHNORM_SCALE] = scale;
    out->in[BATCHNORM_SHIFT] = case_tensor_make("shift", 1, d.c, 0);
    out->out[BATCHNORM_DST] = dst;
    out->may_be[BATCHNORM_DST] = 1u << BATCHNORM_SRC;
  } else if (direction == KOHL_DGRAD) {
    out->in[BATCHNORM_DGRAD_DDST] = ddst;
    out->in[BATCHNORM_DGRAD_SCALE] = scale;
    if (gated) out->in[BATCHNORM_DGRAD_DST] = dst;
    out->out[BATCHNORM_DGRAD_DSRC] = pixels(problem, "dsrc", d.src_stride);
    out->may_be[BATCHNORM_DGRAD_DSRC] = 1u << BATCHNORM_DGRAD_DDST;
  } else {
    out->in[BATCHNORM_WGRAD_SRC] = src;
    out->in[BATCHNORM_WGRAD_DDST] = ddst;
    if (gated) out->in[BATCHNORM_WGRAD_DST] = dst;
    out->in[BATCHNORM_WGRAD_MEAN] = case_tensor_make("mean", 1, d.c, 0);
    out->in[BATCHNORM_WGRAD_INV_STD] = case_tensor_make("inv_std", 1, d.c, 0);
    out->out[BATCHNORM_WGRAD_DGAMMA] = case_tensor_make("dgamma", 1, d.c, 0);
    out->out[BATCHNORM_WGRAD_DBETA] = case_tensor_make("dbeta", 1, d.c, 0);
  }
  costs(out, 2.0, 2.0 + (direction != KOHL_FWD && gated));
  if (direction == KOHL_WGRAD) {
    double elements = (double)src.rows * d.c;
    out->flops = 4.0 * elements;
    out->bytes = 4.0 * (gated ? 3.0 : 2.0) * elements;
    out->integer = 100; /* sums and products of three in double: far below 2^53 */
  }
  out->partial = gated; /* next to ReLU's kink a small slope looks smooth; activation's own gradient is compared */
  memcpy(out->desc, &d, sizeof d);
  return kohl_batchnorm_check(&d);
}

/* dbeta and dgamma of channel c: sums in double, whose own error is N 2^-53 of what the terms add up to, and one
 * rounding. */
static case_value batchnorm_sum(const kohl_batchnorm_desc *d, const kohl_args *args, int output, int c) {
  const float *src = args->in[BATCHNORM_WGRAD_SRC], *ddst = args->in[BATCHNORM_WGRAD_DDST];
  const float *dst = args->in[BATCHNORM_WGRAD_DST], *mean = args->in[BATCHNORM_WGRAD_MEAN];
  double sum = 0.0, magnitude = 0.0, inv_std = ((const float *)args->in[BATCHNORM_WGRAD_INV_STD])[c];
  for (size_t row = 0; row < (size_t)d->n * (size_t)d->pixels; row++) {
    size_t at = row * (size_t)d->dst_stride + (size_t)c;
    double term = d->activation && !(dst[at] > 0.0f) ? 0.0 : ddst[at];
    if (output == BATCHNORM_WGRAD_DGAMMA) term *= (double)src[row * (size_t)d->src_stride + (size_t)c] - mean[c];
    sum += term;
    magnitude += fabs(term);
  }
  if (output == BATCHNORM_WGRAD_DGAMMA) sum *= inv_std;
  case_value value = compare_rounded(sum, 1.0);
  value.limit += 1e-12 * magnitude;
  return value;
}

static void batchnorm_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_batchnorm_desc *d = (const void *)out->desc;
  const float *src = args->in[BATCHNORM_SRC], *scale = args->in[BATCHNORM_SCALE], *shift = args->in[BATCHNORM_SHIFT];
  const float *ddst = args->in[BATCHNORM_DGRAD_DDST], *dst = args->in[BATCHNORM_DGRAD_DST];
  size_t at = row * (size_t)d->dst_stride;
  for (int c = 0; c < d->c; c++) {
    if (out->direction == KOHL_FWD) {
      double value = (double)src[row * (size_t)d->src_stride + (size_t)c] * scale[c] + shift[c];
      values[c] = activate(compare_rounded(value, 1.0), d->activation);
    } else if (out->direction == KOHL_DGRAD) {
      double g = d->activation && !(dst[at + (size_t)c] > 0.0f) ? 0.0 : ddst[at + (size_t)c];
      values[c] = compare_rounded(g * scale[c], 1.0);
    } else {
      values[c] = batchnorm_sum(d, args, output, c);
    }
  }
}

static const char *add_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction != KOHL_FWD) return "add has cases for fwd only";
  kohl_add_desc d = {case_int(problem, N), case_int(problem, PIXELS), case_int(problem, C), src_stride(problem),
                     b_stride(problem),    dst_stride(problem),       relu(problem)};
  out->in[ADD_A] = pixels(problem, "a", d.a_stride);
  out->in[ADD_B] = pixels(problem, "b", d.b_stride);
  out->out[ADD_DST] = pixels(problem, "dst", d.dst_stride);
  out->may_be[ADD_DST] = 1u << ADD_A | 1u << ADD_B;
  costs(out, 1.0, 3.0);
  memcpy(out->desc, &d, sizeof d);
  return kohl_add_check(&d);
}

static void add_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_add_desc *d = (const void *)out->desc;
  const float *a = args->in[ADD_A], *b = args->in[ADD_B];
  (void)output;
  for (int c = 0; c < d->c; c++) {
    double value = (double)a[row * (size_t)d->a_stride + (size_t)c] + b[row * (size_t)d->b_stride + (size_t)c];
    values[c] = activate(compare_rounded(value, 1.0), d->activation);
  }
}

static const char *concat_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  if (direction == KOHL_WGRAD) return "concat has no weights";
  kohl_concat_desc d = {case_int(problem, N), case_int(problem, PIXELS), case_int(problem, C), src_stride(problem),
                        dst_stride(problem)};
  bool fwd = direction == KOHL_FWD;
  case_tensor src = pixels(problem, fwd ? "src" : "dsrc", d.src_stride);
  case_tensor dst = pixels(problem, fwd ? "dst" : "ddst", d.dst_stride);
  out->in[CONCAT_SRC] = fwd ? src : dst;
  out->out[CONCAT_DST] = fwd ? dst : src;
  out->linear = true;
  costs(out, 0.0, 2.0);
  memcpy(out->desc, &d, sizeof d);
  return kohl_concat_check(&d);
}

static void concat_truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_concat_desc *d = (const void *)out->desc;
  const float *from = (const float *)args->in[0] + row * (size_t)out->in[0].stride;
  (void)output;
  for (int c = 0; c < d->c; c++) values[c] = (case_value){from[c], 0.0, 0.0};
}

static const char *activation_layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_activation_desc d = {case_int(problem, N), case_int(problem, PIXELS),
                            case_int(problem, C), src_stride(problem),
                            dst_stride(problem),  (kohl_activation_function)case_int(problem, FUNCTION)};
  if (direction == KOHL_FWD) {
    out->in[ACTIVATION_SRC] = pixels(problem, "src", d.src_stride);
    out->out[ACTIVATION_DST] = pixels(problem, "dst", d.dst_stride);
    out->may_be[ACTIVATION_DST] = 1u << ACTIVATION_SRC;
  } else if (direction == KOHL_DGRAD) {
    out->in[ACTIVATION_DGRAD_DST] = pixels(problem, "dst", d.dst_stride);
    out->in[ACTIVATION_DGRAD_DDST] = pixels(problem, "ddst", d.dst_stride);
    out->out[ACTIVATION_DGRAD_DSRC] = pixels(problem, "dsrc", d.src_stride);
    out->may_be[ACTIVATION_DGRAD_DSRC] = 1u << ACTIVATION_DGRAD_DDST;
  } else {
    return "an activation has no weights";
  }
  costs(out, 1.0, direction == KOHL_FWD ? 2.0 : 3.0);
  if (direction == KOHL_DGRAD) out->integer = 100; /* a sigmoid's gradient is a product of three: 1e6 < 2^24 */
  if (direction == KOHL_FWD && d.function == KOHL_ACTIVATION_FUNCTION_SIGMOID) out->integer = 0;
  memcpy(out->desc, &d, sizeof d);
  return kohl_activation_check(&d);
}

/* sigmoid(x): the exponential is at most 0.9 units in the last place off (1.8 u), then a sum and a division. */
static case_value sigmoid(double x) {
  double e = exp(-fabs(x));
  return compare_rounded((x < 0.0 ? e : 1.0) / (1.0 + e), 1.8 * 1.8 + 2.0);
}

static void activation_truth(const case_layout *out, const kohl_args *args, int output, size_t row,
                             case_value *values) {
  const kohl_activation_desc *d = (const void *)out->desc;
  bool fwd = out->direction == KOHL_FWD;
  size_t at = row * (size_t)(fwd ? d->src_stride : d->dst_stride);
  const float *x = (const float *)args->in[0] + at, *ddst = fwd ? NULL : (const float *)args->in[1] + at;
  (void)output;
  for (int c = 0; c < d->c; c++) {
    case_value *v = &values[c];
    switch (d->function) {
      case KOHL_ACTIVATION_FUNCTION_COPY: *v = (case_value){fwd ? x[c] : ddst[c], 0.0, 0.0}; break;
      case KOHL_ACTIVATION_FUNCTION_RELU:
        *v = (case_value){fwd ? (x[c] < 0.0f ? 0.0 : x[c]) : x[c] > 0.0f ? ddst[c] : 0.0, 0.0, 0.0};
        break;
      case KOHL_ACTIVATION_FUNCTION_SIGMOID:
        *v = fwd ? sigmoid(x[c]) : compare_rounded(ddst[c] * (x[c] * (1.0 - x[c])), 3.0);
        break;
    }
  }
}

const case_op case_batchnorm = {"batchnorm",     relu_fields, relu_fixed, relu_draw, batchnorm_layout,
                                batchnorm_truth, NULL,        NULL,       NULL};
const case_op case_add = {"add", relu_fields, relu_fixed, relu_draw, add_layout, add_truth, NULL, NULL, NULL};
const case_op case_concat = {"concat",     relu_fields, concat_fixed, relu_draw, concat_layout,
                             concat_truth, NULL,        NULL,         NULL};
const case_op case_activation = {
    "activation", function_fields, function_fixed, function_draw, activation_layout, activation_truth, NULL, NULL,
    NULL};
