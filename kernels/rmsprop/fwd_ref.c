/* rmsprop, the reference: strict C. */
#include "kernels/rmsprop/rmsprop.h"

static const char *accepts(const void *desc) { return kohl_rmsprop_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  kohl_rmsprop_span(desc, args, first, count);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_rmsprop_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_rmsprop_fwd_ref = {accepts, NULL, NULL, NULL, run};
