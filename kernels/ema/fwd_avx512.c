/* ema with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/ema/work.inc"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_ema_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_ema_fwd_avx512 = {kohl_ema_check, NULL, NULL, NULL, run};
