/* activation forward: a thread per element, channels fastest. */
#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/activation/activation.h"
#include "kernels/core/math.h"
}

enum { BLOCK = 256 };

static __device__ float apply(float x, kohl_activation_function function) {
  if (function == KOHL_ACTIVATION_FUNCTION_RELU) return kohl_relu(x);
  return function == KOHL_ACTIVATION_FUNCTION_SIGMOID ? kohl_sigmoidf(x) : x;
}

static __global__ void __launch_bounds__(BLOCK) activate(kohl_activation_desc d, const float *src, float *dst) {
  const size_t count = (size_t)d.n * d.pixels * d.c;
  for (size_t i = kohl_thread_index(); i < count; i += kohl_thread_count()) {
    size_t pixel = i / d.c, c = i - pixel * d.c;
    dst[pixel * d.dst_stride + c] = apply(src[pixel * d.src_stride + c], d.function);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_activation_desc *d = static_cast<const kohl_activation_desc *>(desc);
  KOHL_LAUNCH(stream, activate, dim3(kohl_grid((size_t)d->n * d->pixels * d->c, BLOCK)), dim3(BLOCK), *d,
              static_cast<const float *>(args->in[ACTIVATION_SRC]), static_cast<float *>(args->out[ACTIVATION_DST]));
}

static const char *accepts(const void *desc) {
  return kohl_activation_check(static_cast<const kohl_activation_desc *>(desc));
}

KOHL_CUDA_KERNEL(activation, fwd, cuda, accepts, NULL, launch)
