/* dropout forward with AVX2. */
#include "kernels/dropout/mask_avx2.inc"

static const char *accepts(const void *desc) { return kohl_dropout_check(desc); }

const kohl_kernel_code kohl_dropout_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
