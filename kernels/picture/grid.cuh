/* Grids of the kernels that work on pictures: y goes over the pictures, x over equal units of work of one. */
#ifndef KOHL_KERNELS_PICTURE_GRID_CUH
#define KOHL_KERNELS_PICTURE_GRID_CUH

#include "kernels/core/cuda.h"

/* Blocks for n pictures of `units` each, empty where there are none.  A block takes one after the other in strides of
 * the grid; 32 blocks to a multiprocessor are several times what runs at once, so that the last ones end together. */
static inline dim3 kohl_picture_grid(size_t units, int n, const kohl_stream *stream) {
  const size_t most = 32 * static_cast<size_t>(stream->multiprocessors), pictures = static_cast<size_t>(n);
  const size_t y = pictures < most ? pictures : most, room = y ? most / y : 0;
  return dim3(static_cast<unsigned>(units < room ? units : room), static_cast<unsigned>(y));
}

#endif
