/* adaptive_pool forward: a thread per window and channel, or four channels. */
#include "kernels/adaptive_pool/windows.cuh"

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  kohl_pool_forward_launch(stream, kohl_adaptive_pool_shape_of(static_cast<const kohl_adaptive_pool_desc *>(desc)),
                           static_cast<const float *>(args->in[ADAPTIVE_POOL_SRC]),
                           static_cast<float *>(args->out[ADAPTIVE_POOL_DST]));
}

static const char *accepts(const void *desc) {
  return kohl_adaptive_pool_check(static_cast<const kohl_adaptive_pool_desc *>(desc));
}

KOHL_CUDA_KERNEL(adaptive_pool, fwd, cuda, accepts, NULL, launch)
