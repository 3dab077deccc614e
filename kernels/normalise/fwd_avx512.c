/* normalise with AVX-512. */
#include "kernels/picture/rgb_avx512.h"

#include "kernels/normalise/work.inc"

const kohl_kernel_code kohl_normalise_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
