/* Copies channels of pixels from one stride to another: both directions of concat. */
#ifndef KOHL_KERNELS_CONCAT_CONCAT_CUH
#define KOHL_KERNELS_CONCAT_CONCAT_CUH

#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/concat/concat.h"
}

struct kohl_concat_copy {
  const float *from;
  size_t from_stride;
  float *to;
  size_t to_stride;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    kohl_store(to + pixel * to_stride + c, kohl_load<V>(from + pixel * from_stride + c));
  }
};

static inline void kohl_concat_launch(kohl_stream *stream, const kohl_concat_desc *d, const kohl_concat_copy &copy) {
  kohl_pixels_launch(stream, copy, (size_t)d->n * d->pixels, d->c,
                     kohl_fours(d->c | d->src_stride | d->dst_stride, copy.from, copy.to));
}

static inline const char *kohl_concat_accepts(const void *desc) {
  return kohl_concat_check(static_cast<const kohl_concat_desc *>(desc));
}

#endif
