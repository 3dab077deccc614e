/* resize forward with AVX2. */
#include "kernels/resize/vec_avx2.h"

#include "kernels/resize/passes.inc"

const kohl_kernel_code kohl_resize_fwd_avx2 = {accepts, packed_size, pack, workspace_size, run};
