/* adaptive_pool gradient with AVX-512: pool's on the windows that share out the picture. */
#include "kernels/adaptive_pool/adaptive_pool.h"

static const char *accepts(const void *desc) {
  const kohl_adaptive_pool_desc *d = desc;
  const char *why = kohl_adaptive_pool_check(d);
  return why ? why : kohl_pool_spread_limit((int64_t)d->h * d->w);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_adaptive_pool_dgrad(desc, args, threads, kohl_pool_spread_avx512);
}

const kohl_kernel_code kohl_adaptive_pool_dgrad_avx512 = {accepts, NULL, NULL, NULL, run};
