/* batchnorm weight gradient with AVX-512: the sums of sums_avx512.c. */
#include "kernels/batchnorm/batchnorm.h"

static const char *accepts(const void *desc) { return kohl_batchnorm_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_batchnorm_wgrad(&kohl_batchnorm_isa_avx512, desc, args, threads);
}

const kohl_kernel_code kohl_batchnorm_wgrad_avx512 = {accepts, NULL, NULL, kohl_batchnorm_wgrad_workspace, run};
