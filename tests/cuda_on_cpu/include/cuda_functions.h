/* CUDA's device functions as host code: warp exchange, integer atomics, conversions, arithmetic with one rounding.
 * Included by cuda_language.h.  Floating-point atomics are left out on purpose: their order is not determined. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_CUDA_FUNCTIONS_H
#define KOHL_TESTS_CUDA_ON_CPU_CUDA_FUNCTIONS_H

#include "cuda_language.h"

/* Any value of at most 8 bytes travels between lanes as its bits. */
template <class T>
static inline T kohl_cuda_exchange(unsigned mask, T value, int source) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles carry 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = kohl_cuda_warp_read(mask, bits, source);
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* Lanes work in groups of `width`; a source outside the group is the lane itself. */
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
  int lane = (int)kohl_cuda_lane();
  return kohl_cuda_exchange(mask, value, (lane & ~(width - 1)) + (source & (width - 1)));
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  int lane = (int)kohl_cuda_lane(), source = lane - (int)delta;
  return kohl_cuda_exchange(mask, value, source < (lane & ~(width - 1)) ? lane : source);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize) {
  int lane = (int)kohl_cuda_lane(), source = lane + (int)delta;
  return kohl_cuda_exchange(mask, value, source > (lane | (width - 1)) ? lane : source);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize) {
  int lane = (int)kohl_cuda_lane(), source = lane ^ lane_mask;
  return kohl_cuda_exchange(mask, value, source > (lane | (width - 1)) ? lane : source);
}

static inline unsigned __ballot_sync(unsigned mask, int predicate) { return kohl_cuda_warp_vote(mask, predicate != 0); }
static inline int __any_sync(unsigned mask, int predicate) { return kohl_cuda_warp_vote(mask, predicate != 0) != 0; }
static inline int __all_sync(unsigned mask, int predicate) { return kohl_cuda_warp_vote(mask, predicate == 0) == 0; }

#define KOHL_CUDA_ATOMIC(name, operation)                                                   \
  static inline int name(int *at, int value) {                                              \
    return (int)kohl_cuda_atomic(at, 4, operation, (uint64_t)(int64_t)value, 0);            \
  }                                                                                         \
  static inline unsigned name(unsigned *at, unsigned value) {                               \
    return (unsigned)kohl_cuda_atomic(at, 4, operation, value, 0);                          \
  }                                                                                         \
  static inline unsigned long long name(unsigned long long *at, unsigned long long value) { \
    return kohl_cuda_atomic(at, 8, operation, value, 0);                                    \
  }
enum { KOHL_CUDA_ADD, KOHL_CUDA_OR, KOHL_CUDA_AND, KOHL_CUDA_EXCHANGE, KOHL_CUDA_COMPARE };
KOHL_CUDA_ATOMIC(atomicAdd, KOHL_CUDA_ADD)
KOHL_CUDA_ATOMIC(atomicOr, KOHL_CUDA_OR)
KOHL_CUDA_ATOMIC(atomicAnd, KOHL_CUDA_AND)
KOHL_CUDA_ATOMIC(atomicExch, KOHL_CUDA_EXCHANGE)
#undef KOHL_CUDA_ATOMIC
static inline unsigned atomicCAS(unsigned *at, unsigned compare, unsigned value) {
  return (unsigned)kohl_cuda_atomic(at, 4, KOHL_CUDA_COMPARE, value, compare);
}
static inline int atomicCAS(int *at, int compare, int value) {
  return (int)kohl_cuda_atomic(at, 4, KOHL_CUDA_COMPARE, (unsigned)value, (unsigned)compare);
}

template <class T>
static inline T __ldg(const T *at) {
  return *at;
}
template <class T>
static inline T __ldcs(const T *at) {
  return *at;
}

static inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
static inline float __frcp_rn(float a) { return 1.0f / a; }
static inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dsub_rn(double a, double b) { return a - b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double a) { return __builtin_sqrt(a); }

/* Conversions to integers saturate, and NaN becomes 0. */
static inline int kohl_cuda_saturate(float whole) {
  if (!(whole == whole)) return 0;
  return whole >= 2147483648.0f ? 2147483647 : whole < -2147483648.0f ? -2147483647 - 1 : (int)whole;
}
static inline unsigned kohl_cuda_saturate_unsigned(float whole) {
  return !(whole > 0.0f) ? 0 : whole >= 4294967296.0f ? 4294967295u : (unsigned)whole;
}
static inline int __float2int_rn(float a) { return kohl_cuda_saturate(__builtin_rintf(a)); }
static inline int __float2int_rz(float a) { return kohl_cuda_saturate(__builtin_truncf(a)); }
static inline int __float2int_rd(float a) { return kohl_cuda_saturate(__builtin_floorf(a)); }
static inline int __float2int_ru(float a) { return kohl_cuda_saturate(__builtin_ceilf(a)); }
static inline unsigned __float2uint_rn(float a) { return kohl_cuda_saturate_unsigned(__builtin_rintf(a)); }
static inline unsigned __float2uint_rz(float a) { return kohl_cuda_saturate_unsigned(__builtin_truncf(a)); }
static inline float __int2float_rn(int a) { return (float)a; }
static inline float __uint2float_rn(unsigned a) { return (float)a; }
static inline float __double2float_rn(double a) { return (float)a; }

template <class To, class From>
static inline To kohl_cuda_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits of the same size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}
static inline int __float_as_int(float a) { return kohl_cuda_bits<int>(a); }
static inline unsigned __float_as_uint(float a) { return kohl_cuda_bits<unsigned>(a); }
static inline float __int_as_float(int a) { return kohl_cuda_bits<float>(a); }
static inline float __uint_as_float(unsigned a) { return kohl_cuda_bits<float>(a); }
static inline long long __double_as_longlong(double a) { return kohl_cuda_bits<long long>(a); }
static inline double __longlong_as_double(long long a) { return kohl_cuda_bits<double>(a); }

static inline int __clz(int a) { return a ? __builtin_clz((unsigned)a) : 32; }
static inline int __ffs(int a) { return __builtin_ffs(a); }
static inline int __popc(unsigned a) { return __builtin_popcount(a); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
static inline int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }

/* No ordering that the detector of races knows: threads that talk through memory without a barrier are reported. */
static inline void __threadfence(void) {}
static inline void __threadfence_block(void) {}

#define KOHL_CUDA_MINMAX(type)                                     \
  static inline type min(type a, type b) { return b < a ? b : a; } \
  static inline type max(type a, type b) { return a < b ? b : a; }
KOHL_CUDA_MINMAX(int)
KOHL_CUDA_MINMAX(unsigned)
KOHL_CUDA_MINMAX(long)
KOHL_CUDA_MINMAX(unsigned long)
KOHL_CUDA_MINMAX(long long)
KOHL_CUDA_MINMAX(unsigned long long)
#undef KOHL_CUDA_MINMAX

#endif
