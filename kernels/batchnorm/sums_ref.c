/* Sums over pixels, the reference: strict C, one row after the other. */
#include <math.h>

#include "kernels/batchnorm/sums.h"

static void sum(const kohl_batchnorm_rows *rows, double *a) {
  const float *src = rows->src;
  for (int c = 0; c < rows->c; c++) a[c] = 0.0;
  for (size_t row = 0; row < rows->rows; row++, src += rows->src_stride) {
    for (int c = 0; c < rows->c; c++) a[c] += (double)src[c];
  }
}

static void squares(const kohl_batchnorm_rows *rows, const double *mean, double *a) {
  const float *src = rows->src;
  for (int c = 0; c < rows->c; c++) a[c] = 0.0;
  for (size_t row = 0; row < rows->rows; row++, src += rows->src_stride) {
    for (int c = 0; c < rows->c; c++) {
      double t = (double)src[c] - mean[c];
      a[c] = fma(t, t, a[c]);
    }
  }
}

static void gradients(const kohl_batchnorm_rows *rows, const double *mean, double *a, double *b) {
  const float *src = rows->src, *dst = rows->dst, *ddst = rows->ddst;
  for (int c = 0; c < rows->c; c++) a[c] = b[c] = 0.0;
  for (size_t row = 0; row < rows->rows; row++, src += rows->src_stride, ddst += rows->dst_stride) {
    for (int c = 0; c < rows->c; c++) {
      double g = !dst || dst[c] > 0.0f ? (double)ddst[c] : 0.0;
      a[c] += g;
      b[c] = fma(g, (double)src[c] - mean[c], b[c]);
    }
    if (dst) dst += rows->dst_stride;
  }
}

const kohl_batchnorm_isa kohl_batchnorm_isa_ref = {sum, squares, gradients};
