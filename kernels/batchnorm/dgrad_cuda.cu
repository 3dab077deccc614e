/* batchnorm input gradient: a thread per element, or per four, channels fastest. */
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/batchnorm/batchnorm.h"
}

namespace {

struct gradient {
  size_t src_stride, dst_stride;
  const float *ddst, *scale, *dst; /* dst: NULL without a ReLU */
  float *dsrc;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    kohl_floats<V> g = kohl_load<V>(ddst + pixel * dst_stride + c), y = g;
    const kohl_floats<V> factor = kohl_load<V>(scale + c);
    if (dst) y = kohl_load<V>(dst + pixel * dst_stride + c);
    for (int i = 0; i < V; i++) g.v[i] = (!dst || y.v[i] > 0.0f ? g.v[i] : 0.0f) * factor.v[i];
    kohl_store(dsrc + pixel * src_stride + c, g);
  }
};

}  // namespace

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_batchnorm_desc *d = static_cast<const kohl_batchnorm_desc *>(desc);
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  const gradient op = {(size_t)d->src_stride,
                       (size_t)d->dst_stride,
                       static_cast<const float *>(args->in[BATCHNORM_DGRAD_DDST]),
                       static_cast<const float *>(args->in[BATCHNORM_DGRAD_SCALE]),
                       relu ? static_cast<const float *>(args->in[BATCHNORM_DGRAD_DST]) : NULL,
                       static_cast<float *>(args->out[BATCHNORM_DGRAD_DSRC])};
  kohl_pixels_launch(stream, op, (size_t)d->n * d->pixels, d->c,
                     kohl_fours(d->c | d->src_stride | d->dst_stride, op.ddst, op.scale, op.dst, op.dsrc));
}

static const char *accepts(const void *desc) {
  return kohl_batchnorm_check(static_cast<const kohl_batchnorm_desc *>(desc));
}

KOHL_CUDA_KERNEL(batchnorm, dgrad, cuda, accepts, NULL, launch)
