/* One pixel's softmax by 16 threads or a multiple of them, in the order of softmax.h: thread i of 16 carries partial
 * sum i.
 *
 * A block of threads is (16, groups, pixels): groups share a pixel's channels, above all the exponentials, which go
 * through shared memory to all groups; each of them then adds up all, so that none has to be told.  All threads of a
 * block call these functions together, those without a pixel with c = 0; `room` channels go through the tile at a
 * time. */
#ifndef KOHL_KERNELS_SOFTMAX_SOFTMAX_CUH
#define KOHL_KERNELS_SOFTMAX_SOFTMAX_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/core/math.h"
#include "kernels/softmax/softmax.h"
}

enum { KOHL_SOFTMAX_THREADS = 256, KOHL_SOFTMAX_TILE = 4096 };

/* About four channels a thread where there are so many. */
static inline dim3 kohl_softmax_threads(int c) {
  unsigned groups = 1;
  while (groups < 16 && groups * 64 < (unsigned)c) groups *= 2;
  return dim3(16, groups, 16 / groups);
}

/* Blocks for so many pixels. */
static inline dim3 kohl_softmax_grid(size_t pixels, dim3 block) { return dim3(kohl_grid(pixels, block.z)); }

/* This thread's number among those of its pixel, how many they are, and its pixel's part of a tile of `floats`. */
static __device__ inline unsigned kohl_softmax_thread(void) { return threadIdx.y * 16 + threadIdx.x; }
static __device__ inline unsigned kohl_softmax_step(void) { return blockDim.y * 16; }
static __device__ inline unsigned kohl_softmax_room(unsigned floats) { return floats / 16 * blockDim.y; }

/* The tree of softmax.h over the 16 partial sums; every thread gets the sum. */
static __device__ inline float kohl_softmax_tree(float partial) {
  for (int half = 8; half; half /= 2) partial = partial + kohl_shuffle_xor(partial, half);
  return partial;
}

static __device__ inline float kohl_softmax_larger(float acc, float v) { return v > acc || v != v ? v : acc; }

/* The maximum.  Which of +0 and -0 it is does not show in any difference to it. */
static __device__ inline float kohl_softmax_max(const float *src, unsigned c) {
  KOHL_SHARED(float, tops, [16]);
  float top = -INFINITY;
  for (unsigned i = kohl_softmax_thread(); i < c; i += kohl_softmax_step()) top = kohl_softmax_larger(top, src[i]);
  for (int half = 8; half; half /= 2) top = kohl_softmax_larger(top, kohl_shuffle_xor(top, half));
  if (threadIdx.x == 0) tops[threadIdx.z * blockDim.y + threadIdx.y] = top;
  __syncthreads();
  for (unsigned i = 0; i < blockDim.y; i++) top = kohl_softmax_larger(top, tops[threadIdx.z * blockDim.y + i]);
  return top;
}

/* dst = exp(src - max), which may be src; the sum of them.  c is that of the desc, `there` whether there is a pixel. */
static __device__ inline float kohl_softmax_exponentials(const float *src, unsigned c, bool there, float max,
                                                         float *dst) {
  KOHL_SHARED(float, tile, [KOHL_SOFTMAX_TILE]);
  const unsigned room = kohl_softmax_room(KOHL_SOFTMAX_TILE);
  float *part = tile + threadIdx.z * room, partial = 0.0f;
  for (unsigned first = 0; first < c; first += room) {
    const unsigned count = there ? min(c - first, room) : 0;
    for (unsigned i = kohl_softmax_thread(); i < count; i += kohl_softmax_step()) {
      part[i] = dst[first + i] = kohl_expf(src[first + i] - max);
    }
    __syncthreads();
    KOHL_UNROLL(8)
    for (unsigned i = threadIdx.x; i < count; i += 16) partial = partial + part[i];
    __syncthreads();
  }
  return kohl_softmax_tree(partial);
}

/* dst /= sum, each by the thread that stored it. */
static __device__ inline void kohl_softmax_divide(float *dst, unsigned c, float sum) {
  for (unsigned i = kohl_softmax_thread(); i < c; i += kohl_softmax_step()) dst[i] = dst[i] / sum;
}

#endif
