/* batchnorm_train gradients with AVX2. */
#include "kernels/core/lanes_avx2.h"

#define SPREAD kohl_batchnorm_train_spread_avx2
#include "kernels/batchnorm_train/spread.inc"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_batchnorm_train_dgrad(&kohl_batchnorm_isa_avx2, kohl_batchnorm_train_spread_avx2, desc, args, threads);
}

const kohl_kernel_code kohl_batchnorm_train_dgrad_avx2 = {kohl_batchnorm_train_check, NULL, NULL,
                                                          kohl_batchnorm_train_dgrad_workspace, run};
