/* concat gradient, the reference: the slice is copied out again. */
#include <string.h>

#include "kernels/concat/concat.h"

static const char *accepts(const void *desc) { return kohl_concat_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_concat_desc *d = desc;
  const float *ddst = (const float *)args->in[CONCAT_DGRAD_DDST] + first * d->dst_stride;
  float *dsrc = (float *)args->out[CONCAT_DGRAD_DSRC] + first * d->src_stride;
  for (; count; count--, ddst += d->dst_stride, dsrc += d->src_stride) memcpy(dsrc, ddst, (size_t)d->c * sizeof *dsrc);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_concat_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_concat_dgrad_ref = {accepts, NULL, NULL, NULL, run};
