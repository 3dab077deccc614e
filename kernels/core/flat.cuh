/* Flat arrays of floats of one length, gone through element by element, four at a time where all of them lie at 16
 * bytes: the loop of the kernels that update weights. */
#ifndef KOHL_KERNELS_CORE_FLAT_CUH
#define KOHL_KERNELS_CORE_FLAT_CUH

#include "kernels/core/cuda.h"

/* Threads of a block, and blocks to a multiprocessor: these run at the same time with up to 64 registers, and 1,024
 * threads with 16 bytes of each array under way are more than memory answers late. */
enum { KOHL_FLAT_BLOCK = 256, KOHL_FLAT_BLOCKS = 4 };

/* N arrays that are read and updated beside one that is read; a NULL reads as 0 and is not written. */
template <int N>
struct kohl_flat {
  size_t count;
  const float *in;
  float *out[N];
  bool four; /* set by kohl_flat_make */
};

template <int N>
static kohl_flat<N> kohl_flat_make(int64_t count, const void *in, void *const (&out)[N]) {
  kohl_flat<N> flat;
  uintptr_t bits = reinterpret_cast<uintptr_t>(in);
  flat.count = static_cast<size_t>(count);
  flat.in = static_cast<const float *>(in);
  for (int k = 0; k < N; k++) {
    flat.out[k] = static_cast<float *>(out[k]);
    bits |= reinterpret_cast<uintptr_t>(out[k]);
  }
  flat.four = bits % sizeof(float4) == 0;
  return flat;
}

/* Blocks for it: no more than run at the same time, so that what a block works out beforehand is paid once. */
template <int N>
static dim3 kohl_flat_grid(const kohl_flat<N> &flat, const kohl_stream *stream) {
  const unsigned most = KOHL_FLAT_BLOCKS * static_cast<unsigned>(stream->multiprocessors);
  const unsigned blocks = kohl_grid(flat.four ? (flat.count + 3) / 4 : flat.count, KOHL_FLAT_BLOCK);
  return dim3(blocks < most ? blocks : most);
}

/* step(in, x): x[N] are the elements of the arrays, which it changes; one at i. */
template <int N, class Step>
static __device__ inline void kohl_flat_one(const kohl_flat<N> &flat, size_t i, const Step &step) {
  float x[N];
  for (int k = 0; k < N; k++) x[k] = flat.out[k] ? flat.out[k][i] : 0.0f;
  step(flat.in ? flat.in[i] : 0.0f, x);
  for (int k = 0; k < N; k++) {
    if (flat.out[k]) flat.out[k][i] = x[k];
  }
}

/* The same of the four at 4 i. */
template <int N, class Step>
static __device__ inline void kohl_flat_four(const kohl_flat<N> &flat, size_t i, const Step &step) {
  const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  const float4 in = flat.in ? reinterpret_cast<const float4 *>(flat.in)[i] : zero;
  float4 v[N];
  float x[4][N];
  for (int k = 0; k < N; k++) {
    v[k] = flat.out[k] ? reinterpret_cast<const float4 *>(flat.out[k])[i] : zero;
    x[0][k] = v[k].x, x[1][k] = v[k].y, x[2][k] = v[k].z, x[3][k] = v[k].w;
  }
  step(in.x, x[0]);
  step(in.y, x[1]);
  step(in.z, x[2]);
  step(in.w, x[3]);
  for (int k = 0; k < N; k++) {
    if (flat.out[k]) reinterpret_cast<float4 *>(flat.out[k])[i] = make_float4(x[0][k], x[1][k], x[2][k], x[3][k]);
  }
}

/* All of them, by all threads of the grid. */
template <int N, class Step>
static __device__ inline void kohl_flat_steps(const kohl_flat<N> &flat, const Step &step) {
  const size_t fours = flat.four ? flat.count / 4 : 0, stride = kohl_thread_count();
  for (size_t i = kohl_thread_index(); i < fours; i += stride) kohl_flat_four(flat, i, step);
  for (size_t i = fours * 4 + kohl_thread_index(); i < flat.count; i += stride) kohl_flat_one(flat, i, step);
}

#endif
