/* Deliberately bad kernels: strict C like ref, each with the one mistake that bad_kernels.def states. */
#include "tests/kernelcheck/bad_kernels.h"

#include <math.h>
#include <string.h>

#include "kernels/conv2d/conv2d.h"
#include "kernels/dense/dense.h"
#include "kernels/core/math.h"
#include "kernels/pool/pool.h"
#include "kernels/softmax/softmax.h"
#include "tests/kernelcheck/instance.h"

typedef struct bad_state {
  const kohl_conv2d_desc *d;
  const kohl_args *args;
  bad_mistake mistake;
  bool reversed; /* channels descending */
} bad_state;

/* The chain of one output, as conv2d/fwd_ref.c has it but for the mistakes. */
static float chain(const bad_state *st, int n, int p, int q, int k) {
  const kohl_conv2d_desc *d = st->d;
  int c_group = d->c / d->groups, c0 = k / (d->k / d->groups) * c_group, count = c_group;
  const float *src = st->args->in[CONV2D_SRC], *filter = st->args->in[CONV2D_WEI];
  filter += (size_t)k * d->r * d->s * c_group;
  if (st->mistake == BAD_conv2d_fwd_dropped_tail && c_group > 8) count -= c_group % 8;
  if (st->mistake == BAD_conv2d_fwd_wrong_tile && q == 14) q = 13;
  int rows = st->mistake == BAD_conv2d_fwd_border ? d->h - 1 : d->h;
  float acc = 0.0f;
  for (int r = 0; r < d->r; r++) {
    int y = p * d->stride_h - d->pad_top + r * d->dilation_h;
    for (int s = 0; s < d->s; s++, filter += c_group) {
      int x = q * d->stride_w - d->pad_left + s * d->dilation_w;
      bool inside = y >= 0 && y < rows && x >= 0 && x < d->w;
      if (st->mistake == BAD_conv2d_fwd_skipped_zero && !inside) continue;
      const float *pixel = inside ? src + (((size_t)n * d->h + y) * d->w + x) * d->src_stride + c0 : NULL;
      bool last = r + 1 == d->r && s + 1 == d->s && d->r * d->s * c_group > 2896;
      if (st->mistake == BAD_conv2d_fwd_dropped_product || st->mistake == BAD_conv2d_fwd_lost_product)
        count = c_group - last;
      for (int i = 0; i < count; i++) {
        int c = st->reversed ? count - 1 - i : i;
        float value = pixel ? pixel[c] : 0.0f;
        acc = st->mistake == BAD_conv2d_fwd_unfused ? acc + value * filter[c] : fmaf(value, filter[c], acc);
      }
    }
  }
  return acc;
}

static float finish(const bad_state *st, float v, size_t pixel, int k) {
  const kohl_conv2d_desc *d = st->d;
  const float *bia = st->args->in[CONV2D_BIA], *add = st->args->in[CONV2D_ADD];
  if (d->bias && !(st->mistake == BAD_conv2d_fwd_missing_bias && k + 1 == d->k)) v += bia[k];
  if (d->add) v += add[pixel * d->add_stride + k];
  if (st->mistake == BAD_conv2d_fwd_dirty_workspace) v += 0.0f * *(const float *)st->args->workspace;
  if (st->mistake == BAD_conv2d_fwd_swallowed_nan && d->activation == KOHL_ACTIVATION_RELU) return fmaxf(v, 0.0f);
  return kohl_activate(v, d->activation);
}

static void pixel(void *state, size_t index, size_t worker) {
  (void)worker;
  const bad_state *st = state;
  const kohl_conv2d_desc *d = st->d;
  int n = (int)(index / d->q / d->p), p = (int)(index / d->q % d->p), q = (int)(index % d->q);
  for (int i = 0, k = 0; i < d->dsts; i++) {
    float *dst = (float *)st->args->out[CONV2D_DST + i] + index * d->dst_stride[i];
    for (int j = 0; j < d->dst_k[i]; j++, k++) {
      if (st->mistake == BAD_conv2d_fwd_unwritten && k + 1 == d->k && k) continue;
      dst[j] = finish(st, chain(st, n, p, q, k), index, k);
    }
    bool last = index + 1 == (size_t)d->n * d->p * d->q;
    if (st->mistake == BAD_conv2d_fwd_in_gap && !last && d->dst_stride[i] > d->dst_k[i]) dst[d->dst_k[i]] = 0.0f;
    if (st->mistake == BAD_conv2d_fwd_beyond_end && last) memset(dst + d->dst_k[i], 0, 16 * sizeof *dst);
    if (st->mistake == BAD_conv2d_fwd_before_start && index == 0) dst[-1] = 0.0f;
  }
}

static const char *conv2d_accepts(const void *desc) { return kohl_conv2d_check(desc); }

static size_t conv2d_workspace(const void *desc, size_t workers, bad_mistake mistake) {
  const kohl_conv2d_desc *d = desc;
  return 64 * workers * (mistake == BAD_conv2d_fwd_shrinking_workspace && d->n < 3 ? 2 : 1);
}

static void conv2d_fwd_run(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  bad_state st = {desc, args, mistake, false};
  if (bad_winograd(desc, args, threads, mistake)) return;
  size_t workers = kohl_threads_count(threads);
  st.reversed = mistake == BAD_conv2d_fwd_other_order || (mistake == BAD_conv2d_fwd_thread_order && workers > 1);
  if (mistake == BAD_conv2d_fwd_writes_input && st.d->n > 0) {
    void *src;
    memcpy(&src, &args->in[CONV2D_SRC], sizeof src);
    memset(src, 0, sizeof(float));
  }
  if (mistake == BAD_conv2d_fwd_beyond_workspace) ((unsigned char *)args->workspace)[64 * workers] ^= 1;
  kohl_parallel(threads, pixel, &st, (size_t)st.d->n * st.d->p * st.d->q);
}

/* As conv2d/dgrad_ref.c has it but for the mistake. */
static float dgrad_chain(const kohl_conv2d_desc *d, const kohl_args *args, size_t pixel, int c, int p_count) {
  const float *ddst = args->in[CONV2D_DGRAD_DDST], *wei = args->in[CONV2D_DGRAD_WEI];
  const int c_group = d->c / d->groups, k_group = d->k / d->groups, k0 = c / c_group * k_group;
  const int x = (int)(pixel % d->w), y = (int)(pixel / d->w % d->h), n = (int)(pixel / d->w / d->h);
  float acc = 0.0f;
  for (int tap = d->r * d->s - 1; tap >= 0; tap--) {
    int down = y + d->pad_top - tap / d->s * d->dilation_h, across = x + d->pad_left - tap % d->s * d->dilation_w;
    if (down % d->stride_h || across % d->stride_w) continue;
    int p = down / d->stride_h, q = across / d->stride_w;
    bool inside = p >= 0 && p < p_count && q >= 0 && q < d->q;
    const float *from = inside ? ddst + (((size_t)n * d->p + p) * d->q + q) * d->dst_stride[0] : NULL;
    for (int k = k0; k < k0 + k_group; k++) {
      acc = fmaf(from ? from[k] : 0.0f, wei[((size_t)k * d->r * d->s + tap) * c_group + c % c_group], acc);
    }
  }
  return acc;
}

static void conv2d_dgrad_run(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  const kohl_conv2d_desc *d = desc;
  float *dsrc = args->out[CONV2D_DGRAD_DSRC];
  const int p_count = mistake == BAD_conv2d_dgrad_border ? d->p - 1 : d->p;
  if (bad_winograd(desc, args, threads, mistake)) return;
  for (size_t pixel = 0; pixel < (size_t)d->n * d->h * d->w; pixel++, dsrc += d->src_stride) {
    for (int c = 0; c < d->c; c++) dsrc[c] = dgrad_chain(d, args, pixel, c, p_count);
  }
}

/* One chain without blocks, which is right for integers. */
static float wgrad_chain(const kohl_conv2d_desc *d, const kohl_args *args, int k, int i, size_t pixels) {
  const int c_group = d->c / d->groups, r = i / c_group / d->s, s = i / c_group % d->s;
  const float *ddst = (const float *)args->in[CONV2D_WGRAD_DDST] + k, *src = args->in[CONV2D_WGRAD_SRC];
  float acc = 0.0f;
  src += k / (d->k / d->groups) * c_group + i % c_group;
  for (size_t pixel = 0; pixel < pixels; pixel++, ddst += d->dst_stride[0]) {
    int y = (int)(pixel / d->q % d->p) * d->stride_h - d->pad_top + r * d->dilation_h;
    int x = (int)(pixel % d->q) * d->stride_w - d->pad_left + s * d->dilation_w;
    bool inside = y >= 0 && y < d->h && x >= 0 && x < d->w;
    acc = fmaf(*ddst, inside ? src[((pixel / d->q / d->p * d->h + y) * d->w + x) * d->src_stride] : 0.0f, acc);
  }
  return acc;
}

static void conv2d_wgrad_run(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  const kohl_conv2d_desc *d = desc;
  const int filter = d->r * d->s * (d->c / d->groups);
  const float *ddst = args->in[CONV2D_WGRAD_DDST];
  float *dwei = args->out[CONV2D_WGRAD_DWEI], *dbia = args->out[CONV2D_WGRAD_DBIA];
  if (bad_winograd(desc, args, threads, mistake)) return;
  size_t pixels = (size_t)d->n * d->p * d->q, dropped = mistake == BAD_conv2d_wgrad_last_pixel && pixels > 1;
  (void)threads;
  for (int k = 0; k < d->k; k++) {
    for (int i = 0; i < filter; i++) *dwei++ = wgrad_chain(d, args, k, i, pixels - dropped);
    if (d->bias) dbia[k] = 0.0f;
    for (size_t i = 0; d->bias && i < pixels; i++) dbia[k] += ddst[i * d->dst_stride[0] + k];
  }
}

static const char *pool_accepts(const void *desc) { return kohl_pool_check(desc); }
static size_t no_workspace(const void *desc, size_t workers, bad_mistake mistake) {
  return (void)desc, (void)workers, (void)mistake, (size_t)0;
}
#define pool_workspace no_workspace

static void pool_reduce(const kohl_pool_cells *cells, int c, float *dst) {
  kohl_pool_cells more = *cells;
  more.divisor += 1.0f;
  kohl_pool_reduce_ref(&more, c, dst);
}

static void pool_fwd_run(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  if (mistake == BAD_pool_fwd_divisor) kohl_pool_run(desc, args, threads, pool_reduce);
}

static const char *softmax_accepts(const void *desc) { return kohl_softmax_check(desc); }
#define softmax_workspace no_workspace

static void softmax_fwd_run(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  const kohl_softmax_desc *d = desc;
  (void)threads;
  for (size_t i = 0; i < (size_t)d->n * d->pixels; i++) {
    const float *src = (const float *)args->in[SOFTMAX_SRC] + i * d->src_stride;
    float *dst = (float *)args->out[SOFTMAX_DST] + i * d->dst_stride, max, sum;
    kohl_softmax_pixel(src, d->c, dst, &max, &sum);
    if (mistake != BAD_softmax_fwd_reads_again) continue;
    for (int c = 0; c < d->c; c++) dst[c] = kohl_expf(src[c] - max) / sum;
  }
}

static const char *dense_accepts(const void *desc) { return kohl_dense_check(desc); }
#define dense_workspace no_workspace

/* x with that many significant bits, the others cut off. */
static float cut(float x, unsigned bits) {
  uint32_t word;
  memcpy(&word, &x, sizeof word);
  word &= ~0u << (24 - bits);
  memcpy(&x, &word, sizeof x);
  return x;
}

static void dense_fwd_run(const void *desc, const kohl_args *args, kohl_threads *threads, bad_mistake mistake) {
  const kohl_dense_desc *d = desc;
  const float *src = args->in[DENSE_SRC], *wei = args->in[DENSE_WEI], *bia = args->in[DENSE_BIA];
  float *dst = args->out[DENSE_DST];
  int count = mistake == BAD_dense_fwd_last_input ? d->c - 1 : d->c;
  unsigned bits = mistake == BAD_dense_fwd_tf32 ? 11 : mistake == BAD_dense_fwd_nine_bits ? 9 : 24;
  (void)threads;
  for (size_t n = 0; n < (size_t)d->n; n++) {
    for (size_t k = 0; k < (size_t)d->k; k++) {
      float acc = 0.0f;
      for (int c = 0; c < count; c++)
        acc = fmaf(cut(src[n * d->src_stride + c], bits), cut(wei[k * d->c + c], bits), acc);
      dst[n * d->dst_stride + k] = kohl_activate(d->bias ? acc + bia[k] : acc, d->activation);
    }
  }
}

/* One kohl_kernel_code and its run for each line of the list. */
#define BAD(op, direction, id, check, idea)                                                                   \
  static void run_##op##_##direction##_##id(const void *desc, const kohl_args *args, kohl_threads *threads) { \
    op##_##direction##_run(desc, args, threads, BAD_##op##_##direction##_##id);                               \
  }                                                                                                           \
  static size_t workspace_##op##_##direction##_##id(const void *desc, size_t workers) {                       \
    return op##_workspace(desc, workers, BAD_##op##_##direction##_##id);                                      \
  }                                                                                                           \
  static const kohl_kernel_code code_##op##_##direction##_##id = {                                            \
      op##_accepts, NULL, NULL, workspace_##op##_##direction##_##id, run_##op##_##direction##_##id};
#include "tests/kernelcheck/bad_kernels.def"
#undef BAD

const bad_kernel bad_kernels[] = {
#define BAD(...) BAD_OF(CHAIN, __VA_ARGS__)
#define BAD_OF(accuracy, op, direction, id, check, idea)                                                           \
  {{#op, #id, KOHL_DIRECTION_##direction, KOHL_F32, KOHL_CAP_NONE, KOHL_KIND_STEP, KOHL_ACCURACY_##accuracy, idea, \
    &code_##op##_##direction##_##id, NULL},                                                                        \
   CHECK_##check},
#include "tests/kernelcheck/bad_kernels.def"
#undef BAD
};
const size_t bad_kernel_count = sizeof bad_kernels / sizeof *bad_kernels;
