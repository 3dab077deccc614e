/* conv2d input gradient with the AVX2 micro kernel of fwd_igemm_avx2.c. */
#include "kernels/conv2d/dgrad_igemm.h"

static size_t packed_size(const void *desc) { return kohl_dgrad_igemm_packed_size(&kohl_igemm_avx2, desc); }

static void pack(const void *desc, const void *wei, void *packed) {
  kohl_dgrad_igemm_pack(&kohl_igemm_avx2, desc, wei, packed);
}

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_dgrad_igemm_workspace_size(&kohl_igemm_avx2, desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_dgrad_igemm_run(&kohl_igemm_avx2, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_dgrad_igemm_avx2 = {kohl_conv2d_gradient_check, packed_size, pack, workspace_size,
                                                       run};
