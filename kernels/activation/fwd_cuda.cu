/* activation forward: a thread per element, or per four, channels fastest. */
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/activation/activation.h"
#include "kernels/core/math.h"
}

namespace {

struct forward {
  kohl_activation_function function;
  size_t src_stride, dst_stride;
  const float *src;
  float *dst;

  __device__ float of(float x) const {
    if (function == KOHL_ACTIVATION_FUNCTION_RELU) return kohl_relu(x);
    return function == KOHL_ACTIVATION_FUNCTION_SIGMOID ? kohl_sigmoidf(x) : x;
  }

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    kohl_floats<V> x = kohl_load<V>(src + pixel * src_stride + c);
    for (int i = 0; i < V; i++) x.v[i] = of(x.v[i]);
    kohl_store(dst + pixel * dst_stride + c, x);
  }
};

}  // namespace

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_activation_desc *d = static_cast<const kohl_activation_desc *>(desc);
  const forward op = {d->function, (size_t)d->src_stride, (size_t)d->dst_stride,
                      static_cast<const float *>(args->in[ACTIVATION_SRC]),
                      static_cast<float *>(args->out[ACTIVATION_DST])};
  kohl_pixels_launch(stream, op, (size_t)d->n * d->pixels, d->c,
                     kohl_fours(d->c | d->src_stride | d->dst_stride, op.src, op.dst));
}

static const char *accepts(const void *desc) {
  return kohl_activation_check(static_cast<const kohl_activation_desc *>(desc));
}

KOHL_CUDA_KERNEL(activation, fwd, cuda, accepts, NULL, launch)
