/* dense input gradient with the AVX-512 micro kernel of outer_avx512.c. */
#include "kernels/dense/outer.h"

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_outer_dgrad(&kohl_outer_avx512, desc, args, threads);
}

const kohl_kernel_code kohl_dense_dgrad_outer_avx512 = {kohl_dense_check, NULL, NULL, NULL, run};
