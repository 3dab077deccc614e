/* conv2d forward, implicit GEMM for AVX2: the micro kernel.  igemm.c has the rest.
 *
 * 6 pixels x 16 channels are 12 accumulators; two more registers hold a row of the panel, two the broadcast
 * pixel values.  One function per number of pixels, so that every accumulator has a name at compile time. */
#include <immintrin.h>

#include "kernels/conv2d/igemm.h"

enum { ROWS = 6, LANES = 8, AHEAD = 2048 / sizeof(float) };

/* One channel of all pixels: two loads of weights, `rows` broadcasts, up to 12 multiply-adds. */
static inline __attribute__((always_inline)) void channel(__m256 acc[ROWS][2], const float *const pixel[ROWS], size_t c,
                                                          const float *wei, const int rows, const int vectors) {
  __m256 w0 = _mm256_loadu_ps(wei), w1 = vectors == 2 ? _mm256_loadu_ps(wei + LANES) : w0;
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++) {
    __m256 x = _mm256_set1_ps(pixel[i][c]);
    acc[i][0] = _mm256_fmadd_ps(x, w0, acc[i][0]);
    if (vectors == 2) acc[i][1] = _mm256_fmadd_ps(x, w1, acc[i][1]);
  }
}

/* The chain over all taps and channels of this call.  The loop over channels is not unrolled: gcc 12 would then keep
 * a few sums in memory, at half the speed. */
static inline __attribute__((always_inline)) void chain(const kohl_igemm_call *call, __m256 acc[ROWS][2],
                                                        const int rows, const int vectors) {
  const size_t width = (size_t)vectors * LANES;
  const float *wei = call->wei, *const *table = call->pixel;
  for (size_t tap = 0; tap < call->taps; tap++, table += ROWS) {
    const float *pixel[ROWS];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) pixel[i] = table[i] + call->skip;
#pragma GCC unroll 1
    for (size_t c = 0; c < call->run; c++, wei += width) {
      channel(acc, pixel, c, wei, rows, vectors);
      _mm_prefetch((const char *)(wei + AHEAD), _MM_HINT_T0);
    }
  }
}

/* bias, addend, activation, in this order.  max(0, x) returns x for NaN and -0 because x is the second operand. */
static inline __attribute__((always_inline)) void finish(const kohl_igemm_call *call, __m256 acc[ROWS][2],
                                                         const int rows, const int vectors, const __m256i mask[2]) {
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) {
    if (call->bia) {
      __m256 bia = _mm256_maskload_ps(call->bia + v * LANES, mask[v]);
#pragma GCC unroll 6
      for (int i = 0; i < rows; i++) acc[i][v] = _mm256_add_ps(acc[i][v], bia);
    }
    if (call->add) {
#pragma GCC unroll 6
      for (int i = 0; i < rows; i++) {
        const float *add = call->add + i * call->add_stride + v * LANES;
        acc[i][v] = _mm256_add_ps(acc[i][v], _mm256_maskload_ps(add, mask[v]));
      }
    }
    if (call->relu) {
#pragma GCC unroll 6
      for (int i = 0; i < rows; i++) acc[i][v] = _mm256_max_ps(_mm256_setzero_ps(), acc[i][v]);
    }
  }
}

/* Channels that the panel has not got are neither read nor written in dst, bia and add; their lanes hold zeros. */
static inline __attribute__((always_inline)) void tile(const kohl_igemm_call *call, const int rows, const int vectors) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i mask[2] = {_mm256_cmpgt_epi32(_mm256_set1_epi32(call->channels), lane),
                           _mm256_cmpgt_epi32(_mm256_set1_epi32(call->channels - LANES), lane)};
  __m256 acc[ROWS][2];
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) acc[i][v] = _mm256_setzero_ps();
  }
  if (call->resume) {
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) {
        acc[i][v] = _mm256_maskload_ps(call->dst + i * call->dst_stride + v * LANES, mask[v]);
      }
    }
  }
  chain(call, acc, rows, vectors);
  if (call->last) finish(call, acc, rows, vectors, mask);
  if (call->stream && vectors == 2) {
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
      _mm256_stream_ps(call->dst + i * call->dst_stride, acc[i][0]);
      _mm256_stream_ps(call->dst + i * call->dst_stride + LANES, acc[i][1]);
    }
    return;
  }
#pragma GCC unroll 6
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      _mm256_maskstore_ps(call->dst + i * call->dst_stride + v * LANES, mask[v], acc[i][v]);
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

static void micro(const kohl_igemm_call *call) {
#define PAIR(rows) \
  { tile_##rows##_1, tile_##rows##_2 }
  static void (*const tiles[ROWS][2])(const kohl_igemm_call *) = {PAIR(1), PAIR(2), PAIR(3), PAIR(4), PAIR(5), PAIR(6)};
  tiles[call->rows - 1][call->channels > LANES](call);
}

const kohl_igemm_isa kohl_igemm_avx2 = {ROWS, LANES, micro};

static size_t packed_size(const void *desc) { return kohl_igemm_packed_size(&kohl_igemm_avx2, desc); }

static void pack(const void *desc, const void *wei, void *packed) {
  kohl_igemm_pack(&kohl_igemm_avx2, desc, wei, packed);
}

static size_t workspace_size(const void *desc, size_t workers) {
  return kohl_igemm_workspace_size(&kohl_igemm_avx2, desc, workers);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  kohl_igemm_run(&kohl_igemm_avx2, desc, args, threads);
}

const kohl_kernel_code kohl_conv2d_fwd_igemm_avx2 = {kohl_igemm_accepts, packed_size, pack, workspace_size, run};
