/* conv2d input gradient, Winograd F(4x4, 3x3), the reference: wino_ref.c. */
#include "kernels/conv2d/wino_ref.h"

KOHL_WINO_REF(dgrad, 4, kohl_wino_ref_dgrad, kohl_wino_dgrad_accepts)
