/* exp, log, pow, sigmoid, sine and cosine of our own, one text for C and CUDA, so that every device gives the same
 * bits.
 *
 * No libm but fmaf and fma; every operation is one IEEE rounding in the order written here.  Bounds below are
 * against the exact value, in units in the last place of the result, measured by tests/unit/test_math.c.
 * Denormals are neither flushed nor produced early; NaN goes through (which NaN is not promised). */
#ifndef KOHL_KERNELS_CORE_MATH_H
#define KOHL_KERNELS_CORE_MATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels/core/inline.h"

KOHL_INLINE uint32_t kohl_float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

KOHL_INLINE float kohl_bits_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* 2^e for e in -126 .. 127. */
KOHL_INLINE float kohl_exp2_int(int e) { return kohl_bits_float((uint32_t)(e + 127) << 23); }

/* e^x: at most 0.95 ulp.  exp(-inf) = 0, exp(inf) = inf.
 *
 * x = e ln 2 + r with |r| <= 0.3466; the series to r^7 leaves r^8/8! < 6e-9; then two steps of scaling, of which
 * only the second can round (to a denormal) or overflow. */
KOHL_INLINE float kohl_expf(float x) {
  if (x != x) return x;
  if (x > 88.75f) return INFINITY;
  if (x < -104.0f) return 0.0f;                    /* below half the smallest denormal, 2^-150 */
  float whole = fmaf(x, 1.44269504f, 12582912.0f); /* 1.5 * 2^23: rounds to an integer in the low bits */
  float e = whole - 12582912.0f;
  float r = fmaf(e, -0x1.62e4p-1f, x); /* ln 2 in two parts; e has 8 bits, the first part 15: exact */
  r = fmaf(e, -0x1.7f7d1cp-20f, r);
  float q = 1.0f / 5040.0f;
  q = fmaf(q, r, 1.0f / 720.0f);
  q = fmaf(q, r, 1.0f / 120.0f);
  q = fmaf(q, r, 1.0f / 24.0f);
  q = fmaf(q, r, 1.0f / 6.0f);
  q = fmaf(q, r, 0.5f);
  float y = fmaf(fmaf(q, r, 1.0f), r, 1.0f);
  int half = (int)e / 2;
  return y * kohl_exp2_int(half) * kohl_exp2_int((int)e - half);
}

/* ln x: at most 0.9 ulp.  log(0) = log(-0) = -inf, log(inf) = inf, log(x < 0) = NaN.
 *
 * x = 2^e m with m in [sqrt(1/2), sqrt(2)); with f = m - 1 and s = f / (2 + f), ln m = f - f^2/2 + s (f^2/2 + R),
 * R = 2/3 s^2 + 2/5 s^4 + ...: f carries the bits, so that the division's rounding hardly counts. */
KOHL_INLINE float kohl_logf(float x) {
  if (x != x || x == INFINITY) return x;
  if (x == 0.0f) return -INFINITY;
  if (x < 0.0f) return NAN;
  int e = 0;
  if (x < 0x1p-126f) {
    x *= 0x1p23f;
    e = -23;
  }
  uint32_t bits = kohl_float_bits(x);
  int shift = (int)(bits - 0x3f3504f3u) >> 23; /* 0x3f3504f3 is sqrt(1/2); the shift keeps the sign */
  e += shift;
  float f = kohl_bits_float(bits - ((uint32_t)shift << 23)) - 1.0f;
  float s = f / (2.0f + f), z = s * s, h = 0.5f * f * f;
  float tail = fmaf(fmaf(fmaf(2.0f / 9.0f, z, 2.0f / 7.0f), z, 2.0f / 5.0f), z, 2.0f / 3.0f) * z;
  float low = fmaf((float)e, 0x1.7f7d1cp-20f, s * (h + tail)); /* ln 2 in the same two parts as above */
  return fmaf((float)e, 0x1.62e4p-1f, f - (h - low));
}

/* log2 x of a finite x > 0 as a double; the series in s to s^15 leaves less than 1e-13 of it. */
KOHL_INLINE double kohl_log2_double(float x) {
  double m = (double)x; /* a double holds every float as a normal number */
  uint64_t bits;
  memcpy(&bits, &m, sizeof bits);
  int64_t e = (int64_t)(bits - UINT64_C(0x3fe6a09e667f3bcd)) >> 52; /* sqrt(1/2) */
  bits -= (uint64_t)e << 52;
  memcpy(&m, &bits, sizeof m);
  double s = (m - 1.0) / (m + 1.0), z = s * s, q = 1.0 / 15.0;
  for (int k = 13; k > 0; k -= 2) q = fma(q, z, 1.0 / k);
  return fma(s * q, 2.8853900817779268, (double)e); /* 2 / ln 2 */
}

/* 2^t for -1000 < t < 1000, relative error below 1e-13. */
KOHL_INLINE double kohl_exp2_double(double t) {
  double whole = t + 6755399441055744.0, e = whole - 6755399441055744.0; /* 1.5 * 2^52 */
  double r = (t - e) * 0.69314718055994531, y = 1.0, scale;
  for (int k = 12; k > 0; k--) y = fma(y * r, 1.0 / k, 1.0);
  uint64_t bits = (uint64_t)((int64_t)e + 1023) << 52;
  memcpy(&scale, &bits, sizeof scale);
  return y * scale;
}

/* sin x and cos x for |x| <= 4: absolute errors below 2^-49.  Series of the quarter's sine and of 1 - cosine, which
 * keeps its bits where the cosine is 1, then two doublings of the angle. */
KOHL_INLINE void kohl_sincos_double(double x, double *sine, double *cosine) {
  double r = 0.25 * x, z = r * r, s = 1.0 / 355687428096000.0, v = 1.0 / 6402373705728000.0; /* 17!, 18! */
  s = s * z - 1.0 / 1307674368000.0;
  s = s * z + 1.0 / 6227020800.0;
  s = s * z - 1.0 / 39916800.0;
  s = s * z + 1.0 / 362880.0;
  s = s * z - 1.0 / 5040.0;
  s = s * z + 1.0 / 120.0;
  s = s * z - 1.0 / 6.0;
  s = s * z * r + r;
  v = v * z - 1.0 / 20922789888000.0;
  v = v * z + 1.0 / 87178291200.0;
  v = v * z - 1.0 / 479001600.0;
  v = v * z + 1.0 / 3628800.0;
  v = v * z - 1.0 / 40320.0;
  v = v * z + 1.0 / 720.0;
  v = v * z - 1.0 / 24.0;
  v = v * z * z + 0.5 * z;
  for (int i = 0; i < 2; i++) {
    const double twice = 2.0 * s * (1.0 - v);
    v = 2.0 * s * s;
    s = twice;
  }
  *sine = s;
  *cosine = 1.0 - v;
}

/* x^y with C99's special cases: at most 0.501 ulp, because it is worked out in double and rounded once. */
KOHL_INLINE float kohl_powf(float x, float y) {
  if (x == 1.0f || y == 0.0f) return 1.0f;
  if (x != x || y != y) return x + y;
  float size = fabsf(x);
  bool whole = fabsf(y) >= 0x1p24f || y == (float)(int32_t)y; /* from 2^24 on every float is an even integer */
  bool odd = fabsf(y) < 0x1p24f && whole && ((int32_t)y & 1);
  if (x < 0.0f && x > -INFINITY && !whole) return NAN;
  float result;
  if (size == 0.0f || size == INFINITY) {
    result = (size == 0.0f) == (y < 0.0f) ? INFINITY : 0.0f;
  } else if (fabsf(y) == INFINITY) {
    result = size == 1.0f ? 1.0f : (size > 1.0f) == (y > 0.0f) ? INFINITY : 0.0f;
  } else {
    double t = (double)y * kohl_log2_double(size);
    result = t > 129.0 ? INFINITY : t < -151.0 ? 0.0f : (float)kohl_exp2_double(t);
  }
  return odd && (kohl_float_bits(x) >> 31) ? -result : result;
}

/* 1 / (1 + e^-x): at most 2.5 ulp.  Works on e^-|x|, which neither overflows nor loses small results. */
KOHL_INLINE float kohl_sigmoidf(float x) {
  float e = kohl_expf(-fabsf(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

#endif
