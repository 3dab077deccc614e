/* adam with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/adam/work.inc"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_adam_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_adam_fwd_avx512 = {kohl_adam_check, NULL, NULL, NULL, run};
