/* Bad kernels of class WINOGRAD: the reference with one thing spoilt, its packed filters, its source or its result. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv2d/wino_ref.h"
#include "tests/kernelcheck/bad_kernels.h"

static void *get(size_t bytes) {
  void *memory = calloc(1, bytes + 1);
  if (!memory) exit(4);
  return memory;
}

/* U again, with sqrt(2) / 3 and 1 / 6 as they are given. */
static void pack_with(const kohl_conv2d_desc *d, const float *wei, double root_third, double sixth, float *u) {
  const double g[6][3] = {{1.0, 0.0, 0.0},
                          {-2.0 / 3.0, -root_third, -1.0 / 3.0},
                          {-2.0 / 3.0, root_third, -1.0 / 3.0},
                          {sixth, root_third / 2.0, 1.0 / 3.0},
                          {sixth, -root_third / 2.0, 1.0 / 3.0},
                          {0.0, 0.0, 1.0}};
  const size_t c = (size_t)d->c;
  for (size_t i = 0; i < (size_t)d->k * 36 * c; i++) {
    const float *filter = wei + i / c / 36 * 9 * c + i % c;
    double sum = 0.0;
    for (size_t tap = 0; tap < 9; tap++) sum += g[i / c % 36 / 6][tap / 3] * g[i / c % 6][tap % 3] * filter[tap * c];
    u[i] = (float)sum;
  }
}

static void spoil_filters(const kohl_conv2d_desc *d, const float *wei, bad_mistake mistake, size_t positions,
                          float *u) {
  const size_t c = (size_t)d->c;
  if (mistake == BAD_conv2d_fwd_wino43_short_root) pack_with(d, wei, 1.4142 / 3.0, 1.0 / 6.0, u);
  if (mistake == BAD_conv2d_fwd_wino43_short_sixth) pack_with(d, wei, 0.47140452079103168, 0.1666, u);
  for (size_t i = 0; i < (size_t)d->k * positions * c; i++) {
    const size_t channel = i % c, position = i / c % positions;
    if (mistake == BAD_conv2d_fwd_wino43_dropped_chunk && channel >= 128) u[i] = 0.0f;
    if (mistake == BAD_conv2d_fwd_wino23_dropped_channel && channel + 1 == c) u[i] = 0.0f;
    if (mistake == BAD_conv2d_fwd_wino43_dropped_product && channel + 1 == c && position == 7) u[i] = 0.0f;
  }
}

/* Exchanges the first and the third chunk of channels of a tensor of whole pixels. */
static void exchange(float *data, size_t pixels, size_t stride) {
  float chunk[KOHL_WINO_CHUNK];
  for (; pixels > 0; pixels--, data += stride) {
    memcpy(chunk, data, sizeof chunk);
    memcpy(data, data + 2 * KOHL_WINO_CHUNK, sizeof chunk);
    memcpy(data + 2 * KOHL_WINO_CHUNK, chunk, sizeof chunk);
  }
}

static void spoil_result(const kohl_conv2d_desc *d, const kohl_args *args, bad_mistake mistake) {
  const float *src = args->in[CONV2D_SRC];
  const int pool = d->pool ? 2 : 1, columns = d->q / pool;
  float all = 0.0f;
  for (size_t i = 0; i < (size_t)d->n * d->h * d->w * d->c; i++)
    all += 0.0f * src[i / (size_t)d->c * (size_t)d->src_stride + i % (size_t)d->c];
  for (size_t i = 0; i < (size_t)d->n * (d->p / pool) * columns; i++) {
    float *dst = (float *)args->out[CONV2D_DST] + i * (size_t)d->dst_stride[0];
    const bool border = d->q % 4 && columns > 1 && i % (size_t)columns + 1 == (size_t)columns;
    for (int k = 0; k < d->k; k++) {
      if (mistake == BAD_conv2d_fwd_wino43_border && border) dst[k] = dst[k - d->dst_stride[0]];
      if (mistake == BAD_conv2d_fwd_wino43_swallowed_nan) dst[k] = fmaxf(dst[k], d->activation ? 0.0f : -INFINITY);
      if (mistake == BAD_conv2d_fwd_wino43_spread_nan) dst[k] += all;
    }
  }
}

static void forward(const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  const bool small = mistake == BAD_conv2d_fwd_wino23_dropped_channel;
  const bool exchanged = mistake == BAD_conv2d_fwd_wino43_chunk_order && d->c >= 3 * KOHL_WINO_CHUNK;
  const int m = small ? 2 : 4;
  const size_t workers = kohl_threads_count(threads), stride = (size_t)d->src_stride;
  const size_t floats = d->n ? ((size_t)d->n * d->h * d->w - 1) * stride + (size_t)d->c : 0;
  float *u = get(kohl_wino_ref_packed_size(m, d)), *src = get(floats * sizeof *src);
  kohl_args call = *args;
  call.workspace = get(kohl_wino_ref_workspace_size(m, d, workers));
  kohl_wino_ref_pack(m, d, args->in[CONV2D_WEI], u);
  spoil_filters(d, args->in[CONV2D_WEI], mistake, small ? 16 : 36, u);
  memcpy(src, args->in[CONV2D_SRC], floats * sizeof *src);
  if (exchanged) {
    exchange(u, (size_t)d->k * 36, (size_t)d->c);
    exchange(src, (size_t)d->n * d->h * d->w, stride);
  }
  call.in[CONV2D_WEI] = u;
  call.in[CONV2D_SRC] = src;
  kohl_wino_ref_run(m, d, &call, threads);
  spoil_result(d, args, mistake);
  free(call.workspace);
  free(u);
  free(src);
}

/* The last row of ddst counts as padding. */
static void gradient(const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads) {
  kohl_conv2d_desc conv = kohl_wino_dgrad(d);
  kohl_args call = *args;
  float *u = get(kohl_wino_ref_dgrad_packed_size(4, d));
  call.workspace = get(kohl_wino_ref_dgrad_workspace_size(4, d, kohl_threads_count(threads)));
  kohl_wino_ref_dgrad_pack(4, d, args->in[CONV2D_DGRAD_WEI], u);
  call.in[CONV2D_WEI] = u;
  call.in[CONV2D_SRC] = args->in[CONV2D_DGRAD_DDST];
  conv.h -= conv.n == 1 && conv.h > 1;
  kohl_wino_ref_run(4, &conv, &call, threads);
  free(call.workspace);
  free(u);
}

/* A copy of pixels whose first two pictures are exchanged. */
static float *pictures(const float *from, size_t n, size_t pixels, size_t stride, int channels) {
  const size_t picture = pixels * stride;
  float *to = get(n * picture * sizeof *to);
  for (size_t i = 0; i < n; i++) {
    const size_t source = n > 1 && i < 2 ? 1 - i : i, last = (pixels - 1) * stride + (size_t)channels;
    memcpy(to + i * picture, from + source * picture, last * sizeof *to);
  }
  return to;
}

static void weights(const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  extern const kohl_kernel_code kohl_conv2d_wgrad_wino43_ref;
  const kohl_kernel_code *code = &kohl_conv2d_wgrad_wino43_ref;
  kohl_conv2d_desc less = *d;
  kohl_args call = *args;
  float *src = pictures(args->in[CONV2D_WGRAD_SRC], (size_t)d->n, (size_t)d->h * d->w, (size_t)d->src_stride, d->c);
  float *ddst =
      pictures(args->in[CONV2D_WGRAD_DDST], (size_t)d->n, (size_t)d->p * d->q, (size_t)d->dst_stride[0], d->k);
  call.workspace = get(code->workspace_size(d, kohl_threads_count(threads)));
  if (mistake == BAD_conv2d_wgrad_wino43_picture_order) {
    call.in[CONV2D_WGRAD_SRC] = src;
    call.in[CONV2D_WGRAD_DDST] = ddst;
  } else if (d->n == 1 && d->p > 1) {
    less.p--;
  }
  code->run(&less, &call, threads);
  free(call.workspace);
  free(src);
  free(ddst);
}

bool bad_winograd(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  switch (mistake) {
    case BAD_conv2d_dgrad_wino43_border: gradient(desc, args, threads); return true;
    case BAD_conv2d_wgrad_wino43_last_row:
    case BAD_conv2d_wgrad_wino43_picture_order: weights(desc, args, threads, mistake); return true;
    case BAD_conv2d_fwd_wino43_short_root:
    case BAD_conv2d_fwd_wino43_short_sixth:
    case BAD_conv2d_fwd_wino43_dropped_chunk:
    case BAD_conv2d_fwd_wino43_dropped_product:
    case BAD_conv2d_fwd_wino43_border:
    case BAD_conv2d_fwd_wino43_chunk_order:
    case BAD_conv2d_fwd_wino43_swallowed_nan:
    case BAD_conv2d_fwd_wino43_spread_nan:
    case BAD_conv2d_fwd_wino23_dropped_channel: forward(desc, args, threads, mistake); return true;
    default: return false;
  }
}
