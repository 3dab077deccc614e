/* concat gradient: the slice is copied out again. */
#include "kernels/concat/concat.cuh"

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_concat_desc *d = static_cast<const kohl_concat_desc *>(desc);
  const kohl_concat_copy copy = {static_cast<const float *>(args->in[CONCAT_DGRAD_DDST]), (size_t)d->dst_stride,
                                 static_cast<float *>(args->out[CONCAT_DGRAD_DSRC]), (size_t)d->src_stride};
  kohl_concat_launch(stream, d, copy);
}

KOHL_CUDA_KERNEL(concat, dgrad, cuda, kohl_concat_accepts, NULL, launch)
