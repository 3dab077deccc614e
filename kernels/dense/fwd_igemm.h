/* dense forward on conv2d's implicit GEMM: a row is a picture of one pixel.  The isa chooses the micro kernel. */
#ifndef KOHL_KERNELS_DENSE_FWD_IGEMM_H
#define KOHL_KERNELS_DENSE_FWD_IGEMM_H

#include "kernels/conv2d/igemm.h"
#include "kernels/dense/dense.h"

/* The members of a kernel; layouts and alignment as in kernels/conv2d/igemm.h. */
size_t kohl_dense_igemm_packed_size(const kohl_igemm_isa *isa, const kohl_dense_desc *d);
void kohl_dense_igemm_pack(const kohl_igemm_isa *isa, const kohl_dense_desc *d, const float *wei, float *packed);
size_t kohl_dense_igemm_workspace_size(const kohl_igemm_isa *isa, const kohl_dense_desc *d, size_t workers);
void kohl_dense_igemm_run(const kohl_igemm_isa *isa, const kohl_dense_desc *d, const kohl_args *args,
                          kohl_threads *threads);

#endif
