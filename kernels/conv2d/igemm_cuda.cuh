/* conv2d on CUDA cores: what fwd_igemm_cuda.cu and dgrad_igemm_cuda.cu share.  A convolution is a product whose rows
 * are output pixels, whose columns are output channels, and whose i counts taps and input channels. */
#ifndef KOHL_KERNELS_CONV2D_IGEMM_CUDA_CUH
#define KOHL_KERNELS_CONV2D_IGEMM_CUDA_CUH

#include "kernels/conv2d/gemm_cuda.cuh"

extern "C" {
#include "kernels/conv2d/conv2d.h"
}

/* So many taps at most, of a multiple of so many channels, are gone through by four channels and by numbers that the
 * host has worked out (VECTOR); others float by float. */
enum { IGEMM_TURNS = 32, IGEMM_CHANNELS = 16 };

/* Where the taps of output pixels stand: tap (r, s) of pixel (n, p, q) at row p*stride_h - pad_top + r*dilation_h. */
typedef struct igemm_pixels {
  const float *src;
  int h, w, pixel; /* the pictures; floats from pixel to pixel */
  size_t count;    /* output pixels, n*p*q */
  int p, q;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  gemm_steps<int> taps;   /* and the channels of a group */
  int turns[IGEMM_TURNS]; /* floats from the last channel of each tap on to the first of the next one */
} igemm_pixels;

/* The tile of a block: columns fastest, so that blocks side by side read the same pixels. */
typedef struct igemm_place {
  size_t m;  /* the first pixel */
  int n;     /* the first channel, in its group */
  int group; /* of channels; for wgrad: and block of rows */
} igemm_place;

template <class T>
static __device__ __forceinline__ igemm_place igemm_place_of(unsigned block, unsigned tiles_m, unsigned tiles_n) {
  const unsigned m = block / tiles_n, group = m / tiles_m;
  return {(size_t)(m - group * tiles_m) * T::ROWS, (int)(block - m * tiles_n) * T::COLUMNS, (int)group};
}

/* Where VECTOR stands among taps and channels: the same for all threads. */
typedef struct igemm_turn {
  int left; /* channels of the tap, those of the next step included */
  int tap;
} igemm_turn;

/* Loads a: pixels at taps, four channels at a time.  A tap outside the picture and whatever lies beyond the last tap or
 * pixel is +0. */
template <class T, bool VECTOR>
struct igemm_load_pixels {
  static constexpr int PER_ROW = T::DEPTH / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::ROWS / ROWS_APART;
  static_assert(COUNT * ROWS_APART == T::ROWS, "every thread loads the same number of pixels");
  const igemm_pixels &d;
  int y[COUNT], x[COUNT];      /* of tap (0, 0) */
  const float *at[COUNT];      /* VECTOR: what is fetched next; else of tap (0, 0) */
  igemm_turn turn;             /* VECTOR */
  unsigned inside_next[COUNT]; /* VECTOR: bit 0 for the tap at hand, bit 1 for the one after it, ... */
  gemm_walk<int> tap;          /* not VECTOR */
  float4 held[COUNT];

  __device__ __forceinline__ igemm_load_pixels(const igemm_pixels &pixels, size_t m, int group)
      : d(pixels), turn{d.taps.c_end, 0}, tap{0, 0, 0, 0} {
    const size_t first = m + threadIdx.x / PER_ROW, line = first / d.q;
    const int c = (int)threadIdx.x % PER_ROW * 4;
    size_t n = line / d.p;
    int q = (int)(first - line * d.q), p = (int)(line - n * d.p);
    KOHL_UNROLL()
    for (int i = 0; i < COUNT; i++) {
      const bool exists = first + i * ROWS_APART < d.count;
      y[i] = exists ? p * d.stride_h - d.pad_top : INT32_MIN; /* stays negative with any tap added */
      x[i] = q * d.stride_w - d.pad_left;
      at[i] = d.src + (((ptrdiff_t)n * d.h + (p * d.stride_h - d.pad_top)) * d.w + x[i]) * d.pixel +
              ((ptrdiff_t)group * d.taps.c_end + (VECTOR ? c : 0));
      q += ROWS_APART;
      p += q / d.q;
      q %= d.q;
      n += p / d.p;
      p %= d.p;
    }
    if constexpr (VECTOR)
      look();
    else
      tap.move(d.taps, c);
  }

  __device__ __forceinline__ bool is_inside(int i, int r, int s) const {
    return (unsigned)(y[i] + r * d.dilation_h) < (unsigned)d.h && (unsigned)(x[i] + s * d.dilation_w) < (unsigned)d.w;
  }

  __device__ __forceinline__ void look() {
    KOHL_UNROLL()
    for (int i = 0; i < COUNT; i++) inside_next[i] = 0;
    for (int r = 0, bit = 0; r < d.taps.r_end; r++) {
      for (int s = 0; s < d.taps.s_end; s++, bit++) {
        KOHL_UNROLL()
        for (int i = 0; i < COUNT; i++) inside_next[i] |= (unsigned)is_inside(i, r, s) << bit;
      }
    }
  }

  __device__ __forceinline__ void fetch() {
    if constexpr (VECTOR) {
      KOHL_UNROLL()
      for (int i = 0; i < COUNT; i++) {
        held[i] = gemm_four<true>(at[i], inside_next[i] & 1 ? 4 : 0, 0.0f);
        at[i] += T::DEPTH;
      }
      turn.left -= T::DEPTH;
      if (turn.left) return;
      KOHL_UNROLL()
      for (int i = 0; i < COUNT; i++) {
        at[i] += d.turns[turn.tap];
        inside_next[i] >>= 1;
      }
      turn.left = d.taps.c_end;
      turn.tap++;
    } else {
      float four[COUNT][4];
      KOHL_UNROLL()
      for (int u = 0; u < 4; u++) {
        KOHL_UNROLL()
        for (int i = 0; i < COUNT; i++) {
          four[i][u] = tap.r < d.taps.r_end && is_inside(i, tap.r, tap.s) ? at[i][tap.at] : 0.0f;
        }
        tap.move(d.taps, u < 3 ? 1 : T::DEPTH - 3);
      }
      KOHL_UNROLL()
      for (int i = 0; i < COUNT; i++) held[i] = make_float4(four[i][0], four[i][1], four[i][2], four[i][3]);
    }
  }

  __device__ __forceinline__ int place() const {
    return (int)threadIdx.x % PER_ROW * 4 * T::PITCH_A + (int)threadIdx.x / PER_ROW;
  }
  __device__ __forceinline__ void put(float *to) const {
    KOHL_UNROLL()
    for (int i = 0; i < COUNT; i++) gemm_put_turned<T::PITCH_A>(to + i * ROWS_APART, held[i]);
  }
};

/* Whether VECTOR will do, as far as taps and channels of a say so; fills turns: floats from behind the last channel of
 * each tap on to the first of the next. */
static inline bool igemm_turns_of(const gemm_steps<int> &taps, int turns[IGEMM_TURNS]) {
  if (taps.c_end % IGEMM_CHANNELS || taps.r_end > IGEMM_TURNS || taps.s_end > IGEMM_TURNS ||
      taps.r_end * taps.s_end > IGEMM_TURNS)
    return false;
  for (int tap = 0; tap < taps.r_end * taps.s_end; tap++)
    turns[tap] = taps.c_turn + ((tap + 1) % taps.s_end ? 0 : taps.s_turn);
  return true;
}

/* Whether four floats at a time may be read or written there. */
static inline bool igemm_aligned(const void *at) { return (uintptr_t)at % 16 == 0; }

static inline size_t igemm_ceil(size_t count, size_t unit) { return (count + unit - 1) / unit; }

/* What every convolution here needs: places within a picture and within the weights are ints, and so is the number of
 * output rows; walks go up to 16 steps beyond their end.  h, w, pixel: of the pictures at whose taps is looked. */
static inline const char *igemm_refusal(const kohl_conv2d_desc *d, int w, int pixel) {
  const double down = d->r > 1 ? (d->r + 16.0) * d->dilation_h : 0.0;
  const double across = d->s > 1 ? (d->s + 16.0) * d->dilation_w : 0.0;
  if ((down * w + across) * pixel + d->c + d->k >= 0x1p31) return "the taps reach over 2^31 floats or more";
  if ((d->k + 16.0) * d->r * d->s * (d->c / d->groups) >= 0x1p31) return "2^31 weights or more";
  if (d->stride_h >= 1 << 26 || d->stride_w >= 1 << 26) return "a stride of 2^26 or more";
  return (double)d->n * d->p < 0x1p31 ? NULL : "2^31 output rows or more";
}

/* Floats from tap to tap, where there is more than one. */
static inline int igemm_tap_step(int taps, int dilation, int floats) { return taps > 1 ? dilation * floats : 0; }

/* A grid has at most 2^31 - 1 blocks, whichever tile is chosen. */
static inline const char *igemm_too_many(double pixels, int channels, int groups) {
  const bool many = (pixels / 32 + 1) * (channels / groups / 32 + 1.0) * groups >= 0x1p31;
  return many ? "2^31 tiles of 32 x 32 outputs or more" : NULL;
}

/* The tile for m pixels x n channels in each of `groups`; those that load float by float are the smaller ones. */
enum { IGEMM_128X128, IGEMM_128X64, IGEMM_128X32, IGEMM_64X64, IGEMM_32X32, IGEMM_TILES };
static inline int igemm_choose(size_t m, size_t n, size_t groups, bool vector, int multiprocessors) {
  static const gemm_shape shapes[IGEMM_TILES] = {
      {128, 128, 8, 1.0}, {128, 64, 4, 0.97}, {128, 32, 4, 0.8}, {64, 64, 4, 0.8}, {32, 32, 2, 0.5}};
  const int first = vector ? 0 : IGEMM_64X64;
  return first + gemm_choose(shapes + first, IGEMM_TILES - first, m, n, groups, multiprocessors);
}

#endif
