/* Where the windows of adaptive_pool lie, for pool.cuh.  Windows of a cell are found as cells of a window are, with
 * the roles exchanged: i windows/size < cell + 1 and (i + 1) size/windows > cell. */
#ifndef KOHL_KERNELS_ADAPTIVE_POOL_WINDOWS_CUH
#define KOHL_KERNELS_ADAPTIVE_POOL_WINDOWS_CUH

#include "kernels/pool/pool.cuh"

extern "C" {
#include "kernels/adaptive_pool/adaptive_pool.h"
}

struct kohl_adaptive_pool_axis {
  int size, windows;

  /* floor(index * of / among) and ceil((index + 1) * of / among) */
  static __device__ int begin(int index, int of, int among) { return (int)((uint64_t)index * of / among); }
  static __device__ int end(int index, int of, int among) {
    return (int)((((uint64_t)index + 1) * of + among - 1) / among);
  }
  __device__ kohl_pool_span window(int index) const {
    const int first = begin(index, size, windows), count = end(index, size, windows) - first;
    return {first, count, count};
  }
  __device__ int first(int cell) const { return begin(cell, windows, size); }
  __device__ int last(int cell) const { return end(cell, windows, size) - 1; }
};

static inline kohl_pool_shape<kohl_adaptive_pool_axis> kohl_adaptive_pool_shape_of(const kohl_adaptive_pool_desc *d) {
  const kohl_adaptive_pool_axis y = {d->h, d->p}, x = {d->w, d->q};
  return {y, x, d->n, d->c, (size_t)d->src_stride, (size_t)d->dst_stride, d->mode == KOHL_ADAPTIVE_POOL_MAX};
}

#endif
