/* batchnorm_train gradients: both sums in one pass (batchnorm/sums.cuh), coefficients by a thread per channel, then a
 * pass over the pixels.  Reads src and ddst (and dst with a ReLU) twice, writes dsrc once. */
#include "kernels/batchnorm/sums.cuh"
#include "kernels/core/pixels.cuh"

extern "C" {
#include "kernels/batchnorm_train/batchnorm_train.h"
}

enum { THREADS = 64 };

namespace {

struct coefficients {
  int channels;
  size_t count, blocks; /* n * pixels; blocks of rows */
  const float *gamma, *inv_std;
  float *dgamma, *dbeta;
  const double *sums;
  float *scale, *a, *b;
};

struct spread {
  size_t src_stride, dst_stride;
  const float *src, *ddst, *dst; /* dst: NULL without a ReLU */
  const float *mean, *scale, *a, *b;
  float *dsrc;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    const kohl_floats<V> x = kohl_load<V>(src + pixel * src_stride + c), m = kohl_load<V>(mean + c);
    const kohl_floats<V> factor = kohl_load<V>(scale + c), slope = kohl_load<V>(a + c), level = kohl_load<V>(b + c);
    kohl_floats<V> g = kohl_load<V>(ddst + pixel * dst_stride + c), y = g;
    if (dst) y = kohl_load<V>(dst + pixel * dst_stride + c);
    for (int i = 0; i < V; i++) {
      const float gated = !dst || y.v[i] > 0.0f ? g.v[i] : 0.0f;
      g.v[i] = fmaf(factor.v[i], gated, fmaf(slope.v[i], x.v[i] - m.v[i], level.v[i]));
    }
    kohl_store(dsrc + pixel * src_stride + c, g);
  }
};

}  // namespace

static __global__ void __launch_bounds__(THREADS) find(coefficients k) {
  const int c = (int)kohl_thread_index();
  if (c >= k.channels) return;
  const double a = kohl_batchnorm_join(k.sums, k.blocks, k.channels, c);
  const double b = kohl_batchnorm_join(k.sums + k.blocks * k.channels, k.blocks, k.channels, c);
  const double std = (double)k.inv_std[c], scale = (k.gamma ? (double)k.gamma[c] : 1.0) * std;
  k.dgamma[c] = (float)(b * std);
  k.dbeta[c] = (float)a;
  k.scale[c] = (float)scale;
  k.a[c] = (float)(-scale * (std * std) * b / (double)k.count);
  k.b[c] = (float)(-scale * a / (double)k.count);
}

/* Channels first .. first + channels - 1. */
static void part(const kohl_batchnorm_train_desc *d, const kohl_args *args, size_t first, int channels,
                 kohl_stream *stream) {
  const size_t count = (size_t)d->n * (size_t)d->pixels, blocks = kohl_batchnorm_blocks(count);
  const bool relu = d->activation == KOHL_ACTIVATION_RELU;
  const float *saved = static_cast<const float *>(args->in[BATCHNORM_TRAIN_DGRAD_SAVED]) + first;
  const float *gamma = static_cast<const float *>(args->in[BATCHNORM_TRAIN_DGRAD_GAMMA]);
  double *sums = static_cast<double *>(args->workspace);
  float *scale = reinterpret_cast<float *>(sums + 2 * KOHL_BATCHNORM_BLOCKS * (size_t)channels);
  const kohl_batchnorm_rows rows = {
      static_cast<const float *>(args->in[BATCHNORM_TRAIN_DGRAD_SRC]) + first,
      relu ? static_cast<const float *>(args->in[BATCHNORM_TRAIN_DGRAD_DST]) + first : NULL,
      static_cast<const float *>(args->in[BATCHNORM_TRAIN_DGRAD_DDST]) + first,
      count,
      channels,
      d->src_stride,
      d->dst_stride};
  const coefficients k = {channels,
                          count,
                          blocks,
                          gamma ? gamma + first : NULL,
                          saved + d->c,
                          static_cast<float *>(args->out[BATCHNORM_TRAIN_DGRAD_DGAMMA]) + first,
                          static_cast<float *>(args->out[BATCHNORM_TRAIN_DGRAD_DBETA]) + first,
                          sums,
                          scale,
                          scale + channels,
                          scale + 2 * (size_t)channels};
  kohl_batchnorm_gradient_sums sum = {saved, 0.0, 0.0, 0.0};
  kohl_batchnorm_sums_launch(stream, sum, rows, sums);
  KOHL_LAUNCH(stream, find, dim3(kohl_grid(channels, THREADS)), dim3(THREADS), k);
  const spread op = {(size_t)d->src_stride,
                     (size_t)d->dst_stride,
                     rows.src,
                     rows.ddst,
                     rows.dst,
                     saved,
                     k.scale,
                     k.a,
                     k.b,
                     static_cast<float *>(args->out[BATCHNORM_TRAIN_DGRAD_DSRC]) + first};
  kohl_pixels_launch(stream, op, count, channels,
                     kohl_fours(channels | d->src_stride | d->dst_stride, op.src, op.ddst, op.dst, op.mean, op.scale,
                                op.a, op.b, op.dsrc));
}

static size_t workspace_size(const void *desc) {
  const kohl_batchnorm_train_desc *d = static_cast<const kohl_batchnorm_train_desc *>(desc);
  const size_t channels = (size_t)kohl_batchnorm_part(d->c, 0);
  return kohl_batchnorm_sums_bytes(d->c, 2) + 3 * channels * sizeof(float);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_batchnorm_train_desc *d = static_cast<const kohl_batchnorm_train_desc *>(desc);
  for (size_t c = 0; c < (size_t)d->c; c += KOHL_BATCHNORM_CHANNELS) {
    part(d, args, c, kohl_batchnorm_part(d->c, c), stream);
  }
}

KOHL_CUDA_KERNEL(batchnorm_train, dgrad, cuda, kohl_batchnorm_train_check, workspace_size, launch)
