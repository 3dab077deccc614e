/* concat forward, the reference. */
#include <string.h>

#include "kernels/concat/concat.h"

static const char *accepts(const void *desc) { return kohl_concat_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_concat_desc *d = desc;
  const float *src = (const float *)args->in[CONCAT_SRC] + first * d->src_stride;
  float *dst = (float *)args->out[CONCAT_DST] + first * d->dst_stride;
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) memcpy(dst, src, (size_t)d->c * sizeof *dst);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_concat_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_concat_fwd_ref = {accepts, NULL, NULL, NULL, run};
