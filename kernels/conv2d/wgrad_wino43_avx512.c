/* conv2d weight gradient, Winograd F(3x3, 4x4) with AVX-512: wgrad_wino.c with the loops of wgrad_wino_avx512.c. */
#include "kernels/conv2d/wgrad_wino.h"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_wgrad_wino_run(&kohl_wgrad_wino_avx512, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_wgrad_wino43_avx512 = {kohl_wgrad_wino_accepts, NULL, NULL,
                                                          kohl_wgrad_wino_workspace_size, run};
