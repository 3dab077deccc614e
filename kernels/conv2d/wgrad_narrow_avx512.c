/* conv2d weight gradient for few channels with AVX-512: 6 taps x 64 filters are 24 accumulators, four more registers
 * hold filters and one a value of src. */
#include "kernels/core/lanes_avx512.h"

enum { TAPS = 6, VECTORS = 4 };
#include "kernels/conv2d/wgrad_narrow.inc"

#define TILE(taps)                                                                   \
  static void tile_##taps##_1(const kohl_narrow_call *call) { tile(call, taps, 1); } \
  static void tile_##taps##_2(const kohl_narrow_call *call) { tile(call, taps, 2); } \
  static void tile_##taps##_4(const kohl_narrow_call *call) { tile(call, taps, 4); }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

static void micro(const kohl_narrow_call *call) {
#define SIZES(taps) \
  { tile_##taps##_1, tile_##taps##_2, tile_##taps##_4 }
  static void (*const tiles[TAPS][3])(const kohl_narrow_call *) = {SIZES(1), SIZES(2), SIZES(3),
                                                                   SIZES(4), SIZES(5), SIZES(6)};
  tiles[call->taps - 1][call->vectors / 2](call);
}

static const kohl_narrow_isa isa = {LANES, TAPS, VECTORS, micro, add};

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_wgrad_narrow_workspace_size(desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_wgrad_narrow_run(&isa, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_wgrad_narrow_avx512 = {kohl_wgrad_narrow_accepts, NULL, NULL, workspace_size, run};
