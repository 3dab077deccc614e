/* batchnorm_train forward: two passes of sums (batchnorm/sums.cuh), each joined by a thread per channel, then
 * batchnorm's normalisation.  Reads src three times, writes dst once. */
#include "kernels/batchnorm/normalise.cuh"
#include "kernels/batchnorm/sums.cuh"

extern "C" {
#include "kernels/batchnorm_train/batchnorm_train.h"
}

enum { THREADS = 64 };

/* Of the channels from `first` on. */
struct statistics {
  int channels;
  size_t count, blocks; /* n * pixels; blocks of rows */
  double epsilon, momentum;
  bool unbiased;
  const float *gamma, *beta;              /* or NULL */
  float *running_mean, *running_variance; /* or NULL */
  float *saved_mean, *inv_std;
  double *mean, *sums; /* workspace from here on */
  float *scale, *shift;
};

static __global__ void __launch_bounds__(THREADS) find_mean(statistics s) {
  const int c = (int)kohl_thread_index();
  if (c < s.channels) s.mean[c] = kohl_batchnorm_join(s.sums, s.blocks, s.channels, c) / (double)s.count;
}

static __device__ float blend(double momentum, float old, double batch) {
  return (float)(momentum * (double)old + (1.0 - momentum) * batch);
}

static __global__ void __launch_bounds__(THREADS) find_rest(statistics s) {
  const int c = (int)kohl_thread_index();
  if (c >= s.channels) return;
  if (!s.count) {
    s.saved_mean[c] = s.inv_std[c] = 0.0f;
    return;
  }
  const double squares = kohl_batchnorm_join(s.sums, s.blocks, s.channels, c), variance = squares / (double)s.count;
  const float mean = (float)s.mean[c], inv_std = (float)(1.0 / sqrt(variance + s.epsilon));
  s.saved_mean[c] = mean;
  s.inv_std[c] = inv_std;
  if (s.running_mean) {
    const double running = s.unbiased && s.count > 1 ? squares / (double)(s.count - 1) : variance;
    s.running_mean[c] = blend(s.momentum, s.running_mean[c], s.mean[c]);
    s.running_variance[c] = blend(s.momentum, s.running_variance[c], running);
  }
  const double factor = (s.gamma ? (double)s.gamma[c] : 1.0) * (double)inv_std;
  s.scale[c] = (float)factor;
  s.shift[c] = (float)((s.beta ? (double)s.beta[c] : 0.0) - (double)mean * factor);
}

template <class T>
static T *from(T *array, size_t first) {
  return array ? array + first : NULL;
}

/* Channels first .. first + channels - 1. */
static void part(const kohl_batchnorm_train_desc *d, const kohl_args *args, size_t first, int channels,
                 kohl_stream *stream) {
  const size_t count = (size_t)d->n * (size_t)d->pixels;
  float *saved = static_cast<float *>(args->out[BATCHNORM_TRAIN_SAVED]) + first;
  double *sums = static_cast<double *>(args->workspace), *mean = sums + KOHL_BATCHNORM_BLOCKS * (size_t)channels;
  float *scale = reinterpret_cast<float *>(mean + channels);
  const statistics s = {channels,
                        count,
                        kohl_batchnorm_blocks(count),
                        (double)d->epsilon,
                        d->momentum,
                        d->unbiased,
                        from(static_cast<const float *>(args->in[BATCHNORM_TRAIN_GAMMA]), first),
                        from(static_cast<const float *>(args->in[BATCHNORM_TRAIN_BETA]), first),
                        from(static_cast<float *>(args->out[BATCHNORM_TRAIN_RUNNING_MEAN]), first),
                        from(static_cast<float *>(args->out[BATCHNORM_TRAIN_RUNNING_VARIANCE]), first),
                        saved,
                        saved + d->c,
                        mean,
                        sums,
                        scale,
                        scale + channels};
  const kohl_batchnorm_rows rows = {
      static_cast<const float *>(args->in[BATCHNORM_TRAIN_SRC]) + first, NULL, NULL, count, channels, d->src_stride, 0};
  const dim3 grid(kohl_grid(channels, THREADS));
  if (count) {
    kohl_batchnorm_plain_sum sum = {0.0};
    kohl_batchnorm_square_sum squares = {mean, 0.0, 0.0};
    kohl_batchnorm_sums_launch(stream, sum, rows, sums);
    KOHL_LAUNCH(stream, find_mean, grid, dim3(THREADS), s);
    kohl_batchnorm_sums_launch(stream, squares, rows, sums);
  }
  KOHL_LAUNCH(stream, find_rest, grid, dim3(THREADS), s);
  const kohl_batchnorm_normalise op = {d->activation,
                                       (size_t)d->src_stride,
                                       (size_t)d->dst_stride,
                                       rows.src,
                                       s.scale,
                                       s.shift,
                                       static_cast<float *>(args->out[BATCHNORM_TRAIN_DST]) + first};
  kohl_batchnorm_normalise_launch(stream, op, count, channels);
}

static size_t workspace_size(const void *desc) {
  const kohl_batchnorm_train_desc *d = static_cast<const kohl_batchnorm_train_desc *>(desc);
  const size_t channels = (size_t)kohl_batchnorm_part(d->c, 0);
  return kohl_batchnorm_sums_bytes(d->c, 1) + channels * (sizeof(double) + 2 * sizeof(float));
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_batchnorm_train_desc *d = static_cast<const kohl_batchnorm_train_desc *>(desc);
  for (size_t c = 0; c < (size_t)d->c; c += KOHL_BATCHNORM_CHANNELS) {
    part(d, args, c, kohl_batchnorm_part(d->c, c), stream);
  }
}

KOHL_CUDA_KERNEL(batchnorm_train, fwd, cuda, kohl_batchnorm_train_check, workspace_size, launch)
