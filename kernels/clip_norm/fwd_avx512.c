/* clip_norm with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/clip_norm/parts.inc"

static const kohl_clip_norm_isa isa = {squares, scale};

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_clip_norm_run(&isa, desc, args, threads);
}

const kohl_kernel_code kohl_clip_norm_fwd_avx512 = {kohl_clip_norm_check, NULL, NULL, kohl_clip_norm_workspace, run};
