/* batchnorm_train gradients, the reference: strict C. */
#include <math.h>

#include "kernels/batchnorm_train/batchnorm_train.h"

void kohl_batchnorm_train_spread_ref(const kohl_batchnorm_rows *rows, const float *mean,
                                     const kohl_batchnorm_train_coefficients *with, float *dsrc, int dsrc_stride,
                                     bool stream) {
  (void)stream;
  const float *src = rows->src, *dst = rows->dst, *ddst = rows->ddst;
  for (size_t row = 0; row < rows->rows; row++, src += rows->src_stride, ddst += rows->dst_stride) {
    for (int c = 0; c < rows->c; c++) {
      float g = !dst || dst[c] > 0.0f ? ddst[c] : 0.0f;
      dsrc[c] = fmaf(with->scale[c], g, fmaf(with->a[c], src[c] - mean[c], with->b[c]));
    }
    if (dst) dst += rows->dst_stride;
    dsrc += dsrc_stride;
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_batchnorm_train_dgrad(&kohl_batchnorm_isa_ref, kohl_batchnorm_train_spread_ref, desc, args, threads);
}

const kohl_kernel_code kohl_batchnorm_train_dgrad_ref = {kohl_batchnorm_train_check, NULL, NULL,
                                                         kohl_batchnorm_train_dgrad_workspace, run};
