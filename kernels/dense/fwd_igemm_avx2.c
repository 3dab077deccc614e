/* dense forward with conv2d's AVX2 micro kernel. */
#include "kernels/dense/fwd_igemm.h"

static size_t packed_size(const void *desc) { return kohl_dense_igemm_packed_size(&kohl_igemm_avx2, desc); }

static void pack(const void *desc, const void *wei, void *packed) {
  kohl_dense_igemm_pack(&kohl_igemm_avx2, desc, wei, packed);
}

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_dense_igemm_workspace_size(&kohl_igemm_avx2, desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_dense_igemm_run(&kohl_igemm_avx2, desc, args, threads);
}

const kohl_kernel_code kohl_dense_fwd_igemm_avx2 = {kohl_dense_check, packed_size, pack, workspace_size, run};
