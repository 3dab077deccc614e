/* concat gradient with AVX-512: large outputs go past the caches. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/concat/dgrad.inc"

const kohl_kernel_code kohl_concat_dgrad_avx512 = {accepts, NULL, NULL, NULL, run};
