/* The matrix product inside conv2d's and dense's kernels of CUDA: sums[m][n] = sum over i of a[i][m] * b[i][n].
 *
 * A block owns a tile of ROWS x COLUMNS sums and goes through i in steps of DEPTH.  Each step of a and b lies in shared
 * memory, i slowest; while the block multiplies one step, its threads fetch the next into registers, and put it into
 * the other half of shared memory behind a single barrier.  A warp owns 16*MI x 32*NI sums, a thread 4*MI x 4*NI of
 * them in registers.  Every sum is one chain of fmaf with i ascending: class CHAIN.
 *
 * What a and b are is the loaders' business: a loader fetches its part of the next step (fetch), and puts it into
 * shared memory (put).  Steps beyond the last i are filled so that a * b = -0, which changes no sum. */
#ifndef KOHL_KERNELS_CONV2D_GEMM_CUDA_CUH
#define KOHL_KERNELS_CONV2D_GEMM_CUDA_CUH

#include "kernels/core/cuda.h"

/* WARPS_M x WARPS_N warps; RESIDENT blocks should fit on a multiprocessor, which bounds the registers. */
template <int WARPS_M_, int WARPS_N_, int MI_, int NI_, int DEPTH_, int RESIDENT_>
struct gemm_tile {
  static constexpr int WARPS_M = WARPS_M_, MI = MI_, NI = NI_, DEPTH = DEPTH_, RESIDENT = RESIDENT_;
  static constexpr int THREADS = 32 * WARPS_M_ * WARPS_N_;
  static constexpr int ROWS = 16 * MI_ * WARPS_M_, COLUMNS = 32 * NI_ * WARPS_N_;
  /* Floats from one i to the next in shared memory.  Four more than there are: rows still begin at multiples of 16
   * bytes, and where a warp turns four neighbours of a row into four rows (gemm_put_turned), no two lanes meet in a
   * bank when DEPTH is 8. */
  static constexpr int PITCH_A = ROWS + 4, PITCH_B = COLUMNS + 4;
};

typedef gemm_tile<4, 2, 2, 2, 8, 2> gemm_128x128;
typedef gemm_tile<4, 1, 2, 2, 8, 3> gemm_128x64;
typedef gemm_tile<2, 2, 2, 2, 8, 3> gemm_64x128;
typedef gemm_tile<4, 1, 2, 1, 16, 3> gemm_128x32;
typedef gemm_tile<4, 1, 1, 2, 8, 4> gemm_64x64;
typedef gemm_tile<2, 1, 1, 1, 16, 8> gemm_32x32;

/* Lanes stand so that neighbours share their part of b, and every other lane its part of a: the pairs of equal
 * addresses let the hardware read 16 bytes a lane for half a warp at once. */
template <class T>
static __device__ __forceinline__ int gemm_row(int i) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  return warp % T::WARPS_M * (16 * T::MI) + i * 16 + (lane / 16 * 2 + lane % 2) * 4;
}
template <class T>
static __device__ __forceinline__ int gemm_column(int j) {
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  return warp / T::WARPS_M * (32 * T::NI) + j * 32 + lane / 2 % 8 * 4;
}

/* The thread's sums: v[4*i + u][4*j + w] is that of row gemm_row(i) + u and column gemm_column(j) + w. */
template <class T>
struct gemm_sums {
  float v[4 * T::MI][4 * T::NI];
};

/* Four neighbouring floats, of which the first `count` exist; the others become rest.  VECTOR: all four exist or none,
 * and `at` is a multiple of 16 bytes. */
template <bool VECTOR>
static __device__ __forceinline__ float4 gemm_four(const float *at, int count, float rest) {
  if (VECTOR) return count > 0 ? *reinterpret_cast<const float4 *>(at) : make_float4(rest, rest, rest, rest);
  return make_float4(count > 0 ? at[0] : rest, count > 1 ? at[1] : rest, count > 2 ? at[2] : rest,
                     count > 3 ? at[3] : rest);
}

/* Into shared memory: four neighbours in i of one row or column, or four neighbours in rows or columns. */
template <int PITCH>
static __device__ __forceinline__ void gemm_put_turned(float *to, float4 four) {
  to[0 * PITCH] = four.x;
  to[1 * PITCH] = four.y;
  to[2 * PITCH] = four.z;
  to[3 * PITCH] = four.w;
}
static __device__ __forceinline__ void gemm_put(float *to, float4 four) { *reinterpret_cast<float4 *>(to) = four; }
static __device__ __forceinline__ float4 gemm_get(const float *at) { return *reinterpret_cast<const float4 *>(at); }

/* One step of the thread's sums; a and b: its first row and column. */
template <class T>
static __device__ __forceinline__ void gemm_step(const float *a, const float *b, gemm_sums<T> *sums) {
  KOHL_UNROLL()
  for (int i = 0; i < T::DEPTH; i++) {
    float4 rows[T::MI], columns[T::NI];
    KOHL_UNROLL()
    for (int m = 0; m < T::MI; m++) rows[m] = gemm_get(a + i * T::PITCH_A + m * 16);
    KOHL_UNROLL()
    for (int n = 0; n < T::NI; n++) columns[n] = gemm_get(b + i * T::PITCH_B + n * 32);
    KOHL_UNROLL()
    for (int m = 0; m < T::MI; m++) {
      KOHL_UNROLL()
      for (int n = 0; n < T::NI; n++) {
        const float x[4] = {rows[m].x, rows[m].y, rows[m].z, rows[m].w};
        const float y[4] = {columns[n].x, columns[n].y, columns[n].z, columns[n].w};
        KOHL_UNROLL()
        for (int u = 0; u < 4; u++) {
          KOHL_UNROLL()
          for (int w = 0; w < 4; w++) sums->v[4 * m + u][4 * n + w] = fmaf(x[u], y[w], sums->v[4 * m + u][4 * n + w]);
        }
      }
    }
  }
}

/* What may be done with each step of a besides: nothing. */
struct gemm_nothing {
  template <class T>
  __device__ __forceinline__ void step(const float *) {}
};

/* All sums of the block's tile, in `steps` steps (0 leaves zeros); once in the life of a block.
 *
 * place() is where, in a step, a loader's thread puts its first float.  Both halves of shared memory have their own
 * copy of the loop's body, so that every address is a register of the thread plus a constant. */
template <class T, class A, class B, class Besides>
static __device__ __forceinline__ void gemm_product(A *a, B *b, int steps, gemm_sums<T> *sums, Besides *besides) {
  constexpr int STEP_A = T::DEPTH * T::PITCH_A, STEP_B = T::DEPTH * T::PITCH_B;
  KOHL_SHARED(float4, memory, [(2 * STEP_A + 2 * STEP_B) / 4]);
  float *const a_steps = reinterpret_cast<float *>(&memory[0]), *const b_steps = a_steps + 2 * STEP_A;
  KOHL_UNROLL()
  for (int m = 0; m < 4 * T::MI; m++) {
    KOHL_UNROLL()
    for (int n = 0; n < 4 * T::NI; n++) sums->v[m][n] = 0.0f;
  }
  if (steps == 0) return;
  float *const a_put = a_steps + a->place(), *const b_put = b_steps + b->place();
  const float *const a_get = a_steps + gemm_row<T>(0), *const b_get = b_steps + gemm_column<T>(0);
  b->fetch(); /* first: it may ask where a stands */
  a->fetch();
  a->put(a_put);
  b->put(b_put);
  __syncthreads();
  for (int left = steps;; left -= 2) {
    KOHL_UNROLL()
    for (int half = 0; half < 2; half++) {
      const bool more = left > 1 + half;
      if (more) {
        b->fetch();
        a->fetch();
      }
      gemm_step<T>(a_get + half * STEP_A, b_get + half * STEP_B, sums);
      besides->template step<T>(a_steps + half * STEP_A);
      if (!more) return;
      a->put(a_put + (1 - half) * STEP_A);
      b->put(b_put + (1 - half) * STEP_B);
      __syncthreads();
    }
  }
}

/* Three counters, c fastest, and how many floats a place moves with them: by c_step with each c, by c_turn more where c
 * begins again and s goes on, and by s_turn more where s begins again and r goes on.  The place is a `long long` where
 * it may go through a whole batch, an int within a picture or the weights (igemm_refusal). */
template <class Place>
struct gemm_steps {
  int c_end, s_end, r_end;
  Place c_step, c_turn, s_turn;
};

/* From the floats between neighbours in c, s and r. */
template <class Place>
static inline gemm_steps<Place> gemm_steps_of(int c, int s, int r, Place c_step, Place s_step, Place r_step) {
  return {c, s, r, c_step, s_step - c * c_step, r_step - s * s_step};
}

template <class Place>
struct gemm_walk {
  int c, s, r;
  Place at;

  /* By `count` of c; true when s or r moved. */
  __device__ __forceinline__ bool move(const gemm_steps<Place> &d, int count) {
    c += count;
    at += count * d.c_step;
    if (c < d.c_end) return false;
    do {
      c -= d.c_end;
      at += d.c_turn;
      if (++s == d.s_end) {
        s = 0;
        r++;
        at += d.s_turn;
      }
    } while (c >= d.c_end);
    return true;
  }
};

/* For the host: which tile to take.  rate is the share of the fastest tile's speed that a multiprocessor reaches. */
typedef struct gemm_shape {
  int rows, columns, warps;
  double rate;
} gemm_shape;

static inline size_t gemm_tiles(const gemm_shape *shape, size_t m, size_t n) {
  return (m + shape->rows - 1) / shape->rows * ((n + shape->columns - 1) / shape->columns);
}

/* Time of `batch` products of m x n sums on that many multiprocessors, in sums of one i that a full one works out at
 * once: the most blocks that one of them gets, at less than full speed where these are fewer than four warps. */
static inline double gemm_time(const gemm_shape *shape, size_t m, size_t n, size_t batch, int multiprocessors) {
  const size_t blocks = gemm_tiles(shape, m, n) * batch;
  const double most = (double)((blocks + (size_t)multiprocessors - 1) / (size_t)multiprocessors);
  const double warps = most * shape->warps;
  return most * shape->rows * shape->columns / (shape->rate * (warps < 4.0 ? warps / 4.0 : 1.0));
}

static inline int gemm_choose(const gemm_shape *shapes, int count, size_t m, size_t n, size_t batch,
                              int multiprocessors) {
  int best = 0;
  for (int i = 1; i < count; i++) {
    if (gemm_time(&shapes[i], m, n, batch, multiprocessors) < gemm_time(&shapes[best], m, n, batch, multiprocessors))
      best = i;
  }
  return best;
}

#endif
