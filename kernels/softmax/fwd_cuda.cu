/* softmax forward: 16 to 256 threads per pixel (softmax.cuh). */
#include "kernels/softmax/softmax.cuh"

static __global__ void __launch_bounds__(KOHL_SOFTMAX_THREADS)
    softmax(kohl_softmax_desc d, size_t pixels, const float *src, float *dst) {
  for (size_t first = (size_t)blockIdx.x * blockDim.z; first < pixels; first += (size_t)gridDim.x * blockDim.z) {
    const size_t pixel = first + threadIdx.z;
    const bool there = pixel < pixels;
    const float *from = src + pixel * d.src_stride;
    float *to = dst + pixel * d.dst_stride;
    const float max = kohl_softmax_max(from, there ? (unsigned)d.c : 0);
    const float sum = kohl_softmax_exponentials(from, (unsigned)d.c, there, max, to);
    kohl_softmax_divide(to, there ? (unsigned)d.c : 0, sum);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_softmax_desc *d = static_cast<const kohl_softmax_desc *>(desc);
  const size_t pixels = (size_t)d->n * d->pixels;
  const dim3 block = kohl_softmax_threads(d->c);
  KOHL_LAUNCH(stream, softmax, kohl_softmax_grid(pixels, block), block, *d, pixels,
              static_cast<const float *>(args->in[SOFTMAX_SRC]), static_cast<float *>(args->out[SOFTMAX_DST]));
}

static const char *accepts(const void *desc) {
  return kohl_softmax_check(static_cast<const kohl_softmax_desc *>(desc));
}

KOHL_CUDA_KERNEL(softmax, fwd, cuda, accepts, NULL, launch)
