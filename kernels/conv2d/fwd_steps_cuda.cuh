/* What the teaching steps of conv2d forward on CUDA share, so that each step's file has its one idea only: where pixels
 * and taps are, and the epilogue.  docs/cuda-conv2d.md leads through the steps. */
#ifndef KOHL_KERNELS_CONV2D_FWD_STEPS_CUDA_CUH
#define KOHL_KERNELS_CONV2D_FWD_STEPS_CUDA_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/conv2d/conv2d.h"
}

typedef struct step_problem {
  kohl_conv2d_desc d;
  kohl_args args;
  int pixels; /* of the output, n*p*q */
} step_problem;

/* Row and column of tap (0, 0) of an output pixel, in picture n. */
typedef struct step_pixel {
  int n, y, x;
} step_pixel;

static __device__ inline step_pixel step_pixel_of(const step_problem &problem, int pixel) {
  const kohl_conv2d_desc &d = problem.d;
  if (pixel >= problem.pixels) return {0, INT32_MIN, 0}; /* outside with any tap */
  const int q = pixel % d.q, line = pixel / d.q;
  return {line / d.p, line % d.p * d.stride_h - d.pad_top, q * d.stride_w - d.pad_left};
}

/* Tap (r, s) of a pixel: its channels, or NULL outside the picture. */
static __device__ inline const float *step_tap(const step_problem &problem, step_pixel at, int r, int s) {
  const kohl_conv2d_desc &d = problem.d;
  const int y = at.y + r * d.dilation_h, x = at.x + s * d.dilation_w;
  if (y < 0 || y >= d.h || x < 0 || x >= d.w) return NULL;
  return static_cast<const float *>(problem.args.in[CONV2D_SRC]) + (((size_t)at.n * d.h + y) * d.w + x) * d.src_stride;
}

/* Tap (r, s) of a filter: its channels, or NULL beyond the last filter. */
static __device__ inline const float *step_filter(const step_problem &problem, int k, int r, int s) {
  const kohl_conv2d_desc &d = problem.d;
  if (k >= d.k) return NULL;
  return static_cast<const float *>(problem.args.in[CONV2D_WEI]) + (((size_t)k * d.r + r) * d.s + s) * d.c;
}

/* Channels c .. c + 3 of a tap or filter of `end` channels; what is not there becomes rest. */
static __device__ inline float4 step_fetch(const float *from, int c, int end, float rest) {
  if (!from) end = 0;
  return make_float4(c < end ? from[c] : rest, c + 1 < end ? from[c + 1] : rest, c + 2 < end ? from[c + 2] : rest,
                     c + 3 < end ? from[c + 3] : rest);
}

/* Four channels of one pixel or filter into shared memory where channels are the slow index. */
static __device__ inline void step_put(float *to, int pitch, float4 four) {
  to[0] = four.x;
  to[pitch] = four.y;
  to[2 * pitch] = four.z;
  to[3 * pitch] = four.w;
}

/* Four neighbouring pixels or filters of a channel, and four that are `apart` from them. */
static __device__ inline void step_get(const float *at, int apart, float eight[8]) {
  KOHL_UNROLL()
  for (int half = 0; half < 2; half++) {
    const float4 four = *reinterpret_cast<const float4 *>(at + half * apart);
    eight[4 * half] = four.x;
    eight[4 * half + 1] = four.y;
    eight[4 * half + 2] = four.z;
    eight[4 * half + 3] = four.w;
  }
}

/* Bias, addend, activation, and out. */
static __device__ inline void step_store(const step_problem &problem, int pixel, int k, float sum) {
  const kohl_conv2d_desc &d = problem.d;
  if (pixel >= problem.pixels || k >= d.k) return;
  if (d.bias) sum += static_cast<const float *>(problem.args.in[CONV2D_BIA])[k];
  if (d.add) sum += static_cast<const float *>(problem.args.in[CONV2D_ADD])[(size_t)pixel * d.add_stride + k];
  int i = 0;
  for (; k >= d.dst_k[i]; i++) k -= d.dst_k[i];
  static_cast<float *>(problem.args.out[CONV2D_DST + i])[(size_t)pixel * d.dst_stride[i] + k] =
      kohl_activate(sum, d.activation);
}

static inline const char *step_accepts(const void *desc) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  if (d->pool) return "no fused pool";
  if (d->groups > 1) return "groups > 1";
  if ((double)d->n * d->p * d->q * d->k >= 0x1p31) return "2^31 outputs or more";
  return kohl_conv2d_check(d);
}

static inline step_problem step_problem_of(const void *desc, const kohl_args *args) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  return {*d, *args, d->n * d->p * d->q};
}

/* Blocks that own tiles of `rows` pixels x `columns` filters, filters fastest. */
static inline dim3 step_grid(const step_problem &problem, int rows, int columns) {
  return dim3((unsigned)((problem.pixels + rows - 1) / rows * ((problem.d.k + columns - 1) / columns)));
}
static __device__ inline int step_first_pixel(const step_problem &problem, int rows, int columns) {
  return (int)blockIdx.x / ((problem.d.k + columns - 1) / columns) * rows;
}
static __device__ inline int step_first_filter(const step_problem &problem, int columns) {
  return (int)blockIdx.x % ((problem.d.k + columns - 1) / columns) * columns;
}

#endif
