/* clip_norm with AVX2. */
#include "kernels/core/lanes_avx2.h"

#include "kernels/clip_norm/parts.inc"

static const kohl_clip_norm_isa isa = {squares, scale};

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_clip_norm_run(&isa, desc, args, threads);
}

const kohl_kernel_code kohl_clip_norm_fwd_avx2 = {kohl_clip_norm_check, NULL, NULL, kohl_clip_norm_workspace, run};
