/* batchnorm_train forward, the reference: sums and pixels of batchnorm's level. */
#include "kernels/batchnorm_train/batchnorm_train.h"

extern const kohl_kernel_code kohl_batchnorm_fwd_ref;

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_batchnorm_train_fwd(&kohl_batchnorm_isa_ref, &kohl_batchnorm_fwd_ref, desc, args, threads);
}

const kohl_kernel_code kohl_batchnorm_train_fwd_ref = {kohl_batchnorm_train_check, NULL, NULL,
                                                       kohl_batchnorm_train_fwd_workspace, run};
