/* lrn gradient with AVX-512. */
#include "kernels/core/lanes_avx512.h"

#include "kernels/lrn/work.inc"

static const char *accepts(const void *desc) { return kohl_lrn_check(desc); }

static size_t workspace_size(const void *desc, size_t workers) {
  return 3 * workers * kohl_lrn_row(desc) * sizeof(float);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_lrn_run(desc, args, threads, dgrad, 3 * kohl_lrn_row(desc));
}

const kohl_kernel_code kohl_lrn_dgrad_avx512 = {accepts, NULL, NULL, workspace_size, run};
