/* Where the windows of pool lie, for pool.cuh.  Sums stay below 2^32: the last window begins inside the picture, and a
 * padding is smaller than a window. */
#ifndef KOHL_KERNELS_POOL_WINDOWS_CUH
#define KOHL_KERNELS_POOL_WINDOWS_CUH

#include "kernels/pool/pool.cuh"

extern "C" {
#include "kernels/pool/pool.h"
}

struct kohl_pool_axis {
  int size, windows, length, stride, before, after;
  bool padding; /* whether it counts */

  __device__ kohl_pool_span window(int index) const {
    const int64_t start = (int64_t)index * stride - before, end = start + length, room = (int64_t)size + after;
    const int64_t first = max(start, (int64_t)0), count = min(end, (int64_t)size) - first;
    return {(int)first, (int)count, (int)(padding ? min(end, room) - start : count)};
  }
  __device__ int first(int cell) const {
    const unsigned at = (unsigned)cell + (unsigned)before, l = (unsigned)length;
    return at < l ? 0 : (int)((at - l) / (unsigned)stride + 1);
  }
  __device__ int last(int cell) const {
    return (int)min(((unsigned)cell + (unsigned)before) / (unsigned)stride, (unsigned)windows - 1);
  }
};

static inline kohl_pool_shape<kohl_pool_axis> kohl_pool_shape_of(const kohl_pool_desc *d) {
  const bool padding = d->mode == KOHL_POOL_AVG_ALL;
  const kohl_pool_axis y = {d->h, d->p, d->r, d->stride_h, d->pad_top, d->pad_bottom, padding};
  const kohl_pool_axis x = {d->w, d->q, d->s, d->stride_w, d->pad_left, d->pad_right, padding};
  return {y, x, d->n, d->c, (size_t)d->src_stride, (size_t)d->dst_stride, d->mode == KOHL_POOL_MAX};
}

#endif
