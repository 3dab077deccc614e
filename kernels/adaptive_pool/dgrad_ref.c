/* adaptive_pool gradient, the reference: shares out the picture, then spreads each window as pool's reference does. */
#include "kernels/adaptive_pool/adaptive_pool.h"

static const char *accepts(const void *desc) { return kohl_adaptive_pool_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_adaptive_pool_dgrad(desc, args, threads, kohl_pool_spread_ref);
}

const kohl_kernel_code kohl_adaptive_pool_dgrad_ref = {accepts, NULL, NULL, NULL, run};
