/* adaptive_pool forward with AVX-512: pool's reduction on the windows that share out the picture. */
#include "kernels/adaptive_pool/adaptive_pool.h"

static const char *accepts(const void *desc) { return kohl_adaptive_pool_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_adaptive_pool_run(desc, args, threads, kohl_pool_reduce_avx512);
}

const kohl_kernel_code kohl_adaptive_pool_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
