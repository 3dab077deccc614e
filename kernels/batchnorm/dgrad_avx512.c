/* batchnorm input gradient with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/batchnorm/dgrad.inc"

const kohl_kernel_code kohl_batchnorm_dgrad_avx512 = {accepts, NULL, NULL, NULL, run};
