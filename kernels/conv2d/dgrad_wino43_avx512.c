/* conv2d input gradient, Winograd F(4x4, 3x3) with AVX-512: the forward convolution of ddst, filters turned round. */
#include "kernels/conv2d/wino.h"

static size_t packed_size(const void *desc) {
  const kohl_conv2d_desc conv = kohl_wino_dgrad(desc);
  return kohl_wino_packed_size(&kohl_wino_avx512, 4, &conv);
}

static void pack(const void *desc, const void *wei, void *packed) {
  kohl_wino_dgrad_pack(&kohl_wino_avx512, 4, desc, wei, packed);
}

static size_t workspace_size(const void *desc, size_t workers) {
  const kohl_conv2d_desc conv = kohl_wino_dgrad(desc);
  return kohl_wino_workspace_size(&kohl_wino_avx512, 4, &conv, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_wino_dgrad_run(&kohl_wino_avx512, 4, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_dgrad_wino43_avx512 = {kohl_wino_dgrad_accepts, packed_size, pack, workspace_size,
                                                          run};
