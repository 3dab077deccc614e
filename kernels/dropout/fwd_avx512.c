/* dropout forward with AVX-512. */
#include "kernels/dropout/mask_avx512.inc"

static const char *accepts(const void *desc) { return kohl_dropout_check(desc); }

const kohl_kernel_code kohl_dropout_fwd_avx512 = {accepts, NULL, NULL, NULL, run};
