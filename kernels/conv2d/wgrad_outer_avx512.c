/* conv2d weight gradient for AVX-512: the innermost loops.  wgrad_outer.c has the rest.
 *
 * 14 filters x 32 channels are 28 accumulators; two more registers hold a pixel of src, two the broadcast values of
 * ddst.  One function per number of filters, so that every accumulator has a name at compile time. */
#include <immintrin.h>

#include "kernels/conv2d/wgrad_outer.h"

enum { FILTERS = 14, LANES = 16, AHEAD = 12 /* pixels */ };

/* The sums are added to dwei, which was asked for at the beginning: it comes from far. */
static inline __attribute__((always_inline)) void tile(const kohl_wgrad_call *call, const int filters,
                                                       const int vectors, const bool far) {
  const unsigned all = call->channels >= 32 ? ~0u : (1u << call->channels) - 1;
  const __mmask16 mask[2] = {(__mmask16)all, (__mmask16)(all >> 16)};
  __m512 acc[FILTERS][2];
#pragma GCC unroll 14
  for (int i = 0; i < filters; i++) {
    acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    _mm_prefetch((const char *)(call->dwei + i * call->filter_step), _MM_HINT_T0);
    if (vectors == 2) _mm_prefetch((const char *)(call->dwei + i * call->filter_step + LANES), _MM_HINT_T0);
  }
  const float *ddst = call->ddst;
  const size_t step = call->step;
  for (size_t row = 0; row < call->rows; row++) {
    const float *src = call->src[row] + call->skip;
#pragma GCC unroll 2
    for (size_t q = call->pixels; q > 0; q--, ddst += LANES, src += step) {
      __m512 src0 = _mm512_loadu_ps(src), src1 = vectors == 2 ? _mm512_loadu_ps(src + LANES) : src0;
      if (far) {
        const uintptr_t ahead = (uintptr_t)src + AHEAD * step * sizeof *src;
        _mm_prefetch((const char *)ahead, _MM_HINT_T0);
        if (vectors == 2) _mm_prefetch((const char *)(ahead + LANES * sizeof *src), _MM_HINT_T0);
      }
#pragma GCC unroll 14
      for (int i = 0; i < filters; i++) {
        __m512 x = _mm512_set1_ps(ddst[i]);
        acc[i][0] = _mm512_fmadd_ps(x, src0, acc[i][0]);
        if (vectors == 2) acc[i][1] = _mm512_fmadd_ps(x, src1, acc[i][1]);
      }
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < filters; i++) {
    float *dwei = call->dwei + i * call->filter_step;
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      if (!call->first) acc[i][v] = _mm512_add_ps(_mm512_maskz_loadu_ps(mask[v], dwei + v * LANES), acc[i][v]);
      _mm512_mask_storeu_ps(dwei + v * LANES, mask[v], acc[i][v]);
    }
  }
}

/* Every number of filters has its own functions, so that the sums are registers. */
#define TILE(filters)                                                                               \
  static void tile_##filters##_1(const kohl_wgrad_call *call) { tile(call, filters, 1, false); }    \
  static void tile_##filters##_2(const kohl_wgrad_call *call) { tile(call, filters, 2, false); }    \
  static void tile_##filters##_1_far(const kohl_wgrad_call *call) { tile(call, filters, 1, true); } \
  static void tile_##filters##_2_far(const kohl_wgrad_call *call) { tile(call, filters, 2, true); }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)

static void micro(const kohl_wgrad_call *call) {
#define TILES(filters)                                                                           \
  {                                                                                              \
    {tile_##filters##_1, tile_##filters##_2}, { tile_##filters##_1_far, tile_##filters##_2_far } \
  }
  static void (*const tiles[FILTERS][2][2])(const kohl_wgrad_call *) = {
      TILES(1), TILES(2), TILES(3),  TILES(4),  TILES(5),  TILES(6),  TILES(7),
      TILES(8), TILES(9), TILES(10), TILES(11), TILES(12), TILES(13), TILES(14)};
  tiles[call->filters - 1][call->far][call->channels > LANES](call);
}

static void copy(const kohl_wgrad_copy *c) {
  const unsigned all = c->channels >= 32 ? ~0u : (1u << c->channels) - 1;
  const __mmask16 mask0 = (__mmask16)all, mask1 = (__mmask16)(all >> 16);
  const float *from = c->from;
  float *to = c->to;
  __m512 sum = c->sum ? _mm512_loadu_ps(c->sum) : _mm512_setzero_ps();
  for (size_t i = 0; i < c->pixels; i++, from += c->from_step, to += c->to_step) {
    __m512 x = _mm512_maskz_loadu_ps(mask0, from);
    _mm512_storeu_ps(to, x);
    if (c->vectors == 2) _mm512_storeu_ps(to + LANES, _mm512_maskz_loadu_ps(mask1, from + LANES));
    sum = _mm512_add_ps(sum, x);
  }
  if (c->sum) _mm512_storeu_ps(c->sum, sum);
}

static const kohl_wgrad_isa isa = {FILTERS, LANES, micro, copy};

static size_t workspace_size(const void *desc, size_t workers) {
  (void)workers;
  return kohl_wgrad_outer_workspace_size(&isa, desc);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_wgrad_outer_run(&isa, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_wgrad_outer_avx512 = {kohl_wgrad_outer_accepts, NULL, NULL, workspace_size, run};
