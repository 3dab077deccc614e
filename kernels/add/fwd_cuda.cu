/* add forward: a thread per element, or per four, channels fastest. */
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/add/add.h"
}

namespace {

struct sum {
  kohl_activation activation;
  size_t a_stride, b_stride, dst_stride;
  const float *a, *b;
  float *dst;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    kohl_floats<V> x = kohl_load<V>(a + pixel * a_stride + c), y = kohl_load<V>(b + pixel * b_stride + c);
    for (int i = 0; i < V; i++) x.v[i] = kohl_activate(x.v[i] + y.v[i], activation);
    kohl_store(dst + pixel * dst_stride + c, x);
  }
};

}  // namespace

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_add_desc *d = static_cast<const kohl_add_desc *>(desc);
  const sum op = {d->activation,
                  (size_t)d->a_stride,
                  (size_t)d->b_stride,
                  (size_t)d->dst_stride,
                  static_cast<const float *>(args->in[ADD_A]),
                  static_cast<const float *>(args->in[ADD_B]),
                  static_cast<float *>(args->out[ADD_DST])};
  kohl_pixels_launch(stream, op, (size_t)d->n * d->pixels, d->c,
                     kohl_fours(d->c | d->a_stride | d->b_stride | d->dst_stride, op.a, op.b, op.dst));
}

static const char *accepts(const void *desc) { return kohl_add_check(static_cast<const kohl_add_desc *>(desc)); }

KOHL_CUDA_KERNEL(add, fwd, cuda, accepts, NULL, launch)
