/* Sums over pixels with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/batchnorm/sums.inc"

const kohl_batchnorm_isa kohl_batchnorm_isa_avx512 = {sum, squares, gradients};
