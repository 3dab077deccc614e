/* conv2d on CUDA cores: what fwd_igemm_cuda.cu and dgrad_igemm_cuda.cu share.  A convolution is a product whose rows
 * are output pixels, whose columns are output channels, and whose i counts taps and input channels. */
#ifndef KOHL_KERNELS_CONV2D_IGEMM_CUDA_CUH
#define KOHL_KERNELS_CONV2D_IGEMM_CUDA_CUH

#include "kernels/conv2d/gemm_cuda.cuh"

/* Where the taps of output pixels stand: tap (r, s) of pixel (n, p, q) at row p*stride_h - pad_top + r*dilation_h. */
typedef struct igemm_pixels {
  const float *src;
  int h, w, pixel; /* the pictures; floats from pixel to pixel */
  size_t count;    /* output pixels, n*p*q */
  int p, q;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  gemm_steps taps; /* and the channels of a group */
} igemm_pixels;

/* The tile of a block: columns fastest, so that blocks side by side read the same pixels. */
typedef struct igemm_place {
  size_t m;  /* the first pixel */
  int n;     /* the first channel, in its group */
  int group; /* of channels; for dgrad: and phase */
} igemm_place;

template <class T>
static __device__ __forceinline__ igemm_place igemm_place_of(unsigned block, unsigned tiles_m, unsigned tiles_n) {
  const unsigned m = block / tiles_n, group = m / tiles_m;
  return {(size_t)(m - group * tiles_m) * T::ROWS, (int)(block - m * tiles_n) * T::COLUMNS, (int)group};
}

/* Loads a: pixels at taps, four channels at a time.  A tap outside the picture and whatever lies beyond the last tap or
 * pixel is +0. */
template <class T, bool VECTOR>
struct igemm_load_pixels {
  static constexpr int PER_ROW = T::DEPTH / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::ROWS / ROWS_APART;
  static_assert(COUNT * ROWS_APART == T::ROWS, "every thread loads the same number of pixels");
  const igemm_pixels &d;
  gemm_walk tap;
  int y[COUNT], x[COUNT]; /* of tap (0, 0) */
  ptrdiff_t at[COUNT];
  bool inside[COUNT]; /* VECTOR: of the tap that the walk stands at */
  float4 held[COUNT];

  __device__ __forceinline__ igemm_load_pixels(const igemm_pixels &pixels, size_t m, int group)
      : d(pixels), tap{0, 0, 0, 0} {
    const size_t first = m + threadIdx.x / PER_ROW;
    const size_t line = first / d.q;
    int q = (int)(first - line * d.q), p = (int)(line % d.p);
    size_t n = line / d.p;
    KOHL_UNROLL()
    for (int i = 0; i < COUNT; i++) {
      const bool exists = first + i * ROWS_APART < d.count;
      y[i] = exists ? p * d.stride_h - d.pad_top : INT32_MIN; /* stays negative with any tap added */
      x[i] = q * d.stride_w - d.pad_left;
      at[i] = (((ptrdiff_t)n * d.h + (p * d.stride_h - d.pad_top)) * d.w + x[i]) * d.pixel +
              (ptrdiff_t)group * d.taps.c_end;
      q += ROWS_APART;
      p += q / d.q;
      q %= d.q;
      n += p / d.p;
      p %= d.p;
    }
    tap.move(d.taps, (int)threadIdx.x % PER_ROW * 4);
    look();
  }

  __device__ __forceinline__ bool is_inside(int i) const {
    return tap.r < d.taps.r_end && (unsigned)(y[i] + tap.r * d.dilation_h) < (unsigned)d.h &&
           (unsigned)(x[i] + tap.s * d.dilation_w) < (unsigned)d.w;
  }
  __device__ __forceinline__ void look() {
    KOHL_UNROLL()
    for (int i = 0; i < COUNT; i++) inside[i] = is_inside(i);
  }

  __device__ __forceinline__ void fetch() {
    if constexpr (VECTOR) {
      KOHL_UNROLL()
      for (int i = 0; i < COUNT; i++) held[i] = gemm_four<true>(d.src + (at[i] + tap.at), inside[i] ? 4 : 0, 0.0f);
      if (tap.move(d.taps, T::DEPTH)) look();
    } else {
      float four[COUNT][4];
      KOHL_UNROLL()
      for (int u = 0; u < 4; u++) {
        KOHL_UNROLL()
        for (int i = 0; i < COUNT; i++) four[i][u] = is_inside(i) ? d.src[at[i] + tap.at] : 0.0f;
        tap.move(d.taps, u < 3 ? 1 : T::DEPTH - 3);
      }
      KOHL_UNROLL()
      for (int i = 0; i < COUNT; i++) held[i] = make_float4(four[i][0], four[i][1], four[i][2], four[i][3]);
    }
  }

  template <int PITCH>
  __device__ __forceinline__ void put(float (*step)[PITCH]) const {
    KOHL_UNROLL()
    for (int i = 0; i < COUNT; i++) {
      gemm_put_turned(step, (int)threadIdx.x % PER_ROW * 4, (int)threadIdx.x / PER_ROW + i * ROWS_APART, held[i]);
    }
  }
};

/* Whether four floats at a time may be read or written there. */
static inline bool igemm_aligned(const void *at) { return (uintptr_t)at % 16 == 0; }

static inline size_t igemm_ceil(size_t count, size_t unit) { return (count + unit - 1) / unit; }

/* The tile for m pixels x n channels in each of `groups`. */
enum { IGEMM_128X128, IGEMM_128X64, IGEMM_128X32, IGEMM_64X64, IGEMM_32X32 };
static inline int igemm_choose(size_t m, size_t n, size_t groups, int multiprocessors) {
  static const gemm_shape shapes[] = {
      {128, 128, 8, 1.0}, {128, 64, 4, 0.97}, {128, 32, 4, 0.8}, {64, 64, 4, 0.8}, {32, 32, 2, 0.5}};
  return gemm_choose(shapes, sizeof shapes / sizeof *shapes, m, n, groups, multiprocessors);
}

#endif
