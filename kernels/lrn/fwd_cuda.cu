/* lrn forward: a thread per element sums its window anew; neighbours' loads meet in the cache.  Bound by the power,
 * about 60 operations in double, not by memory. */
#include "kernels/lrn/lrn.cuh"

namespace {

struct normalise {
  kohl_lrn_desc d;
  const float *src;
  float *dst;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    const float *from = src + pixel * d.src_stride;
    const float base = kohl_lrn_base(d, from, kohl_lrn_window_of(d, (int)c));
    dst[pixel * d.dst_stride + c] = from[c] * kohl_powf(base, -d.beta);
  }
};

}  // namespace

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_lrn_desc *d = static_cast<const kohl_lrn_desc *>(desc);
  const normalise op = {*d, static_cast<const float *>(args->in[LRN_SRC]), static_cast<float *>(args->out[LRN_DST])};
  kohl_pixels_launch(stream, op, (size_t)d->n * d->pixels, d->c, false);
}

KOHL_CUDA_KERNEL(lrn, fwd, cuda, kohl_lrn_accepts, NULL, launch)
