/* Problems of dense, in all three directions. */
#include <math.h>
#include <string.h>

#include "kernels/dense/dense.h"
#include "tests/kernelcheck/compare.h"

enum { N, C, K, SRC_GAP, DST_GAP, BIAS, RELU };

static const case_field fields[] = {{"n", 1, 0, 65536},      {"c", 1, 1, 1 << 20},    {"k", 1, 1, 1 << 20},
                                    {"src_gap", 0, 0, 4096}, {"dst_gap", 0, 0, 4096}, {"bias", 0, 0, 1},
                                    {"relu", 0, 0, 1},       {NULL, 0, 0, 0}};

/* Register blocks in use are 14 rows x 32 features and 6 x 16. */
static const char *const fixed[] = {
    "n=1 c=1 k=1", "n=0 c=7 k=9 bias=1", "n=13 c=31 k=31 bias=1 relu=1", "n=14 c=32 k=32 bias=1",
    "n=15 c=33 k=33 relu=1", "n=5 c=15 k=15", "n=6 c=16 k=16", "n=7 c=17 k=17 src_gap=3 dst_gap=5 bias=1",
    "n=29 c=67 k=5 src_gap=16 bias=1 relu=1", "n=1 c=3001 k=67 bias=1", "n=2 c=5 k=3001 dst_gap=1",
    "n=2903 c=3 k=37 bias=1",
    /* CUDA: 4, 8, 16 and 32 rows x 32 features, 128 or 256 inputs at a time */
    "n=4 c=256 k=32 bias=1", "n=5 c=257 k=33", "n=3 c=516 k=31 src_gap=4 relu=1", "n=8 c=512 k=65",
    "n=16 c=256 k=64 bias=1 relu=1", "n=9 c=132 k=33 dst_gap=3", "n=32 c=128 k=32", "n=33 c=260 k=40 bias=1",
    "n=64 c=129 k=31",
    /* 65 and more rows as conv2d's */
    "n=65 c=48 k=70 bias=1", "n=200 c=32 k=128 bias=1 relu=1", "n=129 c=128 k=48", NULL};

static void draw(case_problem *problem, uint64_t *random) {
  double *v = problem->v;
  v[N] = CASE_PICK(random, 0, 1, 1, 2, 3, 6, 7, 13, 15, 28, 29, 61);
  v[C] = CASE_PICK(random, 1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 257, 1024);
  v[K] = CASE_PICK(random, 1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 257, 1000);
  v[SRC_GAP] = CASE_PICK(random, 0, 0, 1, 5, 16);
  v[DST_GAP] = CASE_PICK(random, 0, 0, 1, 3, 16);
  v[BIAS] = case_between(random, 0, 1);
  v[RELU] = case_between(random, 0, 1);
}

static const char *layout(const case_problem *problem, kohl_direction direction, case_layout *out) {
  kohl_dense_desc d;
  memset(&d, 0, sizeof d);
  d.n = case_int(problem, N);
  d.c = case_int(problem, C);
  d.k = case_int(problem, K);
  d.src_stride = d.c + case_int(problem, SRC_GAP);
  d.dst_stride = d.k + case_int(problem, DST_GAP);
  d.bias = problem->v[BIAS] != 0;
  d.activation = problem->v[RELU] != 0 ? KOHL_ACTIVATION_RELU : KOHL_ACTIVATION_NONE;
  bool fwd = direction == KOHL_FWD, dgrad = direction == KOHL_DGRAD;
  size_t n = (size_t)d.n;
  case_tensor wei = case_tensor_make("wei", (size_t)d.k, d.c, 0);
  wei.weights = fwd;
  if (fwd) {
    out->in[DENSE_SRC] = case_tensor_make("src", n, d.c, d.src_stride);
    out->in[DENSE_WEI] = wei;
    if (d.bias) out->in[DENSE_BIA] = case_tensor_make("bia", 1, d.k, 0);
    out->out[DENSE_DST] = case_tensor_make("dst", n, d.k, d.dst_stride);
  } else if (dgrad) {
    out->in[DENSE_DGRAD_DDST] = case_tensor_make("ddst", n, d.k, d.dst_stride);
    out->in[DENSE_DGRAD_WEI] = wei;
    out->out[DENSE_DGRAD_DSRC] = case_tensor_make("dsrc", n, d.c, d.src_stride);
  } else {
    out->in[DENSE_WGRAD_SRC] = case_tensor_make("src", n, d.c, d.src_stride);
    out->in[DENSE_WGRAD_DDST] = case_tensor_make("ddst", n, d.k, d.dst_stride);
    out->out[DENSE_WGRAD_DWEI] = case_tensor_make("dwei", (size_t)d.k, d.c, 0);
    if (d.bias) out->out[DENSE_WGRAD_DBIA] = case_tensor_make("dbia", 1, d.k, 0);
  }
  double terms = fwd ? d.c + 1.0 : dgrad ? d.k : d.n;
  out->flops = kohl_dense_flops(&d);
  out->bytes = 4.0 * ((double)n * d.c + (double)n * d.k + (double)d.k * d.c);
  out->integer = (int)fmin(100.0, sqrt(0x1p24 / (terms + 1.0)) - 1.0);
  out->partial = !fwd && d.activation != KOHL_ACTIVATION_NONE;
  out->linear = !d.bias && d.activation == KOHL_ACTIVATION_NONE;
  memcpy(out->desc, &d, sizeof d);
  return NULL;
}

/* sum over i < count of x[i * x_step] * y[i * y_step]. */
static compare_chain dot(const float *x, size_t x_step, const float *y, size_t y_step, int count) {
  compare_chain chain = {0};
  for (size_t i = 0; i < (size_t)count; i++) compare_add(&chain, (double)x[i * x_step] * y[i * y_step]);
  return chain;
}

static void truth_fwd(const kohl_dense_desc *d, const kohl_args *args, kohl_accuracy accuracy, size_t row,
                      case_value *values) {
  const float *src = args->in[DENSE_SRC], *wei = args->in[DENSE_WEI], *bia = args->in[DENSE_BIA];
  for (int k = 0; k < d->k; k++) {
    compare_chain chain = dot(src + row * d->src_stride, 1, wei + (size_t)k * d->c, 1, d->c);
    if (d->bias) compare_add(&chain, bia[k]);
    values[k] = compare_sum_value(&chain, accuracy, d->activation == KOHL_ACTIVATION_RELU);
  }
}

static void truth_wgrad(const kohl_dense_desc *d, const kohl_args *args, kohl_accuracy accuracy, int output, size_t row,
                        case_value *values) {
  const float *src = args->in[DENSE_WGRAD_SRC], *ddst = args->in[DENSE_WGRAD_DDST], one = 1.0f;
  bool bias = output == DENSE_WGRAD_DBIA;
  for (int i = 0; i < (bias ? d->k : d->c); i++) {
    const float *gradient = ddst + (bias ? (size_t)i : row);
    compare_chain chain =
        dot(gradient, (size_t)d->dst_stride, bias ? &one : src + i, bias ? 0 : (size_t)d->src_stride, d->n);
    values[i] = compare_sum_value(&chain, bias ? KOHL_ACCURACY_F32 : accuracy, false);
  }
}

static void truth(const case_layout *out, const kohl_args *args, int output, size_t row, case_value *values) {
  const kohl_dense_desc *d = (const void *)out->desc;
  if (out->direction == KOHL_FWD) {
    truth_fwd(d, args, out->accuracy, row, values);
  } else if (out->direction == KOHL_WGRAD) {
    truth_wgrad(d, args, out->accuracy, output, row, values);
  } else {
    const float *ddst = args->in[DENSE_DGRAD_DDST], *wei = args->in[DENSE_DGRAD_WEI];
    for (int c = 0; c < d->c; c++) {
      compare_chain chain = dot(ddst + row * d->dst_stride, 1, wei + c, (size_t)d->c, d->k);
      values[c] = compare_sum_value(&chain, out->accuracy, false);
    }
  }
}

static bool reduce(case_problem *problem) {
  int field = problem->v[N] > 1 ? N : K;
  if (problem->v[field] <= 1) return false;
  problem->v[field] = floor(problem->v[field] / 2);
  return true;
}

const case_op case_dense = {"dense", fields, fixed, draw, layout, truth, NULL, reduce, NULL};
