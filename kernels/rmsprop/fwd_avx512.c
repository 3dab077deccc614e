/* rmsprop with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/rmsprop/work.inc"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_rmsprop_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_rmsprop_fwd_avx512 = {kohl_rmsprop_check, NULL, NULL, NULL, run};
