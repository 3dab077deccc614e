/* dense forward on CUDA cores for few rows, where reading the weights is what takes time.
 *
 * A block owns few features and up to 32 rows, so that there are blocks for all multiprocessors, and asks for 16 to 40
 * KB of weights and rows at once (`held`) while it multiplies those before, which lie in shared memory as they do
 * outside: memory is kept busy though every sum is one chain.  Inputs beyond the last are +0 times -0, which changes no
 * sum. */
#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/dense/dense.h"
}

typedef struct rows_problem {
  const float *src, *wei, *bia;
  float *dst;
  int n, c, k, src_stride, dst_stride;
  unsigned row_tiles;
  kohl_activation activation;
} rows_problem;

/* Lanes stand as 8 features x 4 rows, a thread has F x R sums, and warps as WARPS_F x WARPS_R. */
template <int WARPS_F_, int WARPS_R_, int F_, int R_, int DEPTH_, bool VECTOR_>
struct rows_tile {
  static constexpr int WARPS_F = WARPS_F_, F = F_, R = R_, DEPTH = DEPTH_, THREADS = 32 * WARPS_F_ * WARPS_R_;
  static constexpr int FEATURES = 8 * F_ * WARPS_F_, ROWS = 4 * R_ * WARPS_R_;
  static constexpr int PITCH = DEPTH_ + 4; /* eight features' four floats then lie in 32 different banks */
  static constexpr bool VECTOR = VECTOR_;
};

/* A part of LINES lines of c floats, DEPTH of each at a time.  Lines beyond `lines` and floats beyond c are rest. */
template <class T, int LINES>
struct load_lines {
  static constexpr int PER_LINE = T::DEPTH / 4, APART = T::THREADS / PER_LINE, COUNT = LINES / APART;
  static_assert(COUNT * APART == LINES, "every thread loads as often");
  const float *at; /* the thread's first line */
  size_t stride;
  int lines, left; /* from there on */
  float4 held[COUNT];

  __device__ __forceinline__ load_lines(const float *from, size_t stride_, int count, int c) : stride(stride_) {
    const int line = (int)threadIdx.x / PER_LINE, i = (int)threadIdx.x % PER_LINE * 4;
    at = from + line * stride + i;
    lines = count - line;
    left = c - i;
  }

  __device__ __forceinline__ void fetch(float rest) {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      const float *four = at + j * APART * stride;
      const int count = j * APART < lines ? left : 0;
      if constexpr (T::VECTOR) {
        held[j] = count > 0 ? *reinterpret_cast<const float4 *>(four) : make_float4(rest, rest, rest, rest);
      } else {
        held[j] = make_float4(count > 0 ? four[0] : rest, count > 1 ? four[1] : rest, count > 2 ? four[2] : rest,
                              count > 3 ? four[3] : rest);
      }
    }
    at += T::DEPTH;
    left -= T::DEPTH;
  }

  __device__ __forceinline__ void put(float4 (*to)[T::PITCH / 4]) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) to[(int)threadIdx.x / PER_LINE + j * APART][threadIdx.x % PER_LINE] = held[j];
  }
};

template <class T>
static __global__ void __launch_bounds__(T::THREADS) rows(const rows_problem d) {
  KOHL_SHARED(float4, wei, [T::FEATURES][T::PITCH / 4]);
  KOHL_SHARED(float4, src, [T::ROWS][T::PITCH / 4]);
  const unsigned tile = blockIdx.x / d.row_tiles;
  const int k0 = (int)tile * T::FEATURES, n0 = (int)(blockIdx.x - tile * d.row_tiles) * T::ROWS;
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
  /* Neighbours have the same row, and every other lane the same feature: see gemm_cuda.cuh's lanes. */
  const int feature = warp % T::WARPS_F * 8 * T::F + lane / 4 % 4 * 2 + lane % 2;
  const int row = warp / T::WARPS_F * 4 * T::R + lane / 16 * 2 + lane / 2 % 2;
  load_lines<T, T::FEATURES> features(d.wei + (size_t)k0 * d.c, (size_t)d.c, d.k - k0, d.c);
  load_lines<T, T::ROWS> inputs(d.src + (size_t)n0 * d.src_stride, (size_t)d.src_stride, d.n - n0, d.c);
  float sums[T::F][T::R];
  for (int f = 0; f < T::F; f++) {
    for (int r = 0; r < T::R; r++) sums[f][r] = 0.0f;
  }
  features.fetch(-0.0f);
  inputs.fetch(0.0f);
  for (int c = 0; c < d.c; c += T::DEPTH) {
    __syncthreads(); /* nobody reads the step before any more */
    features.put(wei);
    inputs.put(src);
    __syncthreads();
    if (c + T::DEPTH < d.c) {
      features.fetch(-0.0f);
      inputs.fetch(0.0f);
    }
    KOHL_UNROLL(8)
    for (int i = 0; i < T::DEPTH / 4; i++) {
      float4 x[T::R];
      KOHL_UNROLL()
      for (int r = 0; r < T::R; r++) x[r] = src[row + 4 * r][i];
      KOHL_UNROLL()
      for (int f = 0; f < T::F; f++) {
        const float4 y = wei[feature + 8 * f][i];
        KOHL_UNROLL()
        for (int r = 0; r < T::R; r++) {
          float sum = fmaf(x[r].x, y.x, sums[f][r]);
          sum = fmaf(x[r].y, y.y, sum);
          sum = fmaf(x[r].z, y.z, sum);
          sums[f][r] = fmaf(x[r].w, y.w, sum);
        }
      }
    }
  }
  KOHL_UNROLL()
  for (int f = 0; f < T::F; f++) {
    const int k = k0 + feature + 8 * f;
    KOHL_UNROLL()
    for (int r = 0; r < T::R; r++) {
      const int n = n0 + row + 4 * r;
      if (k >= d.k || n >= d.n) continue;
      float sum = sums[f][r];
      if (d.bia) sum += d.bia[k];
      d.dst[(size_t)n * d.dst_stride + k] = kohl_activate(sum, d.activation);
    }
  }
}

enum { MOST = 64 }; /* rows; from there on fwd_igemm_cuda has tiles enough */

static const char *accepts(const void *desc) {
  const kohl_dense_desc *d = static_cast<const kohl_dense_desc *>(desc);
  return d->n > MOST ? "more than 64 rows" : kohl_dense_check(d);
}

template <class T>
static void launch_tile(rows_problem problem, kohl_stream *stream) {
  problem.row_tiles = ((unsigned)problem.n + T::ROWS - 1) / T::ROWS;
  const unsigned feature_tiles = ((unsigned)problem.k + T::FEATURES - 1) / T::FEATURES;
  KOHL_LAUNCH(stream, rows<T>, dim3(feature_tiles * problem.row_tiles), dim3(T::THREADS), problem);
}

template <bool VECTOR>
static void launch_rows(const rows_problem &problem, kohl_stream *stream) {
  if (problem.n <= 4)
    launch_tile<rows_tile<4, 1, 1, 1, 256, VECTOR>>(problem, stream);
  else if (problem.n <= 8)
    launch_tile<rows_tile<4, 1, 1, 2, 256, VECTOR>>(problem, stream);
  else if (problem.n <= 16)
    launch_tile<rows_tile<2, 2, 2, 2, 128, VECTOR>>(problem, stream);
  else
    launch_tile<rows_tile<2, 2, 2, 4, 128, VECTOR>>(problem, stream);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_dense_desc *d = static_cast<const kohl_dense_desc *>(desc);
  const rows_problem problem = {static_cast<const float *>(args->in[DENSE_SRC]),
                                static_cast<const float *>(args->in[DENSE_WEI]),
                                d->bias ? static_cast<const float *>(args->in[DENSE_BIA]) : NULL,
                                static_cast<float *>(args->out[DENSE_DST]),
                                d->n,
                                d->c,
                                d->k,
                                d->src_stride,
                                d->dst_stride,
                                0,
                                d->activation};
  if (d->c % 4 == 0 && d->src_stride % 4 == 0 && (uintptr_t)problem.src % 16 == 0 && (uintptr_t)problem.wei % 16 == 0)
    launch_rows<true>(problem, stream);
  else
    launch_rows<false>(problem, stream);
}

KOHL_CUDA_KERNEL(dense, fwd, rows_cuda, accepts, NULL, launch)
