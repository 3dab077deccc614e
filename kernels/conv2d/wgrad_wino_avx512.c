/* The innermost loops of the weight gradient by Winograd with AVX-512: 8 filters x 32 channels are 16 sums. */
#include "kernels/core/lanes_avx512.h"

enum { PIECES = 2, UNROLL = 4 };
#define FILTERS_OF_BLOCK PIECE(8) PIECE(8)
#include "kernels/conv2d/wgrad_wino.inc"

const kohl_wgrad_wino_isa kohl_wgrad_wino_avx512 = {BLOCKS, PIECES, patch, tile, multiply, result, sum};
