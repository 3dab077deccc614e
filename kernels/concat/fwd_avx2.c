/* concat forward with AVX2: large outputs go past the caches. */
#include "kernels/core/lanes_avx2.h"

#include "kernels/concat/copy.inc"

static const char *accepts(const void *desc) { return kohl_concat_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_concat_desc *d = desc;
  copy(d, args->in[CONCAT_SRC], (size_t)d->src_stride, args->out[CONCAT_DST], (size_t)d->dst_stride, first, count);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_concat_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_concat_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
