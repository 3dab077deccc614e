/* dense input gradient with the AVX2 micro kernel of outer_avx2.c. */
#include "kernels/dense/outer.h"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_outer_dgrad(&kohl_outer_avx2, desc, args, threads);
}

const kohl_kernel_code kohl_dense_dgrad_outer_avx2 = {kohl_dense_check, NULL, NULL, NULL, run};
