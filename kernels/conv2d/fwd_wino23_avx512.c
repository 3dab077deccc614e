/* conv2d forward, Winograd F(2x2, 3x3) with AVX-512: wino.c with the loops of wino_avx512.c. */
#include "kernels/conv2d/wino.h"

static size_t packed_size(const void *desc) { return kohl_wino_packed_size(&kohl_wino_avx512, 2, desc); }

static void pack(const void *desc, const void *wei, void *packed) {
  kohl_wino_pack(&kohl_wino_avx512, 2, desc, wei, packed);
}

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_wino_workspace_size(&kohl_wino_avx512, 2, desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_wino_run(&kohl_wino_avx512, 2, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_fwd_wino23_avx512 = {kohl_wino_accepts, packed_size, pack, workspace_size, run};
