/* batchnorm weight gradient: sums of blocks of rows (sums.cuh), then a thread per channel joins them. */
#include "kernels/batchnorm/sums.cuh"

extern "C" {
#include "kernels/batchnorm/batchnorm.h"
}

enum { THREADS = 64 };

static __global__ void __launch_bounds__(THREADS)
    finish(int channels, size_t blocks, const double *sums, const float *inv_std, float *dgamma, float *dbeta) {
  const int c = (int)kohl_thread_index();
  if (c >= channels) return;
  const double a = kohl_batchnorm_join(sums, blocks, channels, c);
  const double b = kohl_batchnorm_join(sums + blocks * channels, blocks, channels, c);
  dgamma[c] = (float)(b * (double)inv_std[c]);
  dbeta[c] = (float)a;
}

/* Channels first .. first + channels - 1. */
static void part(const kohl_batchnorm_desc *d, const kohl_args *args, size_t first, int channels, kohl_stream *stream) {
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  const float *mean = static_cast<const float *>(args->in[BATCHNORM_WGRAD_MEAN]) + first;
  const float *inv_std = static_cast<const float *>(args->in[BATCHNORM_WGRAD_INV_STD]) + first;
  float *dgamma = static_cast<float *>(args->out[BATCHNORM_WGRAD_DGAMMA]) + first;
  float *dbeta = static_cast<float *>(args->out[BATCHNORM_WGRAD_DBETA]) + first;
  double *sums = static_cast<double *>(args->workspace);
  const kohl_batchnorm_rows rows = {static_cast<const float *>(args->in[BATCHNORM_WGRAD_SRC]) + first,
                                    relu ? static_cast<const float *>(args->in[BATCHNORM_WGRAD_DST]) + first : NULL,
                                    static_cast<const float *>(args->in[BATCHNORM_WGRAD_DDST]) + first,
                                    (size_t)d->n * (size_t)d->pixels,
                                    channels,
                                    d->src_stride,
                                    d->dst_stride};
  kohl_batchnorm_gradient_sums sum = {mean, 0.0, 0.0, 0.0};
  kohl_batchnorm_sums_launch(stream, sum, rows, sums);
  KOHL_LAUNCH(stream, finish, dim3(kohl_grid(channels, THREADS)), dim3(THREADS), channels,
              kohl_batchnorm_blocks(rows.rows), sums, inv_std, dgamma, dbeta);
}

static size_t workspace_size(const void *desc) {
  return kohl_batchnorm_sums_bytes(static_cast<const kohl_batchnorm_desc *>(desc)->c, 2);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_batchnorm_desc *d = static_cast<const kohl_batchnorm_desc *>(desc);
  for (size_t c = 0; c < (size_t)d->c; c += KOHL_BATCHNORM_CHANNELS) {
    part(d, args, c, kohl_batchnorm_part(d->c, c), stream);
  }
}

static const char *accepts(const void *desc) {
  return kohl_batchnorm_check(static_cast<const kohl_batchnorm_desc *>(desc));
}

KOHL_CUDA_KERNEL(batchnorm, wgrad, cuda, accepts, workspace_size, launch)
