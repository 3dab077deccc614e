/* batchnorm forward: a thread per element, or per four, channels fastest. */
#include "kernels/batchnorm/normalise.cuh"

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_batchnorm_desc *d = static_cast<const kohl_batchnorm_desc *>(desc);
  const kohl_batchnorm_normalise op = {d->activation,
                                       (size_t)d->src_stride,
                                       (size_t)d->dst_stride,
                                       static_cast<const float *>(args->in[BATCHNORM_SRC]),
                                       static_cast<const float *>(args->in[BATCHNORM_SCALE]),
                                       static_cast<const float *>(args->in[BATCHNORM_SHIFT]),
                                       static_cast<float *>(args->out[BATCHNORM_DST])};
  kohl_batchnorm_normalise_launch(stream, op, (size_t)d->n * d->pixels, d->c);
}

KOHL_CUDA_KERNEL(batchnorm, fwd, cuda, kohl_batchnorm_accepts, NULL, launch)
