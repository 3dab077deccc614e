/* conv2d input gradient by forward convolutions of ddst: everything but the micro kernel, which is the forward's.
 *
 * Input pixels whose coordinates have the same remainders by the strides are a phase: the same taps reach them, and
 * their gradient is a convolution of stride 1 of ddst with these taps turned round.  Stride 1 has one phase. */
#ifndef KOHL_KERNELS_CONV2D_DGRAD_IGEMM_H
#define KOHL_KERNELS_CONV2D_DGRAD_IGEMM_H

#include "kernels/conv2d/igemm.h"

/* Members of a kernel; accepts is kohl_conv2d_gradient_check.  Packed weights are those of the phases, one after the
 * other; the workspace, which does not depend on the batch, serves one phase at a time. */
size_t kohl_dgrad_igemm_packed_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d);
void kohl_dgrad_igemm_pack(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const float *wei, float *packed);
size_t kohl_dgrad_igemm_workspace_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, size_t workers);
void kohl_dgrad_igemm_run(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                          kohl_threads *threads);

#endif
