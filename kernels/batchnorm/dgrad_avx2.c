/* batchnorm input gradient with AVX2. */
#include "kernels/core/lanes_avx2.h"

#include "kernels/batchnorm/dgrad.inc"

const kohl_kernel_code kohl_batchnorm_dgrad_avx2 = {accepts, NULL, NULL, NULL, run};
