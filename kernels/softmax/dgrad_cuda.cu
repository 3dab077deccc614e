/* softmax gradient: 16 to 256 threads per pixel (softmax.cuh); probabilities and their gradients go to every thread's
 * chain through shared memory. */
#include "kernels/softmax/softmax.cuh"

enum { TILE = 2048 };

/* sum_j ddst_j dst_j; c and there as in softmax.cuh. */
static __device__ float dot(const float *dst, const float *ddst, unsigned c, bool there) {
  KOHL_SHARED(float, ys, [TILE]);
  KOHL_SHARED(float, gs, [TILE]);
  const unsigned room = kohl_softmax_room(TILE);
  float *y = ys + threadIdx.z * room, *g = gs + threadIdx.z * room, partial = 0.0f;
  for (unsigned first = 0; first < c; first += room) {
    const unsigned count = there ? min(c - first, room) : 0;
    for (unsigned i = kohl_softmax_thread(); i < count; i += kohl_softmax_step()) {
      y[i] = dst[first + i];
      g[i] = ddst[first + i];
    }
    __syncthreads();
    KOHL_UNROLL(8)
    for (unsigned i = threadIdx.x; i < count; i += 16) partial = fmaf(g[i], y[i], partial);
    __syncthreads();
  }
  return kohl_softmax_tree(partial);
}

static __global__ void __launch_bounds__(KOHL_SOFTMAX_THREADS)
    gradient(kohl_softmax_desc d, size_t pixels, const float *dst, const float *ddst, float *dsrc) {
  for (size_t first = (size_t)blockIdx.x * blockDim.z; first < pixels; first += (size_t)gridDim.x * blockDim.z) {
    const size_t pixel = first + threadIdx.z;
    const bool there = pixel < pixels;
    const float *y = dst + pixel * d.dst_stride, *g = ddst + pixel * d.dst_stride;
    const float sum = dot(y, g, (unsigned)d.c, there);
    float *to = dsrc + pixel * d.src_stride;
    for (unsigned i = kohl_softmax_thread(); there && i < (unsigned)d.c; i += kohl_softmax_step()) {
      to[i] = y[i] * (g[i] - sum);
    }
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_softmax_desc *d = static_cast<const kohl_softmax_desc *>(desc);
  const size_t pixels = (size_t)d->n * d->pixels;
  const dim3 block = kohl_softmax_threads(d->c);
  KOHL_LAUNCH(stream, gradient, kohl_softmax_grid(pixels, block), block, *d, pixels,
              static_cast<const float *>(args->in[SOFTMAX_DGRAD_DST]),
              static_cast<const float *>(args->in[SOFTMAX_DGRAD_DDST]),
              static_cast<float *>(args->out[SOFTMAX_DGRAD_DSRC]));
}

static const char *accepts(const void *desc) {
  return kohl_softmax_check(static_cast<const kohl_softmax_desc *>(desc));
}

KOHL_CUDA_KERNEL(softmax, dgrad, cuda, accepts, NULL, launch)
