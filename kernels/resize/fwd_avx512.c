/* resize forward with AVX-512. */
#include "kernels/resize/vec_avx512.h"

#include "kernels/resize/passes.inc"

const kohl_kernel_code kohl_resize_fwd_avx512 = {accepts, packed_size, pack, workspace_size, run};
