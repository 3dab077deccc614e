/* resize forward, the reference: each output byte is its sum.  Read this one first. */
#include <string.h>

#include "kernels/resize/resize.h"

static const char *accepts(const void *desc) { return kohl_resize_check(desc); }

typedef struct {
  const kohl_resize_desc *d;
  const uint8_t *src;
  uint8_t *dst;
  kohl_resize_plan plan;
  uint8_t *middle;
} job;

/* The sum of count bytes, `step` apart, times their weights, rounded to a byte. */
static uint8_t sum(const uint8_t *src, size_t step, const int32_t *weight, int count) {
  int32_t acc = 1 << (KOHL_RESIZE_BITS - 1);
  for (int t = 0; t < count; t++) acc += src[(size_t)t * step] * weight[t];
  acc >>= KOHL_RESIZE_BITS;
  return (uint8_t)(acc < 0 ? 0 : acc > 255 ? 255 : acc);
}

/* First pass: one source row to q pixels. */
static void row_across(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_resize_desc *d = j->d;
  const kohl_resize_axis *axis = &j->plan.across;
  size_t rows = (size_t)j->plan.rows, c = (size_t)d->c, n = index / rows, y = index % rows + (size_t)j->plan.first_row;
  const uint8_t *src = j->src + (n * (size_t)d->h + y) * (size_t)d->src_row;
  size_t row = n * (size_t)j->plan.strips * KOHL_RESIZE_STRIP + index % rows;
  uint8_t *dst = j->middle + row * j->plan.middle_row;
  if (axis->copy) {
    memcpy(dst, src + (size_t)d->left * c, (size_t)d->q * c);
    return;
  }
  for (int x = 0; x < d->q; x++) {
    const uint8_t *first = src + (size_t)axis->from[x] * c;
    const int32_t *weight = axis->weight + (size_t)x * (size_t)axis->taps;
    for (size_t channel = 0; channel < c; channel++) *dst++ = sum(first + channel, c, weight, axis->count[x]);
  }
}

/* Second pass: one output row out of the rows of the middle. */
static void row_down(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_resize_desc *d = j->d;
  const kohl_resize_axis *axis = &j->plan.down;
  size_t p = (size_t)d->p, n = index / p, y = index % p, bytes = (size_t)d->q * (size_t)d->c;
  size_t row = n * (size_t)j->plan.strips * KOHL_RESIZE_STRIP + (size_t)(axis->from[y] - j->plan.first_row);
  const uint8_t *first = j->middle + row * j->plan.middle_row;
  uint8_t *dst = j->dst + index * (size_t)d->dst_row;
  if (axis->copy) {
    memcpy(dst, first, bytes);
    return;
  }
  const int32_t *weight = axis->weight + y * (size_t)axis->taps;
  for (size_t x = 0; x < bytes; x++) dst[x] = sum(first + x, j->plan.middle_row, weight, axis->count[y]);
}

static void row_nearest(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_resize_desc *d = j->d;
  size_t p = (size_t)d->p, n = index / p, c = (size_t)d->c, y = (size_t)j->plan.down.from[index % p];
  const uint8_t *src = j->src + (n * (size_t)d->h + y) * (size_t)d->src_row;
  uint8_t *dst = j->dst + index * (size_t)d->dst_row;
  for (int x = 0; x < d->q; x++) {
    const uint8_t *pixel = src + (size_t)j->plan.across.from[x] * c;
    for (size_t channel = 0; channel < c; channel++) *dst++ = pixel[channel];
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  job j = {desc, args->in[RESIZE_SRC], args->out[RESIZE_DST], kohl_resize_plan_of(desc, args->in[RESIZE_WEI]),
           args->workspace};
  size_t n = (size_t)j.d->n;
  if (j.d->filter == KOHL_FILTER_NEAREST) {
    kohl_parallel(threads, row_nearest, &j, n * (size_t)j.d->p);
    return;
  }
  kohl_parallel(threads, row_across, &j, n * (size_t)j.plan.rows);
  kohl_parallel(threads, row_down, &j, n * (size_t)j.d->p);
}

const kohl_kernel_code kohl_resize_fwd_ref = {accepts, kohl_resize_tables_size, kohl_resize_tables_pack,
                                              kohl_resize_workspace, run};
