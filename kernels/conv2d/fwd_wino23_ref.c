/* conv2d forward, Winograd F(2x2, 3x3), the reference: wino_ref.c. */
#include "kernels/conv2d/wino_ref.h"

static size_t packed_size(const void *desc) { return kohl_wino_ref_packed_size(2, desc); }

static void pack(const void *desc, const void *wei, void *packed) { kohl_wino_ref_pack(2, desc, wei, packed); }

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_wino_ref_workspace_size(2, desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_wino_ref_run(2, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_fwd_wino23_ref = {kohl_wino_accepts, packed_size, pack, workspace_size, run};
