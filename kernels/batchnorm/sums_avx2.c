/* Sums over pixels with AVX2. */
#include "kernels/core/lanes_avx2.h"

#include "kernels/batchnorm/sums.inc"

const kohl_batchnorm_isa kohl_batchnorm_isa_avx2 = {sum, squares, gradients};
