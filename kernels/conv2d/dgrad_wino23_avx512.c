/* conv2d input gradient, Winograd F(2x2, 3x3) with AVX-512: the forward convolution of ddst, filters turned round. */
#include "kernels/conv2d/wino.h"

KOHL_WINO_DGRAD(2, avx512)
