/* dst = act(fma(src, scale, shift)) on CUDA: the forward of batchnorm, and the last step of batchnorm_train's. */
#ifndef KOHL_KERNELS_BATCHNORM_NORMALISE_CUH
#define KOHL_KERNELS_BATCHNORM_NORMALISE_CUH

#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/batchnorm/batchnorm.h"
}

struct kohl_batchnorm_normalise {
  kohl_activation activation;
  size_t src_stride, dst_stride;
  const float *src, *scale, *shift;
  float *dst;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    kohl_floats<V> x = kohl_load<V>(src + pixel * src_stride + c);
    const kohl_floats<V> a = kohl_load<V>(scale + c), b = kohl_load<V>(shift + c);
    for (int i = 0; i < V; i++) x.v[i] = kohl_activate(fmaf(x.v[i], a.v[i], b.v[i]), activation);
    kohl_store(dst + pixel * dst_stride + c, x);
  }
};

static inline void kohl_batchnorm_normalise_launch(kohl_stream *stream, const kohl_batchnorm_normalise &op,
                                                   size_t pixels, int c) {
  kohl_pixels_launch(stream, op, pixels, c,
                     kohl_fours(c | (int)op.src_stride | (int)op.dst_stride, op.src, op.scale, op.shift, op.dst));
}

static inline const char *kohl_batchnorm_accepts(const void *desc) {
  return kohl_batchnorm_check(static_cast<const kohl_batchnorm_desc *>(desc));
}

#endif
