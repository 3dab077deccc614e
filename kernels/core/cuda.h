/* For kernels of CUDA, kernels/<op>/<direction>_<id>_cuda.cu, and nothing else: launches, shared memory, warps.
 *
 * These files are compiled twice: by nvcc, and as plain C++ for tests/cuda_on_cpu, whose own <cuda_runtime.h> runs
 * every CUDA thread as a fiber.  So nothing here or in a kernel may use what only nvcc understands (<<< >>>, extern
 * __shared__, inline PTX) except behind a macro of this header.
 *
 * A kernel's file:
 *
 *   #include "kernels/core/cuda.h"
 *   extern "C" {
 *   #include "kernels/add/add.h"
 *   }
 *   static __global__ void __launch_bounds__(256) add(kohl_add_desc d, const float *a, ...) { ... }
 *   static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
 *     KOHL_LAUNCH(stream, add, dim3(kohl_grid(count, 256)), dim3(256), d, a, ...);
 *   }
 *   KOHL_CUDA_KERNEL(add, fwd, cuda, kohl_add_accepts, NULL, launch)
 *
 * Rules.  Products and sums are rounded one by one (-fmad=false): a fused multiply-add is fmaf, written out.  No float
 * atomics, no order that depends on timing.  Every barrier is reached by all threads of the block.  An empty batch
 * launches nothing (KOHL_LAUNCH does nothing for an empty grid). */
#ifndef KOHL_KERNELS_CORE_CUDA_H
#define KOHL_KERNELS_CORE_CUDA_H

#include <cuda_runtime.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern "C" {
#include "kernels/core/device.h"
#include "kernels/core/kernel.h"
}

/* Blocks of `block` threads for count elements, at most 2^20: kernels go through what is left in strides of the grid.
 */
static inline unsigned kohl_grid(size_t count, unsigned block) {
  size_t blocks = (count + block - 1) / block;
  return blocks < (size_t)1 << 20 ? (unsigned)blocks : 1u << 20;
}

static inline void kohl_stream_note(kohl_stream *stream, cudaError_t error, const char *name) {
  if (error == cudaSuccess || stream->failure) return;
  stream->failure = (int)error;
  stream->failed = name;
}

#ifdef __CUDACC__
#define KOHL_LAUNCH(stream, kernel, grid, block, ...)                                          \
  do {                                                                                         \
    const dim3 grid_ = (grid);                                                                 \
    if (!(stream)->failure && grid_.x && grid_.y && grid_.z) {                                 \
      kernel<<<grid_, (block), 0, static_cast<cudaStream_t>((stream)->handle)>>>(__VA_ARGS__); \
      kohl_stream_note((stream), cudaGetLastError(), #kernel);                                 \
    }                                                                                          \
  } while (0)

/* An array that the threads of a block share: KOHL_SHARED(float, tile, [32][33]);  tile[i][j].  Not initialised. */
#define KOHL_SHARED(type, name, dims) __shared__ type name dims
#else
#define KOHL_LAUNCH(stream, kernel, grid, block, ...)                                                              \
  do {                                                                                                             \
    const dim3 grid_ = (grid);                                                                                     \
    if (!(stream)->failure && grid_.x && grid_.y && grid_.z) {                                                     \
      kohl_host_launch(static_cast<cudaStream_t>((stream)->handle), #kernel, grid_, (block), kernel, __VA_ARGS__); \
      kohl_stream_note((stream), cudaGetLastError(), #kernel);                                                     \
    }                                                                                                              \
  } while (0)

#define KOHL_SHARED(type, name, dims) \
  typedef type name##_shared dims;    \
  static const char name##_tag = 0;   \
  name##_shared &name = *static_cast<name##_shared *>(kohl_host_shared(&name##_tag, sizeof(name##_shared)))
#endif

/* Before a loop: how many of its rounds the compiler may have under way at once (loads above all). */
#ifdef __CUDACC__
#define KOHL_PRAGMA(text) _Pragma(#text)
#define KOHL_UNROLL(n) KOHL_PRAGMA(unroll n)
#else
#define KOHL_UNROLL(n)
#endif

/* Values of other lanes of the warp; all 32 lanes call it together. */
template <class T>
static __device__ inline T kohl_shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
template <class T>
static __device__ inline T kohl_shuffle_down(T value, unsigned delta) {
  return __shfl_down_sync(0xffffffffu, value, delta);
}
template <class T>
static __device__ inline T kohl_shuffle(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}

/* This thread's number in the whole grid, and how many there are: loops over elements go from one by the other. */
static __device__ inline size_t kohl_thread_index(void) { return (size_t)blockIdx.x * blockDim.x + threadIdx.x; }
static __device__ inline size_t kohl_thread_count(void) { return (size_t)gridDim.x * blockDim.x; }

/* Defines kohl_<op>_<direction>_<id>, which the line of <op>.def names. */
#define KOHL_CUDA_KERNEL(op, direction, id, accepts, workspace_size, launch)                     \
  extern "C" {                                                                                   \
  extern const kohl_cuda_code kohl_##op##_##direction##_##id;                                    \
  const kohl_cuda_code kohl_##op##_##direction##_##id = {accepts, workspace_size, launch, NULL}; \
  }

/* The same of a vendor's library: available says whether it is there (kernels/core/vendor.h). */
#define KOHL_CUDA_BASELINE(op, direction, id, accepts, workspace_size, launch, available)             \
  extern "C" {                                                                                        \
  extern const kohl_cuda_code kohl_##op##_##direction##_##id;                                         \
  const kohl_cuda_code kohl_##op##_##direction##_##id = {accepts, workspace_size, launch, available}; \
  }

#endif
