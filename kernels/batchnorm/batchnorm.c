/* The list of batch-norms with fixed statistics, checking a desc, and folding the statistics. */
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
