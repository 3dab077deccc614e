/* dropout forward, the reference: the shared mask on the activations. */
#include "kernels/dropout/dropout.h"

static const char *accepts(const void *desc) { return kohl_dropout_check(desc); }

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_dropout_desc *d = desc;
  kohl_pixels_run(d, args, threads, kohl_dropout_mask, (size_t)d->n, (size_t)d->features);
}

const kohl_kernel_code kohl_dropout_fwd_ref = {accepts, NULL, NULL, NULL, run};
