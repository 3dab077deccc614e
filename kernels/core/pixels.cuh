/* Elementwise ops over pixels on CUDA: what pixels.h is to the CPU.
 *
 * An op is a struct (in a namespace of its file's own) that is passed to the kernel:
 *
 *   template <int V> __device__ void at(size_t pixel, size_t c) const;    channels c .. c + V - 1 of one pixel
 *
 * V is 4 where sizes and addresses allow loads of 16 bytes, else 1.  Threads side by side take channels side by side.
 * An op that works in place reads an element before it writes it, in the same call. */
#ifndef KOHL_KERNELS_CORE_PIXELS_CUH
#define KOHL_KERNELS_CORE_PIXELS_CUH

#include "kernels/core/cuda.h"

/* V floats side by side, loaded and stored at once. */
template <int V>
struct alignas(V * sizeof(float)) kohl_floats {
  float v[V];
};

template <int V>
static __device__ inline kohl_floats<V> kohl_load(const float *from) {
  return *reinterpret_cast<const kohl_floats<V> *>(from);
}

template <int V>
static __device__ inline void kohl_store(float *to, const kohl_floats<V> &floats) {
  *reinterpret_cast<kohl_floats<V> *>(to) = floats;
}

/* Whether V may be 4: sizes is the bitwise or of all channels and strides; NULL is aligned. */
template <class... Pointer>
static inline bool kohl_fours(int sizes, Pointer... pointers) {
  return sizes % 4 == 0 && (... | reinterpret_cast<uintptr_t>(pointers)) % 16 == 0;
}

enum { KOHL_PIXELS_THREADS = 256 };

template <int V, class Op>
static __global__ void __launch_bounds__(KOHL_PIXELS_THREADS) kohl_pixels(Op op, size_t pixels, size_t groups) {
  const size_t count = pixels * groups;
  for (size_t i = kohl_thread_index(); i < count; i += kohl_thread_count()) {
    size_t pixel = i / groups;
    op.template at<V>(pixel, (i - pixel * groups) * V);
  }
}

template <class Op>
static inline void kohl_pixels_launch(kohl_stream *stream, const Op &op, size_t pixels, int c, bool fours) {
  const dim3 block(KOHL_PIXELS_THREADS);
  const size_t groups = (size_t)c / (fours ? 4 : 1);
  const dim3 grid(kohl_grid(pixels * groups, KOHL_PIXELS_THREADS));
  if (fours) {
    KOHL_LAUNCH(stream, (kohl_pixels<4, Op>), grid, block, op, pixels, groups);
  } else {
    KOHL_LAUNCH(stream, (kohl_pixels<1, Op>), grid, block, op, pixels, groups);
  }
}

#endif
