/* lrn gradient, the reference: strict C.  Powers and quotients of a pixel's channels are worked out once and kept in
 * the workspace: 2c floats per worker. */
#include "kernels/core/math.h"
#include "kernels/lrn/lrn.h"

static const char *accepts(const void *desc) { return kohl_lrn_check(desc); }

static size_t workspace_size(const void *desc, size_t workers) {
  const kohl_lrn_desc *d = desc;
  return 2 * workers * (size_t)d->c * sizeof(float);
}

typedef struct {
  const kohl_lrn_desc *d;
  const kohl_args *args;
  size_t pixels, block;
} block_state;

static void window(const kohl_lrn_desc *d, int c, int *first, int *last) {
  int half = d->size / 2;
  *first = c > half ? c - half : 0;
  *last = d->c - 1 - c > half ? c + half : d->c - 1;
}

static void pixel(const kohl_lrn_desc *d, const float *src, const float *ddst, float *power, float *quotient,
                  float *dsrc) {
  const float factor = 2.0f * d->alpha * d->beta;
  int first, last;
  for (int c = 0; c < d->c; c++) {
    float sum = 0.0f;
    window(d, c, &first, &last);
    for (int j = first; j <= last; j++) sum = fmaf(src[j], src[j], sum);
    float base = fmaf(d->alpha, sum, d->bias);
    power[c] = kohl_powf(base, -d->beta);
    quotient[c] = ddst[c] * src[c] * power[c] / base;
  }
  for (int c = 0; c < d->c; c++) {
    float sum = 0.0f;
    window(d, c, &first, &last);
    for (int j = first; j <= last; j++) sum += quotient[j];
    dsrc[c] = fmaf(-(factor * src[c]), sum, ddst[c] * power[c]);
  }
}

static void block(void *state, size_t index, size_t worker) {
  const block_state *st = state;
  const kohl_lrn_desc *d = st->d;
  size_t first = index * st->block, end = first + st->block < st->pixels ? first + st->block : st->pixels;
  const float *src = st->args->in[LRN_DGRAD_SRC], *ddst = st->args->in[LRN_DGRAD_DDST];
  float *dsrc = st->args->out[LRN_DGRAD_DSRC], *power = (float *)st->args->workspace + 2 * worker * (size_t)d->c;
  for (size_t i = first; i < end; i++) {
    pixel(d, src + i * d->src_stride, ddst + i * d->dst_stride, power, power + d->c, dsrc + i * d->src_stride);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_lrn_desc *d = desc;
  block_state state = {d, args, (size_t)d->n * d->pixels, d->c < 2048 ? 2048 / (size_t)d->c : 1};
  kohl_parallel(threads, block, &state, (state.pixels + state.block - 1) / state.block);
}

const kohl_kernel_code kohl_lrn_dgrad_ref = {accepts, NULL, NULL, workspace_size, run};
