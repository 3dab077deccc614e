/* The innermost loops of the weight gradient by Winograd with AVX2: 5 or 6 filters x 16 channels are 10 or 12 sums. */
#include "kernels/core/lanes_avx2.h"

/* unrolled, gcc keeps sums in memory */
enum { PIECES = 3, UNROLL = 1 };
#define FILTERS_OF_BLOCK PIECE(6) PIECE(5) PIECE(5)
#include "kernels/conv2d/wgrad_wino.inc"

const kohl_wgrad_wino_isa kohl_wgrad_wino_avx2 = {BLOCKS, PIECES, patch, tile, multiply, result, sum};
