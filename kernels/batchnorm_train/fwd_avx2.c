/* batchnorm_train forward with AVX2: sums and pixels of batchnorm's level. */
#include "kernels/batchnorm_train/batchnorm_train.h"

extern const kohl_kernel_code kohl_batchnorm_fwd_avx2;

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_batchnorm_train_fwd(&kohl_batchnorm_isa_avx2, &kohl_batchnorm_fwd_avx2, desc, args, threads);
}

const kohl_kernel_code kohl_batchnorm_train_fwd_avx2 = {kohl_batchnorm_train_check, NULL, NULL,
                                                        kohl_batchnorm_train_fwd_workspace, run};
