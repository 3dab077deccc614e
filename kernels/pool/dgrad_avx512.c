/* pool gradient with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#define SPREAD kohl_pool_spread_avx512
#include "kernels/pool/spread.inc"

#define GATHER gather
#include "kernels/pool/gather.inc"

static const char *accepts(const void *desc) {
  const kohl_pool_desc *d = desc;
  const char *why = kohl_pool_check(d);
  return why ? why : kohl_pool_spread_limit((int64_t)d->r * d->s);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_pool_gather(&gather, desc, args, threads);
}

const kohl_kernel_code kohl_pool_dgrad_avx512 = {accepts, NULL, NULL, kohl_pool_gather_workspace, run};
