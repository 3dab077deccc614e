/* conv2d weight gradient on CUDA: adds the sums of blocks of output rows, in their order. */
#ifndef KOHL_KERNELS_CONV2D_WGRAD_JOIN_CUDA_CUH
#define KOHL_KERNELS_CONV2D_WGRAD_JOIN_CUDA_CUH

#include "kernels/core/cuda.h"

typedef struct wgrad_sums {
  const float *from;
  size_t slot, count; /* floats from one block's sums to the next one's; blocks */
  size_t weights, biases;
  float *dwei, *dbia;
  bool zero; /* the result begins as zeros, whatever is there */
} wgrad_sums;

enum { WGRAD_JOIN_BLOCK = 256, WGRAD_JOIN_WARPS = 16, WGRAD_JOIN_EACH = 8 };

static __device__ __forceinline__ float *wgrad_result(const wgrad_sums &d, size_t i) {
  return i < d.weights ? d.dwei + i : d.dbia + (i - d.weights);
}

/* A thread per weight: for few blocks. */
static __global__ void __launch_bounds__(WGRAD_JOIN_BLOCK) wgrad_join_few(const wgrad_sums d) {
  const size_t i = kohl_thread_index();
  if (i >= d.weights + d.biases) return;
  float *result = wgrad_result(d, i);
  const float *from = d.from + i;
  float total = d.zero ? 0.0f : *result;
  KOHL_UNROLL(8)
  for (size_t block = 0; block < d.count; block++) total += from[block * d.slot];
  *result = total;
}

/* For many: 32 weights a block, its warps fetch many blocks' sums at once, and one adds them.  One thread alone would
 * wait for memory with every few sums. */
static __global__ void __launch_bounds__(32 * WGRAD_JOIN_WARPS) wgrad_join_many(const wgrad_sums d) {
  KOHL_SHARED(float, held, [WGRAD_JOIN_WARPS * WGRAD_JOIN_EACH][32]);
  const size_t i = (size_t)blockIdx.x * 32 + threadIdx.x % 32;
  const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const bool exists = i < d.weights + d.biases, adds = exists && warp == 0;
  float total = adds ? *wgrad_result(d, i) : 0.0f;
  for (size_t first = 0; first < d.count; first += WGRAD_JOIN_WARPS * WGRAD_JOIN_EACH) {
    float next[WGRAD_JOIN_EACH];
    KOHL_UNROLL()
    for (unsigned j = 0; j < WGRAD_JOIN_EACH; j++) {
      const size_t block = first + j * WGRAD_JOIN_WARPS + warp;
      next[j] = exists && block < d.count ? d.from[block * d.slot + i] : 0.0f;
    }
    __syncthreads(); /* the sums before are added */
    KOHL_UNROLL()
    for (unsigned j = 0; j < WGRAD_JOIN_EACH; j++) held[j * WGRAD_JOIN_WARPS + warp][lane] = next[j];
    __syncthreads();
    if (!adds) continue;
    const size_t left = d.count - first;
    const unsigned rows =
        left < WGRAD_JOIN_WARPS * WGRAD_JOIN_EACH ? (unsigned)left : WGRAD_JOIN_WARPS * WGRAD_JOIN_EACH;
    KOHL_UNROLL(8)
    for (unsigned row = 0; row < rows; row++) total += held[row][lane];
  }
  if (adds) *wgrad_result(d, i) = total;
}

static inline void wgrad_join(const wgrad_sums &d, kohl_stream *stream) {
  const size_t sums = d.weights + d.biases;
  if (d.count <= 64)
    KOHL_LAUNCH(stream, wgrad_join_few, dim3((unsigned)((sums + WGRAD_JOIN_BLOCK - 1) / WGRAD_JOIN_BLOCK)),
                dim3(WGRAD_JOIN_BLOCK), d);
  else
    KOHL_LAUNCH(stream, wgrad_join_many, dim3((unsigned)((sums + 31) / 32)), dim3(32 * WGRAD_JOIN_WARPS), d);
}

#endif
