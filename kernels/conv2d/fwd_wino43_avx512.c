/* conv2d forward, Winograd F(4x4, 3x3) with AVX-512: wino.c with the loops of wino_avx512.c. */
#include "kernels/conv2d/wino.h"

KOHL_WINO_FWD(4, avx512)
