/* activation gradient: a thread per element, or per four, channels fastest. */
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/activation/activation.h"
}

namespace {

struct gradient {
  kohl_activation_function function;
  size_t src_stride, dst_stride;
  const float *dst, *ddst;
  float *dsrc;

  __device__ float of(float y, float g) const {
    if (function == KOHL_ACTIVATION_FUNCTION_RELU) return y > 0.0f ? g : 0.0f;
    return function == KOHL_ACTIVATION_FUNCTION_SIGMOID ? g * (y * (1.0f - y)) : g;
  }

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    kohl_floats<V> y = kohl_load<V>(dst + pixel * dst_stride + c), g = kohl_load<V>(ddst + pixel * dst_stride + c);
    for (int i = 0; i < V; i++) g.v[i] = of(y.v[i], g.v[i]);
    kohl_store(dsrc + pixel * src_stride + c, g);
  }
};

}  // namespace

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_activation_desc *d = static_cast<const kohl_activation_desc *>(desc);
  const gradient op = {d->function,
                       (size_t)d->src_stride,
                       (size_t)d->dst_stride,
                       static_cast<const float *>(args->in[ACTIVATION_DGRAD_DST]),
                       static_cast<const float *>(args->in[ACTIVATION_DGRAD_DDST]),
                       static_cast<float *>(args->out[ACTIVATION_DGRAD_DSRC])};
  kohl_pixels_launch(stream, op, (size_t)d->n * d->pixels, d->c,
                     kohl_fours(d->c | d->src_stride | d->dst_stride, op.dst, op.ddst, op.dsrc));
}

static const char *accepts(const void *desc) {
  return kohl_activation_check(static_cast<const kohl_activation_desc *>(desc));
}

KOHL_CUDA_KERNEL(activation, dgrad, cuda, accepts, NULL, launch)
