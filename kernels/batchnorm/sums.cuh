/* Sums over pixels on CUDA, in the order of sums.h.
 *
 * A block of threads takes 32 channels of one block of rows.  All its threads bring tiles of 64 rows to shared memory,
 * the next one on its way while the first warp adds up this one: a lane is one channel's chain, which could not wait
 * for memory at every row.  The chains' results go to the workspace, [64][channels] for each sum; whoever needs the
 * sums joins them in ascending order.
 *
 * Everything is done for at most KOHL_BATCHNORM_CHANNELS channels at a time, so that the workspace is bounded. */
#ifndef KOHL_KERNELS_BATCHNORM_SUMS_CUH
#define KOHL_KERNELS_BATCHNORM_SUMS_CUH

#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/batchnorm/sums.h"
}

enum {
  KOHL_BATCHNORM_CHANNELS = 1 << 11, /* 2 MiB for two sums */
  KOHL_BATCHNORM_BLOCKS = 64,        /* sums.h never makes more */
  KOHL_BATCHNORM_TILE = 64,
  KOHL_BATCHNORM_WARPS = 8,
  KOHL_BATCHNORM_LOADS = KOHL_BATCHNORM_TILE / KOHL_BATCHNORM_WARPS,
};

/* How many of the channels from `first` on are done together. */
static inline int kohl_batchnorm_part(int c, size_t first) {
  size_t left = (size_t)c - first;
  return left < KOHL_BATCHNORM_CHANNELS ? (int)left : KOHL_BATCHNORM_CHANNELS;
}

/* Bytes of workspace for so many sums. */
static inline size_t kohl_batchnorm_sums_bytes(int c, size_t sums) {
  return sums * KOHL_BATCHNORM_BLOCKS * (size_t)kohl_batchnorm_part(c, 0) * sizeof(double);
}

/* What one row adds to a channel's sums. */
struct kohl_batchnorm_plain_sum {
  static constexpr bool gradients = false;
  double a;
  __device__ void begin(int) { a = 0.0; }
  __device__ void row(float x, float) { a = a + (double)x; }
  __device__ void end(double *sums, size_t) const { *sums = a; }
};

struct kohl_batchnorm_square_sum {
  static constexpr bool gradients = false;
  const double *means;
  double mean, a;
  __device__ void begin(int c) { mean = means[c], a = 0.0; }
  __device__ void row(float x, float) {
    double t = (double)x - mean;
    a = fma(t, t, a);
  }
  __device__ void end(double *sums, size_t) const { *sums = a; }
};

struct kohl_batchnorm_gradient_sums {
  static constexpr bool gradients = true;
  const float *means;
  double mean, a, b;
  __device__ void begin(int c) { mean = (double)means[c], a = b = 0.0; }
  __device__ void row(float x, float gradient) {
    double g = (double)gradient;
    a = a + g;
    b = fma(g, (double)x - mean, b);
  }
  __device__ void end(double *sums, size_t step) const { sums[0] = a, sums[step] = b; }
};

/* This thread's rows of the tile that begins at row first: x of src, g of the gradient where the sums need it. */
template <bool GRADIENTS>
static __device__ inline void kohl_batchnorm_fetch(const kohl_batchnorm_rows &rows, size_t first, size_t end, int c,
                                                   float *x, float *g) {
  KOHL_UNROLL(8)
  for (int i = 0; i < KOHL_BATCHNORM_LOADS; i++) {
    const size_t row = first + i * KOHL_BATCHNORM_WARPS + threadIdx.y, at = row * rows.dst_stride + c;
    const bool there = row < end && c < rows.c;
    x[i] = there ? rows.src[row * rows.src_stride + c] : 0.0f;
    if (!GRADIENTS) continue;
    const float y = there && rows.dst ? rows.dst[at] : 1.0f, gradient = there ? rows.ddst[at] : 0.0f;
    g[i] = y > 0.0f ? gradient : 0.0f;
  }
}

template <class Sum>
static __global__ void __launch_bounds__(32 * KOHL_BATCHNORM_WARPS)
    kohl_batchnorm_block_sums(Sum sum, kohl_batchnorm_rows rows, size_t block, double *sums) {
  KOHL_SHARED(float, xs, [KOHL_BATCHNORM_TILE][32]);
  KOHL_SHARED(float, gs, [Sum::gradients ? KOHL_BATCHNORM_TILE : 1][32]);
  float x[KOHL_BATCHNORM_LOADS], g[KOHL_BATCHNORM_LOADS];
  const int lane = (int)threadIdx.x, warp = (int)threadIdx.y, c = (int)blockIdx.y * 32 + lane;
  const size_t begin = blockIdx.x * block, end = min(begin + block, rows.rows);
  sum.begin(min(c, rows.c - 1));
  kohl_batchnorm_fetch<Sum::gradients>(rows, begin, end, c, x, g);
  for (size_t first = begin; first < end; first += KOHL_BATCHNORM_TILE) {
    for (int i = 0; i < KOHL_BATCHNORM_LOADS; i++) {
      xs[i * KOHL_BATCHNORM_WARPS + warp][lane] = x[i];
      if (Sum::gradients) gs[i * KOHL_BATCHNORM_WARPS + warp][lane] = g[i];
    }
    __syncthreads();
    kohl_batchnorm_fetch<Sum::gradients>(rows, first + KOHL_BATCHNORM_TILE, end, c, x, g);
    const int count = warp ? 0 : (int)min(end - first, (size_t)KOHL_BATCHNORM_TILE);
    KOHL_UNROLL(8)
    for (int i = 0; i < count; i++) sum.row(xs[i][lane], gs[Sum::gradients ? i : 0][lane]);
    __syncthreads();
  }
  if (!warp && c < rows.c) sum.end(sums + (size_t)blockIdx.x * rows.c + c, (size_t)gridDim.x * rows.c);
}

static inline size_t kohl_batchnorm_blocks(size_t rows) {
  size_t block = kohl_batchnorm_block(rows);
  return (rows + block - 1) / block;
}

template <class Sum>
static inline void kohl_batchnorm_sums_launch(kohl_stream *stream, const Sum &sum, const kohl_batchnorm_rows &rows,
                                              double *sums) {
  const dim3 grid((unsigned)kohl_batchnorm_blocks(rows.rows), (unsigned)(rows.c + 31) / 32);
  KOHL_LAUNCH(stream, kohl_batchnorm_block_sums<Sum>, grid, dim3(32, KOHL_BATCHNORM_WARPS), sum, rows,
              kohl_batchnorm_block(rows.rows), sums);
}

/* The sum of channel c of `channels`. */
static __device__ inline double kohl_batchnorm_join(const double *sums, size_t blocks, size_t channels, size_t c) {
  double a = 0.0;
  KOHL_UNROLL(16)
  for (size_t block = 0; block < blocks; block++) a = a + sums[block * channels + c];
  return a;
}

#endif
