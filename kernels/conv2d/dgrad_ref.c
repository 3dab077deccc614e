/* conv2d input gradient, the reference: strict C, one output after the other. */
#include <math.h>

#include "kernels/conv2d/conv2d.h"

/* The chain of one channel of one input pixel. */
static float chain(const kohl_conv2d_desc *d, const float *ddst, const float *wei, int n, int y, int x, int c) {
  const int c_group = d->c / d->groups, k_group = d->k / d->groups, k0 = c / c_group * k_group;
  float acc = 0.0f;
  for (int r = d->r - 1; r >= 0; r--) {
    const int down = y + d->pad_top - r * d->dilation_h, p = down / d->stride_h;
    if (down % d->stride_h) continue;
    for (int s = d->s - 1; s >= 0; s--) {
      const int across = x + d->pad_left - s * d->dilation_w, q = across / d->stride_w;
      if (across % d->stride_w) continue;
      bool inside = p >= 0 && p < d->p && q >= 0 && q < d->q;
      const float *pixel = inside ? ddst + (((size_t)n * d->p + p) * d->q + q) * d->dst_stride[0] : NULL;
      for (int k = k0; k < k0 + k_group; k++) {
        acc = fmaf(pixel ? pixel[k] : 0.0f, wei[(((size_t)k * d->r + r) * d->s + s) * c_group + c % c_group], acc);
      }
    }
  }
  return acc;
}

typedef struct {
  const kohl_conv2d_desc *d;
  const kohl_args *args;
} row_state;

/* One row (n, y) of dsrc. */
static void row(void *state, size_t index, size_t worker) {
  (void)worker;
  const row_state *st = state;
  const kohl_conv2d_desc *d = st->d;
  const float *ddst = st->args->in[CONV2D_DGRAD_DDST], *wei = st->args->in[CONV2D_DGRAD_WEI];
  float *dsrc = (float *)st->args->out[CONV2D_DGRAD_DSRC] + index * d->w * d->src_stride;
  for (int x = 0; x < d->w; x++, dsrc += d->src_stride) {
    for (int c = 0; c < d->c; c++) dsrc[c] = chain(d, ddst, wei, (int)(index / d->h), (int)(index % d->h), x, c);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  row_state state = {desc, args};
  kohl_parallel(threads, row, &state, (size_t)state.d->n * state.d->h);
}

const kohl_kernel_code kohl_conv2d_dgrad_ref = {kohl_conv2d_gradient_check, NULL, NULL, NULL, run};
