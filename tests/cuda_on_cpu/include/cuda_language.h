/* The words and types of CUDA C++ for host compilers: qualifiers, vectors, where a thread stands, and the functions
 * that every kernel sees.  No standard library: kernels must not come to depend on it. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_CUDA_LANGUAGE_H
#define KOHL_TESTS_CUDA_ON_CPU_CUDA_LANGUAGE_H

/* Before the words below: the C library's headers have attributes of the same names. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define __host__
#define __device__
#define __global__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

#define KOHL_CUDA_VECTOR1(name, type) \
  typedef struct name##1 {            \
    type x;                           \
  }                                   \
  name##1;                            \
  static inline name##1 make_##name##1(type x) { return name##1 {x}; }
#define KOHL_CUDA_VECTOR2(name, type, bytes) \
  typedef struct __align__(bytes) name##2 {  \
    type x, y;                               \
  }                                          \
  name##2;                                   \
  static inline name##2 make_##name##2(type x, type y) { return name##2 {x, y}; }
#define KOHL_CUDA_VECTOR3(name, type) \
  typedef struct name##3 {            \
    type x, y, z;                     \
  }                                   \
  name##3;                            \
  static inline name##3 make_##name##3(type x, type y, type z) { return name##3 {x, y, z}; }
#define KOHL_CUDA_VECTOR4(name, type, bytes) \
  typedef struct __align__(bytes) name##4 {  \
    type x, y, z, w;                         \
  }                                          \
  name##4;                                   \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return name##4 {x, y, z, w}; }
KOHL_CUDA_VECTOR1(float, float)
KOHL_CUDA_VECTOR1(int, int)
KOHL_CUDA_VECTOR1(uint, unsigned)
KOHL_CUDA_VECTOR2(char, signed char, 2)
KOHL_CUDA_VECTOR2(uchar, unsigned char, 2)
KOHL_CUDA_VECTOR2(short, short, 4)
KOHL_CUDA_VECTOR2(ushort, unsigned short, 4)
KOHL_CUDA_VECTOR2(int, int, 8)
KOHL_CUDA_VECTOR2(uint, unsigned, 8)
KOHL_CUDA_VECTOR2(float, float, 8)
KOHL_CUDA_VECTOR2(double, double, 16)
KOHL_CUDA_VECTOR3(uchar, unsigned char)
KOHL_CUDA_VECTOR3(int, int)
KOHL_CUDA_VECTOR3(uint, unsigned)
KOHL_CUDA_VECTOR3(float, float)
KOHL_CUDA_VECTOR3(double, double)
KOHL_CUDA_VECTOR4(char, signed char, 4)
KOHL_CUDA_VECTOR4(uchar, unsigned char, 4)
KOHL_CUDA_VECTOR4(short, short, 8)
KOHL_CUDA_VECTOR4(ushort, unsigned short, 8)
KOHL_CUDA_VECTOR4(int, int, 16)
KOHL_CUDA_VECTOR4(uint, unsigned, 16)
KOHL_CUDA_VECTOR4(float, float, 16)
KOHL_CUDA_VECTOR4(double, double, 16)
#undef KOHL_CUDA_VECTOR1
#undef KOHL_CUDA_VECTOR2
#undef KOHL_CUDA_VECTOR3
#undef KOHL_CUDA_VECTOR4

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};

/* Where the thread that runs now stands; the runtime sets it before it switches. */
typedef struct kohl_cuda_position {
  uint3 thread, block;
  dim3 block_dim, grid_dim;
} kohl_cuda_position;
extern "C" kohl_cuda_position kohl_cuda_here;

#define threadIdx (static_cast<const uint3 &>(kohl_cuda_here.thread))
#define blockIdx (static_cast<const uint3 &>(kohl_cuda_here.block))
#define blockDim (static_cast<const dim3 &>(kohl_cuda_here.block_dim))
#define gridDim (static_cast<const dim3 &>(kohl_cuda_here.grid_dim))
enum { warpSize = 32 };

extern "C" {
/* Barriers and warp functions end the turn of the thread that calls them. */
void kohl_cuda_barrier(const char *file, int line);
void kohl_cuda_warp_barrier(unsigned mask);
/* The bits of value that the lane `source` of the caller's warp brought; has: 0 where `source` is none. */
uint64_t kohl_cuda_warp_read(unsigned mask, uint64_t value, int source);
unsigned kohl_cuda_warp_vote(unsigned mask, bool predicate);
unsigned kohl_cuda_lane(void);
uint64_t kohl_cuda_atomic(void *at, unsigned bytes, int operation, uint64_t value, uint64_t compare);
}

#define __syncthreads() kohl_cuda_barrier(__FILE__, __LINE__)
static inline void __syncwarp(unsigned mask = 0xffffffffu) { kohl_cuda_warp_barrier(mask); }

#include "cuda_functions.h"

#endif
