/* conv2d forward, implicit GEMM for AVX-512: the micro kernel.  igemm.c has the rest.
 *
 * 14 pixels x 32 channels are 28 accumulators; two more registers hold a row of the panel, two the broadcast
 * pixel values.  One function per number of pixels, so that every accumulator has a name at compile time. */
#include <immintrin.h>

#include "kernels/conv2d/igemm.h"

enum { ROWS = 14, LANES = 16, UNROLL = 4, AHEAD = 2048 / sizeof(float) };

/* One channel of all pixels: two loads of weights, `rows` broadcasts, up to 28 multiply-adds. */
static inline __attribute__((always_inline)) void channel(__m512 acc[ROWS][2], const float *const pixel[ROWS], size_t c,
                                                          const float *wei, const int rows, const int vectors) {
  __m512 w0 = _mm512_loadu_ps(wei), w1 = vectors == 2 ? _mm512_loadu_ps(wei + LANES) : w0;
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++) {
    __m512 x = _mm512_set1_ps(pixel[i][c]);
    acc[i][0] = _mm512_fmadd_ps(x, w0, acc[i][0]);
    if (vectors == 2) acc[i][1] = _mm512_fmadd_ps(x, w1, acc[i][1]);
  }
}

/* The chain over all taps and channels of this call. */
static inline __attribute__((always_inline)) void chain(const kohl_igemm_call *call, __m512 acc[ROWS][2],
                                                        const int rows, const int vectors) {
  const size_t width = (size_t)vectors * LANES;
  const float *wei = call->wei, *const *table = call->pixel;
  const ptrdiff_t soon = call->soon;
  for (size_t tap = 0; tap < call->taps; tap++, table += ROWS) {
    const float *pixel[ROWS];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) pixel[i] = table[i] + call->skip;
    size_t c = 0, run = call->run;
    for (; c + UNROLL <= run; c += UNROLL, wei += UNROLL * width) {
      _mm_prefetch((const char *)wei + soon, _MM_HINT_T1);
      _mm_prefetch((const char *)wei + soon + 64, _MM_HINT_T1);
#pragma GCC unroll 4
      for (int u = 0; u < UNROLL; u++) {
        channel(acc, pixel, c + u, wei + u * width, rows, vectors);
        _mm_prefetch((const char *)(wei + u * width + AHEAD), _MM_HINT_T0);
        if (vectors == 2) _mm_prefetch((const char *)(wei + u * width + AHEAD + LANES), _MM_HINT_T0);
      }
    }
#pragma GCC unroll 1
    for (; c < run; c++, wei += width) channel(acc, pixel, c, wei, rows, vectors);
  }
}

/* bias, addend, activation, in this order.  max(0, x) returns x for NaN and -0 because x is the second operand. */
static inline __attribute__((always_inline)) void finish(const kohl_igemm_call *call, __m512 acc[ROWS][2],
                                                         const int rows, const int vectors, const __mmask16 mask[2]) {
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    if (call->bia) {
      __m512 bia = _mm512_maskz_loadu_ps(mask[v], call->bia + v * LANES);
#pragma GCC unroll 14
      for (int i = 0; i < rows; i++) acc[i][v] = _mm512_add_ps(acc[i][v], bia);
    }
    if (call->add) {
#pragma GCC unroll 14
      for (int i = 0; i < rows; i++) {
        const float *add = call->add + i * call->add_stride + v * LANES;
        acc[i][v] = _mm512_add_ps(acc[i][v], _mm512_maskz_loadu_ps(mask[v], add));
      }
    }
    if (call->relu) {
#pragma GCC unroll 14
      for (int i = 0; i < rows; i++) acc[i][v] = _mm512_max_ps(_mm512_setzero_ps(), acc[i][v]);
    }
  }
}

/* The addend's lines come while the chain is computed. */
static inline __attribute__((always_inline)) void ask(const kohl_igemm_call *call, const int rows) {
  if (!call->add) return;
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++) {
    _mm_prefetch((const char *)(call->add + i * call->add_stride), _MM_HINT_T0);
    _mm_prefetch((const char *)(call->add + i * call->add_stride + LANES), _MM_HINT_T0);
  }
}

/* Channels that the panel has not got are neither read nor written in dst, bia and add; their lanes hold zeros. */
static inline __attribute__((always_inline)) void tile(const kohl_igemm_call *call, const int rows, const int vectors) {
  unsigned all = call->channels >= 32 ? ~0u : (1u << call->channels) - 1;
  const __mmask16 mask[2] = {(__mmask16)all, (__mmask16)(all >> 16)};
  __m512 acc[ROWS][2];
  ask(call, rows);
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) acc[i][v] = _mm512_setzero_ps();
  }
  if (call->resume) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        acc[i][v] = _mm512_maskz_loadu_ps(mask[v], call->dst + i * call->dst_stride + v * LANES);
      }
    }
  }
  chain(call, acc, rows, vectors);
  if (call->last) finish(call, acc, rows, vectors, mask);
  if (call->stream && vectors == 2) {
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) {
      _mm512_stream_ps(call->dst + i * call->dst_stride, acc[i][0]);
      _mm512_stream_ps(call->dst + i * call->dst_stride + LANES, acc[i][1]);
    }
    return;
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      _mm512_mask_storeu_ps(call->dst + i * call->dst_stride + v * LANES, mask[v], acc[i][v]);
    }
  }
}

/* Every number of rows has its own functions, so that the sums are registers. */
#define TILE(rows)                                                                  \
  static void tile_##rows##_1(const kohl_igemm_call *call) { tile(call, rows, 1); } \
  static void tile_##rows##_2(const kohl_igemm_call *call) { tile(call, rows, 2); }
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

static void micro(const kohl_igemm_call *call) {
#define PAIR(rows) \
  { tile_##rows##_1, tile_##rows##_2 }
  static void (*const tiles[ROWS][2])(const kohl_igemm_call *) = {PAIR(1),  PAIR(2),  PAIR(3),  PAIR(4), PAIR(5),
                                                                  PAIR(6),  PAIR(7),  PAIR(8),  PAIR(9), PAIR(10),
                                                                  PAIR(11), PAIR(12), PAIR(13), PAIR(14)};
  tiles[call->rows - 1][call->channels > LANES](call);
}

const kohl_igemm_isa kohl_igemm_avx512 = {ROWS, LANES, micro};

static size_t packed_size(const void *desc) { return kohl_igemm_packed_size(&kohl_igemm_avx512, desc); }

static void pack(const void *desc, const void *wei, void *packed) {
  kohl_igemm_pack(&kohl_igemm_avx512, desc, wei, packed);
}

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_igemm_workspace_size(&kohl_igemm_avx512, desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_igemm_run(&kohl_igemm_avx512, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_fwd_igemm_avx512 = {kohl_igemm_accepts, packed_size, pack, workspace_size, run};
