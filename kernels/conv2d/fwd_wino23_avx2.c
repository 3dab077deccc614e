/* conv2d forward, Winograd F(2x2, 3x3) with AVX2: wino.c with the loops of wino_avx2.c. */
#include "kernels/conv2d/wino.h"

KOHL_WINO_FWD(2, avx2)
