/* The list of batch-norms of training, checking a desc, and both directions around their sums and pixels. */
#include "kernels/batchnorm_train/batchnorm_train.h"

#include <math.h>

#define KERNEL(...) KOHL_DECLARE_KERNEL(batchnorm_train, __VA_ARGS__)
#include "kernels/batchnorm_train/batchnorm_train.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(batchnorm_train, __VA_ARGS__)
#include "kernels/batchnorm_train/batchnorm_train.def"
#undef KERNEL
};
KOHL_DEFINE_OP(batchnorm_train, table)

const char *kohl_batchnorm_train_check(const void *desc) {
  const kohl_batchnorm_train_desc *d = desc;
  if (d->n < 0 || d->pixels < 1 || d->c < 1) return "a size is below 1";
  if (d->src_stride < d->c || d->dst_stride < d->c) return "a pixel stride is below the channels";
  if (d->activation != KOHL_ACTIVATION_NONE && d->activation != KOHL_ACTIVATION_RELU) return "an unknown activation";
  if (!(d->epsilon >= 0.0f)) return "epsilon is negative";
  if (!(d->momentum >= 0.0 && d->momentum <= 1.0)) return "the momentum is not in [0, 1]";
  return NULL;
}

static size_t rows_of(const kohl_batchnorm_train_desc *d) { return (size_t)d->n * (size_t)d->pixels; }

/* Doubles: two sums and the blocks'; floats: three coefficients. */
static size_t workspace(const kohl_batchnorm_train_desc *d, size_t doubles) {
  size_t c = (size_t)d->c;
  return (doubles * c + kohl_batchnorm_sums_scratch(rows_of(d), d->c)) * sizeof(double) + 3 * c * sizeof(float);
}

size_t kohl_batchnorm_train_fwd_workspace(const void *desc, size_t workers) {
  (void)workers;
  return workspace(desc, 2);
}

size_t kohl_batchnorm_train_dgrad_workspace(const void *desc, size_t workers) {
  (void)workers;
  return workspace(desc, 3);
}

static float blend(double momentum, float old, double batch) {
  return (float)(momentum * (double)old + (1.0 - momentum) * batch);
}

void kohl_batchnorm_train_fwd(const kohl_batchnorm_isa *isa, const kohl_kernel_code *normalise,
                              const kohl_batchnorm_train_desc *d, const kohl_args *args, kohl_threads *threads) {
  const float *gamma = args->in[BATCHNORM_TRAIN_GAMMA], *beta = args->in[BATCHNORM_TRAIN_BETA];
  float *saved_mean = args->out[BATCHNORM_TRAIN_SAVED], *inv_std = saved_mean + d->c;
  float *running_mean = args->out[BATCHNORM_TRAIN_RUNNING_MEAN];
  float *running_variance = args->out[BATCHNORM_TRAIN_RUNNING_VARIANCE];
  const size_t count = rows_of(d);
  double *mean = args->workspace, *squares = mean + d->c, *scratch = squares + d->c;
  float *scale = (float *)(scratch + kohl_batchnorm_sums_scratch(count, d->c)), *shift = scale + d->c;
  kohl_batchnorm_rows rows = {
      .src = args->in[BATCHNORM_TRAIN_SRC], .rows = count, .c = d->c, .src_stride = d->src_stride};
  if (!count) {
    for (int c = 0; c < d->c; c++) saved_mean[c] = inv_std[c] = 0.0f;
    return;
  }
  kohl_batchnorm_sum(isa, &rows, mean, scratch, threads);
  for (int c = 0; c < d->c; c++) mean[c] /= (double)count;
  kohl_batchnorm_squares(isa, &rows, mean, squares, scratch, threads);
  for (int c = 0; c < d->c; c++) {
    double variance = squares[c] / (double)count;
    double running = d->unbiased && count > 1 ? squares[c] / (double)(count - 1) : variance;
    saved_mean[c] = (float)mean[c];
    inv_std[c] = (float)(1.0 / sqrt(variance + (double)d->epsilon));
    if (running_mean) {
      running_mean[c] = blend(d->momentum, running_mean[c], mean[c]);
      running_variance[c] = blend(d->momentum, running_variance[c], running);
    }
    double factor = (gamma ? (double)gamma[c] : 1.0) * (double)inv_std[c];
    scale[c] = (float)factor;
    shift[c] = (float)((beta ? (double)beta[c] : 0.0) - (double)saved_mean[c] * factor);
  }
  kohl_batchnorm_desc fixed = {d->n, d->pixels, d->c, d->src_stride, d->dst_stride, d->activation};
  kohl_args with = {.in = {rows.src, scale, shift}, .out = {args->out[BATCHNORM_TRAIN_DST]}};
  normalise->run(&fixed, &with, threads);
}

typedef struct {
  const kohl_batchnorm_rows *rows;
  const float *mean;
  const kohl_batchnorm_train_coefficients *with;
  kohl_batchnorm_train_spread *spread;
  float *dsrc;
  size_t block, blocks;
  int dsrc_stride;
  bool stream;
} spread_state;

static void spread_unit(void *state, size_t index, size_t worker) {
  (void)worker;
  const spread_state *st = state;
  index = st->blocks - 1 - index; /* backwards, for what the sums have left in a cache */
  kohl_batchnorm_rows part = *st->rows;
  size_t first = index * st->block, left = part.rows - first;
  part.rows = left < st->block ? left : st->block;
  part.src += first * (size_t)part.src_stride;
  part.ddst += first * (size_t)part.dst_stride;
  if (part.dst) part.dst += first * (size_t)part.dst_stride;
  st->spread(&part, st->mean, st->with, st->dsrc + first * (size_t)st->dsrc_stride, st->dsrc_stride, st->stream);
}

void kohl_batchnorm_train_dgrad(const kohl_batchnorm_isa *isa, kohl_batchnorm_train_spread *spread,
                                const kohl_batchnorm_train_desc *d, const kohl_args *args, kohl_threads *threads) {
  const float *gamma = args->in[BATCHNORM_TRAIN_DGRAD_GAMMA], *saved_mean = args->in[BATCHNORM_TRAIN_DGRAD_SAVED];
  const float *inv_std = saved_mean + d->c;
  float *dgamma = args->out[BATCHNORM_TRAIN_DGRAD_DGAMMA], *dbeta = args->out[BATCHNORM_TRAIN_DGRAD_DBETA];
  const size_t count = rows_of(d), c_floats = (size_t)d->c;
  double *mean = args->workspace, *a = mean + d->c, *b = a + d->c, *scratch = b + d->c;
  float *floats = (float *)(scratch + kohl_batchnorm_sums_scratch(count, d->c));
  kohl_batchnorm_train_coefficients with = {floats, floats + c_floats, floats + 2 * c_floats};
  kohl_batchnorm_rows rows = {.src = args->in[BATCHNORM_TRAIN_DGRAD_SRC],
                              .dst = d->activation == KOHL_ACTIVATION_RELU ? args->in[BATCHNORM_TRAIN_DGRAD_DST] : NULL,
                              .ddst = args->in[BATCHNORM_TRAIN_DGRAD_DDST],
                              .rows = count,
                              .c = d->c,
                              .src_stride = d->src_stride,
                              .dst_stride = d->dst_stride};
  for (int c = 0; c < d->c; c++) mean[c] = (double)saved_mean[c];
  kohl_batchnorm_gradients(isa, &rows, mean, a, b, scratch, threads);
  for (int c = 0; c < d->c; c++) {
    double std = (double)inv_std[c], scale = (gamma ? (double)gamma[c] : 1.0) * std;
    dgamma[c] = (float)(b[c] * std);
    dbeta[c] = (float)a[c];
    with.scale[c] = (float)scale;
    with.a[c] = (float)(-scale * (std * std) * b[c] / (double)count);
    with.b[c] = (float)(-scale * a[c] / (double)count);
  }
  size_t block = c_floats < 8192 ? 8192 / c_floats : 1, blocks = (count + block - 1) / block;
  float *dsrc = args->out[BATCHNORM_TRAIN_DGRAD_DSRC];
  const bool stream = dsrc != rows.ddst && kohl_stream_pays(dsrc, (size_t)d->src_stride, (size_t)d->c, count * d->c);
  spread_state state = {&rows, saved_mean, &with, spread, dsrc, block, blocks, d->src_stride, stream};
  kohl_parallel(threads, spread_unit, &state, blocks);
}
