/* conv2d weight gradient, the reference: strict C, one output after the other. */
#include <math.h>

#include "kernels/conv2d/wgrad_ref.h"

typedef struct {
  const kohl_conv2d_desc *d;
  const kohl_args *args;
} filter_state;

/* What weight (k, r, s, c) gets from output rows row to stop - 1, counted through the batch. */
static float block_sum(const filter_state *st, int k, int r, int s, int c, size_t row, size_t stop) {
  const kohl_conv2d_desc *d = st->d;
  const float *src = (const float *)st->args->in[CONV2D_WGRAD_SRC] + k / (d->k / d->groups) * (d->c / d->groups) + c;
  const float *ddst = (const float *)st->args->in[CONV2D_WGRAD_DDST] + row * d->q * d->dst_stride[0] + k;
  float acc = 0.0f;
  for (; row < stop; row++) {
    int y = (int)(row % d->p) * d->stride_h - d->pad_top + r * d->dilation_h;
    for (int q = 0; q < d->q; q++, ddst += d->dst_stride[0]) {
      int x = q * d->stride_w - d->pad_left + s * d->dilation_w;
      bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
      acc = fmaf(*ddst, inside ? src[((row / d->p * d->h + y) * d->w + x) * d->src_stride] : 0.0f, acc);
    }
  }
  return acc;
}

float kohl_conv2d_wgrad_ref_bias(const kohl_conv2d_desc *d, const kohl_args *args, size_t k) {
  const size_t rows = (size_t)d->n * d->p, block = (size_t)kohl_conv2d_block_rows(d);
  const float *ddst = (const float *)args->in[CONV2D_WGRAD_DDST] + k;
  float total = 0.0f;
  for (size_t row = 0; row < rows; row += block) {
    const size_t stop = rows - row < block ? rows : row + block;
    float acc = 0.0f;
    for (size_t i = row * d->q; i < stop * d->q; i++) acc += ddst[i * d->dst_stride[0]];
    total = row ? total + acc : acc;
  }
  return total;
}

/* All weights and the bias of filter k. */
static void filter(void *state, size_t k, size_t worker) {
  (void)worker;
  const filter_state *st = state;
  const kohl_conv2d_desc *d = st->d;
  const size_t rows = (size_t)d->n * d->p, block = (size_t)kohl_conv2d_block_rows(d);
  const int c_group = d->c / d->groups;
  float *dwei = (float *)st->args->out[CONV2D_WGRAD_DWEI] + k * d->r * d->s * c_group;
  for (int i = 0; i < d->r * d->s * c_group; i++) {
    float total = 0.0f;
    for (size_t row = 0; row < rows; row += block) {
      size_t stop = rows - row < block ? rows : row + block;
      float sum = block_sum(st, (int)k, i / c_group / d->s, i / c_group % d->s, i % c_group, row, stop);
      total = row ? total + sum : sum;
    }
    dwei[i] = total;
  }
  if (d->bias) ((float *)st->args->out[CONV2D_WGRAD_DBIA])[k] = kohl_conv2d_wgrad_ref_bias(d, st->args, k);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  filter_state state = {desc, args};
  kohl_parallel(threads, filter, &state, (size_t)state.d->k);
}

const kohl_kernel_code kohl_conv2d_wgrad_ref = {kohl_conv2d_gradient_check, NULL, NULL, NULL, run};
