/* conv2d forward, the reference: strict C, one output after the other.  Read this one first. */
#include <math.h>

#include "kernels/conv2d/conv2d.h"

static const char *accepts(const void *desc) {
  const kohl_conv2d_desc *d = desc;
  return d->pool ? "no fused pool" : kohl_conv2d_check(d);
}

/* The chain of one output: picture n, pixel (p, q), filter k. */
static float chain(const kohl_conv2d_desc *d, const float *src, const float *wei, int n, int p, int q, int k) {
  int c_group = d->c / d->groups, c0 = k / (d->k / d->groups) * c_group;
  const float *filter = wei + (size_t)k * d->r * d->s * c_group;
  float acc = 0.0f;
  for (int r = 0; r < d->r; r++) {
    int y = p * d->stride_h - d->pad_top + r * d->dilation_h;
    for (int s = 0; s < d->s; s++, filter += c_group) {
      int x = q * d->stride_w - d->pad_left + s * d->dilation_w;
      bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
      const float *pixel = inside ? src + (((size_t)n * d->h + y) * d->w + x) * d->src_stride + c0 : NULL;
      for (int c = 0; c < c_group; c++) acc = fmaf(pixel ? pixel[c] : 0.0f, filter[c], acc);
    }
  }
  return acc;
}

typedef struct {
  const kohl_conv2d_desc *d;
  const kohl_args *args;
} row_state;

/* One output row (n, p), all its pixels and filters. */
static void row(void *state, size_t index, size_t worker) {
  (void)worker;
  const row_state *st = state;
  const kohl_conv2d_desc *d = st->d;
  const float *bia = st->args->in[CONV2D_BIA], *add = st->args->in[CONV2D_ADD];
  int n = (int)(index / d->p), p = (int)(index % d->p);
  for (int q = 0; q < d->q; q++) {
    size_t pixel = index * d->q + q;
    for (int i = 0, k = 0; i < d->dsts; i++) {
      float *dst = (float *)st->args->out[CONV2D_DST + i] + pixel * d->dst_stride[i];
      for (int j = 0; j < d->dst_k[i]; j++, k++) {
        float v = chain(d, st->args->in[CONV2D_SRC], st->args->in[CONV2D_WEI], n, p, q, k);
        if (d->bias) v += bia[k];
        if (d->add) v += add[pixel * d->add_stride + k];
        dst[j] = kohl_activate(v, d->activation);
      }
    }
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  row_state state = {desc, args};
  kohl_parallel(threads, row, &state, (size_t)state.d->n * state.d->p);
}

const kohl_kernel_code kohl_conv2d_fwd_ref = {accepts, NULL, NULL, NULL, run};
