/* adaptive_pool gradient: a thread per cell gathers from its windows; maxima have been searched window by window
 * before. */
#include "kernels/adaptive_pool/windows.cuh"

static size_t workspace_size(const void *desc) {
  return kohl_pool_dgrad_bytes(kohl_adaptive_pool_shape_of(static_cast<const kohl_adaptive_pool_desc *>(desc)));
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  kohl_pool_dgrad_launch(stream, kohl_adaptive_pool_shape_of(static_cast<const kohl_adaptive_pool_desc *>(desc)),
                         static_cast<const float *>(args->in[ADAPTIVE_POOL_DGRAD_SRC]),
                         static_cast<const float *>(args->in[ADAPTIVE_POOL_DGRAD_DDST]),
                         static_cast<float *>(args->out[ADAPTIVE_POOL_DGRAD_DSRC]), args->workspace);
}

static const char *accepts(const void *desc) {
  const kohl_adaptive_pool_desc *d = static_cast<const kohl_adaptive_pool_desc *>(desc);
  const char *wrong = kohl_adaptive_pool_check(d);
  return wrong ? wrong : kohl_pool_dgrad_refusal(kohl_adaptive_pool_shape_of(d));
}

KOHL_CUDA_KERNEL(adaptive_pool, dgrad, cuda, accepts, workspace_size, launch)
