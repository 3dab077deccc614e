/* concat gradient with AVX2: large outputs go past the caches. */
#include "kernels/core/lanes_avx2.h"

#include "kernels/concat/dgrad.inc"

const kohl_kernel_code kohl_concat_dgrad_avx2 = {accepts, NULL, NULL, NULL, run};
