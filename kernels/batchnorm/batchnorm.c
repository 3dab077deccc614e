/* The list of batch-norms with fixed statistics, checking a desc, folding the statistics, and the weight
 * gradient around its sums. */
#include "kernels/batchnorm/batchnorm.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(batchnorm, __VA_ARGS__)
#include "kernels/batchnorm/batchnorm.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(batchnorm, __VA_ARGS__)
#include "kernels/batchnorm/batchnorm.def"
#undef KERNEL
};
KOHL_DEFINE_OP(batchnorm, table)

const char *kohl_batchnorm_check(const kohl_batchnorm_desc *d) {
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  if (d->activation != KOHL_ACTIVATION_NONE && d->activation != KOHL_ACTIVATION_RELU) return "an unknown activation";
  return NULL;
}

void kohl_batchnorm_fixed(int c, const float *gamma, const float *beta, const float *mean, const float *variance,
                          float epsilon, float *scale, float *shift) {
  for (int i = 0; i < c; i++) {
    double factor = (gamma ? (double)gamma[i] : 1.0) / sqrt((double)variance[i] + (double)epsilon);
    scale[i] = (float)factor;
    shift[i] = (float)((beta ? (double)beta[i] : 0.0) - (double)mean[i] * factor);
  }
}

size_t kohl_batchnorm_wgrad_workspace(const void *desc, size_t workers) {
  (void)workers;
  const kohl_batchnorm_desc *d = desc;
  size_t scratch = kohl_batchnorm_sums_scratch((size_t)d->n * (size_t)d->pixels, d->c);
  return (3 * (size_t)d->c + scratch) * sizeof(double);
}

void kohl_batchnorm_wgrad(const kohl_batchnorm_isa *isa, const kohl_batchnorm_desc *d, const kohl_args *args,
                          kohl_threads *threads) {
  const float *mean = args->in[BATCHNORM_WGRAD_MEAN], *inv_std = args->in[BATCHNORM_WGRAD_INV_STD];
  float *dgamma = args->out[BATCHNORM_WGRAD_DGAMMA], *dbeta = args->out[BATCHNORM_WGRAD_DBETA];
  double *wide_mean = args->workspace, *a = wide_mean + d->c, *b = a + d->c;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  kohl_batchnorm_rows rows = {.src = args->in[BATCHNORM_WGRAD_SRC],
                              .dst = relu ? args->in[BATCHNORM_WGRAD_DST] : NULL,
                              .ddst = args->in[BATCHNORM_WGRAD_DDST],
                              .rows = (size_t)d->n * (size_t)d->pixels,
                              .c = d->c,
                              .src_stride = d->src_stride,
                              .dst_stride = d->dst_stride};
  for (int c = 0; c < d->c; c++) wide_mean[c] = (double)mean[c];
  kohl_batchnorm_gradients(isa, &rows, wide_mean, a, b, b + d->c, threads);
  for (int c = 0; c < d->c; c++) {
    dgamma[c] = (float)(b[c] * (double)inv_std[c]);
    dbeta[c] = (float)a[c];
  }
}
