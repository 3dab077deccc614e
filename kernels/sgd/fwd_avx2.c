/* sgd with AVX2. */
#include "kernels/core/lanes_avx2.h"

#include "kernels/sgd/work.inc"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_sgd_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_sgd_fwd_avx2 = {kohl_sgd_check, NULL, NULL, NULL, run};
