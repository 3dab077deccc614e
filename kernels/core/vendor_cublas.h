/* cuBLAS for baselines: the few functions of its version 2 interface that they call, as its documentation has them.
 * Matrices are column by column.  Handles are the library's own, statuses 0 for success. */
#ifndef KOHL_KERNELS_CORE_VENDOR_CUBLAS_H
#define KOHL_KERNELS_CORE_VENDOR_CUBLAS_H

#include "kernels/core/vendor.h"

enum { KOHL_CUBLAS_N, KOHL_CUBLAS_T };                                 /* cublasOperation_t: as it is, transposed */
enum { KOHL_CUBLAS_DEFAULT_MATH = 0, KOHL_CUBLAS_TF32_TENSOR_OP = 3 }; /* cublasMath_t */

typedef struct kohl_cublas {
  void *library; /* NULL: it is not there, or its handle could not be made */
  void *handle;
  char why[KOHL_VENDOR_TEXT];
  int (*create)(void **handle);
  int (*destroy)(void *handle);
  int (*set_stream)(void *handle, void *stream);
  int (*set_math_mode)(void *handle, int mode);
  const char *(*status_text)(int status);
  /* c = alpha op(a) op(b) + beta c; op(a) is m x k, op(b) k x n; alpha and beta in the host's memory */
  int (*sgemm)(void *handle, int operation_a, int operation_b, int m, int n, int k, const float *alpha, const float *a,
               int lda, const float *b, int ldb, const float *beta, float *c, int ldc);
} kohl_cublas;

/* Opens the library once and makes a handle on the stream; NULL with *why. */
kohl_cublas *kohl_cublas_of(const kohl_context *ctx, kohl_stream *stream, const char **why);
void kohl_cublas_close(kohl_vendor *vendor);

#endif
