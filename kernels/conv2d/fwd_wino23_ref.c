/* conv2d forward, Winograd F(2x2, 3x3), the reference: wino_ref.c. */
#include "kernels/conv2d/wino_ref.h"

KOHL_WINO_REF(fwd, 2, kohl_wino_ref, kohl_wino_accepts)
