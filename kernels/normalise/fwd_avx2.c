/* normalise with AVX2. */
#include "kernels/picture/rgb_avx2.h"

#include "kernels/normalise/work.inc"

const kohl_kernel_code kohl_normalise_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
