/* add forward, the reference: strict C. */
#include "kernels/add/add.h"

static const char *accepts(const void *desc) { return kohl_add_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_add_desc *d = desc;
  const float *a = (const float *)args->in[ADD_A] + first * d->a_stride;
  const float *b = (const float *)args->in[ADD_B] + first * d->b_stride;
  float *dst = (float *)args->out[ADD_DST] + first * d->dst_stride;
  for (; count; count--, a += d->a_stride, b += d->b_stride, dst += d->dst_stride) {
    for (int c = 0; c < d->c; c++) dst[c] = kohl_activate(a[c] + b[c], d->activation);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_add_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_add_fwd_ref = {accepts, NULL, NULL, NULL, run};
