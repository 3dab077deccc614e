/* conv2d weight gradient on CUDA cores: filters x weights, summed over the pixels of a block of output rows
 * (gemm_cuda.cuh), and the blocks' sums added in their order.
 *
 * Where filters x weights alone make tiles enough for a GPU, a block of threads goes through all blocks of rows and
 * adds each one's sums to what it has written before.  Else every block of rows has its own blocks of threads: their
 * sums go to the workspace, as many as it has room for, and are then added to the result (wgrad_join_cuda.cuh). */
#include "kernels/conv2d/igemm_cuda.cuh"
#include "kernels/conv2d/wgrad_join_cuda.cuh"

extern "C" {
#include "kernels/conv2d/conv2d.h"
}

typedef struct wgrad_problem {
  const float *src, *ddst;
  float *dwei, *dbia;      /* dbia NULL: none */
  size_t slot;             /* floats from one block of rows' results to the next one's; 0: all are added to one */
  size_t rows, block_rows; /* output rows of the batch, and of a block */
  size_t first_block, stop_block;
  gemm_steps pixels;       /* of the batch, q fastest, and where their tap (0, 0) without padding is */
  ptrdiff_t line, picture; /* floats of src from p to p + 1, and from n to n + 1 */
  int h, w, src_pixel, dst_pixel;
  int stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
  int groups, k, s, c;       /* k, c of a group */
  int filter;                /* floats */
  unsigned tiles_m, tiles_n; /* of filters, of weights */
  bool wide;                 /* four weights at a time may be stored */
} wgrad_problem;

/* Loads a: ddst of a pixel, four filters at a time.  What lies beyond the block of rows is -0. */
template <class T, bool VECTOR>
struct load_gradients {
  static constexpr int PER_ROW = T::ROWS / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::DEPTH / ROWS_APART;
  static_assert(COUNT * ROWS_APART == T::DEPTH, "every thread loads as often");
  const float *at;
  int pixel, filters; /* floats from pixel to pixel; filters from here on */
  ptrdiff_t left;     /* pixels from the thread's first one to the end */
  float4 held[COUNT];

  __device__ __forceinline__ load_gradients(const wgrad_problem &d, igemm_place tile, size_t row, size_t stop)
      : pixel(d.dst_pixel) {
    const int i = (int)threadIdx.x / PER_ROW, k = (int)tile.m + (int)threadIdx.x % PER_ROW * 4;
    filters = d.k - k;
    at = d.ddst + (row * d.pixels.c_end + i) * pixel + ((size_t)tile.group * d.k + k);
    left = (ptrdiff_t)((stop - row) * d.pixels.c_end) - i;
  }

  __device__ __forceinline__ void fetch() {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      held[j] = gemm_four<VECTOR>(at + (ptrdiff_t)(j * ROWS_APART) * pixel, left > j * ROWS_APART ? filters : 0, -0.0f);
    }
    at += (ptrdiff_t)T::DEPTH * pixel;
    left -= T::DEPTH;
  }

  template <int PITCH>
  __device__ __forceinline__ void put(float (*step)[PITCH]) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      gemm_put(&step[(int)threadIdx.x / PER_ROW + j * ROWS_APART][(int)threadIdx.x % PER_ROW * 4], held[j]);
    }
  }
};

/* Loads b: src at each weight's tap of a pixel, four channels at a time.  A tap outside the picture is +0, and so is
 * what lies beyond the block of rows. */
template <class T, bool VECTOR>
struct load_sources {
  static constexpr int PER_ROW = T::COLUMNS / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::DEPTH / ROWS_APART;
  static constexpr int TAPS = VECTOR ? 1 : 4; /* of a thread's four weights */
  static_assert(COUNT * ROWS_APART == T::DEPTH, "every thread loads as often");
  const wgrad_problem &d;
  const float *src[TAPS]; /* of the batch's first pixel */
  int down[TAPS], across[TAPS];
  gemm_walk pixel[COUNT];
  ptrdiff_t left;
  float4 held[COUNT];

  __device__ __forceinline__ load_sources(const wgrad_problem &problem, igemm_place tile, size_t row, size_t stop)
      : d(problem) {
    const int i = (int)threadIdx.x / PER_ROW, n = tile.n + (int)threadIdx.x % PER_ROW * 4;
    KOHL_UNROLL()
    for (int u = 0; u < TAPS; u++) {
      const int tap = (n + u) / d.c, c = n + u - tap * d.c, r = tap / d.s, s = tap - r * d.s;
      down[u] = n + u < d.filter ? r * d.dilation_h - d.pad_top : INT32_MIN; /* outside with any pixel */
      across[u] = s * d.dilation_w - d.pad_left;
      src[u] = d.src + (((ptrdiff_t)(r * d.dilation_h - d.pad_top) * d.w + across[u]) * d.src_pixel +
                        ((ptrdiff_t)tile.group * d.c + c));
    }
    left = (ptrdiff_t)((stop - row) * d.pixels.c_end) - i;
    const size_t n_picture = row / d.pixels.s_end;
    const int p = (int)(row - n_picture * d.pixels.s_end);
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      pixel[j] = {0, p, (int)n_picture, p * d.line + (ptrdiff_t)n_picture * d.picture};
      pixel[j].move(d.pixels, i + j * ROWS_APART);
    }
  }

  __device__ __forceinline__ bool is_inside(const gemm_walk &at, int u) const {
    return (unsigned)(at.s * d.stride_h + down[u]) < (unsigned)d.h &&
           (unsigned)(at.c * d.stride_w + across[u]) < (unsigned)d.w;
  }
  __device__ __forceinline__ float4 look(const gemm_walk &at, bool exists) const {
    if constexpr (VECTOR) {
      return gemm_four<true>(src[0] + at.at, exists && is_inside(at, 0) ? 4 : 0, 0.0f);
    } else {
      float four[4];
      KOHL_UNROLL()
      for (int u = 0; u < 4; u++) four[u] = exists && is_inside(at, u) ? src[u][at.at] : 0.0f;
      return make_float4(four[0], four[1], four[2], four[3]);
    }
  }

  __device__ __forceinline__ void fetch() {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      held[j] = look(pixel[j], left > j * ROWS_APART);
      pixel[j].move(d.pixels, T::DEPTH);
    }
    left -= T::DEPTH;
  }

  template <int PITCH>
  __device__ __forceinline__ void put(float (*step)[PITCH]) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      gemm_put(&step[(int)threadIdx.x / PER_ROW + j * ROWS_APART][(int)threadIdx.x % PER_ROW * 4], held[j]);
    }
  }
};

/* The sum of ddst for the bias, from what the product has in shared memory: thread t has filter t of the tile. */
struct bias_sum {
  bool wanted;
  float sum;

  template <int DEPTH, int PITCH>
  __device__ __forceinline__ void step(const float (*a)[PITCH]) {
    if (!wanted) return;
    KOHL_UNROLL()
    for (int i = 0; i < DEPTH; i++) sum += a[i][threadIdx.x];
  }
};

/* A block of rows' sums, or what was before plus these. */
template <class T, int WIDE>
static __device__ __forceinline__ void store(const wgrad_problem &d, const gemm_sums<T> &sums, igemm_place tile,
                                             float *dwei, bool add) {
  KOHL_UNROLL()
  for (int row = 0; row < 4 * T::MI; row++) {
    const int k = (int)tile.m + gemm_row<T>(row / 4) + row % 4;
    if (k >= d.k) continue;
    float *to = dwei + ((size_t)tile.group * d.k + k) * d.filter;
    KOHL_UNROLL()
    for (int column = 0; column < 4 * T::NI; column += WIDE) {
      const int n = tile.n + gemm_column<T>(column / 4) + column % 4;
      if (n >= d.filter) continue;
      const float *v = &sums.v[row][column];
      if constexpr (WIDE == 4) {
        float4 four = make_float4(v[0], v[1], v[2], v[3]);
        if (add) {
          const float4 before = gemm_four<true>(to + n, 4, 0.0f);
          four = make_float4(before.x + v[0], before.y + v[1], before.z + v[2], before.w + v[3]);
        }
        gemm_put(to + n, four);
      } else {
        to[n] = add ? to[n] + v[0] : v[0];
      }
    }
  }
}

template <class T_, bool VECTOR_>
struct wgrad_kind {
  typedef T_ T;
  static constexpr bool VECTOR = VECTOR_;
};

template <class Kind>
static __global__ void __launch_bounds__(Kind::T::THREADS, Kind::T::RESIDENT) igemm(const wgrad_problem d) {
  typedef typename Kind::T T;
  igemm_place tile = igemm_place_of<T>(blockIdx.x, d.tiles_m, d.tiles_n);
  const size_t index = (size_t)(tile.group / d.groups);
  tile.group -= (int)index * d.groups;
  const int k = tile.group * d.k + (int)tile.m + (int)threadIdx.x; /* of the bias */
  const bool bias = d.dbia && tile.n == 0 && (int)threadIdx.x < T::ROWS && (int)(tile.m + threadIdx.x) < d.k;
  float *const dwei = d.dwei + index * d.slot, *const dbia = d.dbia ? d.dbia + index * d.slot : NULL;
  size_t block = d.first_block + index;
  const size_t stop_block = d.slot ? block + 1 : d.stop_block;
  for (; block < stop_block; block++) {
    const size_t row = block * d.block_rows, stop = d.rows - row < d.block_rows ? d.rows : row + d.block_rows;
    load_gradients<T, Kind::VECTOR> gradients(d, tile, row, stop);
    load_sources<T, Kind::VECTOR> sources(d, tile, row, stop);
    gemm_sums<T> sums;
    bias_sum besides = {bias, 0.0f};
    const int pixels = (int)((stop - row) * d.pixels.c_end);
    __syncthreads(); /* nobody reads the block before any more */
    gemm_product<T>(&gradients, &sources, (pixels + T::DEPTH - 1) / T::DEPTH, &sums, &besides);
    const bool add = block > 0 && !d.slot;
    if (d.wide)
      store<T, 4>(d, sums, tile, dwei, add);
    else
      store<T, 1>(d, sums, tile, dwei, add);
    if (bias) dbia[k] = add ? dbia[k] + besides.sum : besides.sum;
  }
}

/* How a shape is worked on. */
typedef struct wgrad_plan {
  int tile;
  size_t blocks; /* of rows */
  size_t slots;  /* blocks of rows that have room in the workspace; 0: none is needed */
  size_t slot;   /* floats of one, a multiple of 4 */
} wgrad_plan;

enum { WGRAD_128X128, WGRAD_64X128, WGRAD_64X64, WGRAD_32X32, WGRAD_TILES };
static const gemm_shape shapes[WGRAD_TILES] = {
    {128, 128, 8, 1.0}, {64, 128, 4, 0.97}, {64, 64, 4, 0.8}, {32, 32, 2, 0.5}};

enum { WORKSPACE = 64 << 20, MULTIPROCESSORS = 132 }; /* the plan depends on the shape alone: it is made for an H100 */

static wgrad_plan plan_of(const kohl_conv2d_desc *d) {
  const size_t k = (size_t)(d->k / d->groups), filter = (size_t)d->r * d->s * (d->c / d->groups);
  const size_t rows = (size_t)d->n * d->p, block_rows = (size_t)kohl_conv2d_block_rows(d);
  wgrad_plan plan = {0, igemm_ceil(rows, block_rows), 0, igemm_ceil(d->k * filter + (d->bias ? d->k : 0), 4) * 4};
  const size_t room = WORKSPACE / sizeof(float) / plan.slot;
  const size_t slots = room < plan.blocks ? room : plan.blocks;
  double best = INFINITY;
  for (int tile = 0; tile < WGRAD_TILES; tile++) {
    const double pixels = (double)block_rows * d->q;
    const double direct = gemm_time(&shapes[tile], k, filter, d->groups, MULTIPROCESSORS) * pixels * plan.blocks;
    if (direct < best) best = direct, plan.tile = tile, plan.slots = 0;
    if (slots < 2) continue;
    const double rounds = (double)igemm_ceil(plan.blocks, slots);
    double split = gemm_time(&shapes[tile], k, filter, d->groups * slots, MULTIPROCESSORS) * pixels * rounds;
    split += 0.5 * plan.slot * plan.blocks; /* 8 bytes of each sum to memory and back, in multiply-adds of that time */
    if (split < best) best = split, plan.tile = tile, plan.slots = slots;
  }
  return plan;
}

static size_t workspace_size(const void *desc) {
  const wgrad_plan plan = plan_of(static_cast<const kohl_conv2d_desc *>(desc));
  return plan.slots * plan.slot * sizeof(float);
}

/* A grid has at most 2^31 - 1 blocks, whichever tile is chosen. */
static const char *accepts(const void *desc) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  const char *wrong = kohl_conv2d_gradient_check(d);
  if (wrong) return wrong;
  const double filter = (double)d->r * d->s * (d->c / d->groups);
  if (filter * d->k >= 0x1p31) return "2^31 weights or more";
  return NULL;
}

static wgrad_problem problem_of(const kohl_conv2d_desc *d, const kohl_args *args, const wgrad_plan &plan) {
  wgrad_problem problem;
  memset(&problem, 0, sizeof problem);
  const ptrdiff_t pixel = d->src_stride;
  problem.src = static_cast<const float *>(args->in[CONV2D_WGRAD_SRC]);
  problem.ddst = static_cast<const float *>(args->in[CONV2D_WGRAD_DDST]);
  problem.dwei = static_cast<float *>(plan.slots ? args->workspace : args->out[CONV2D_WGRAD_DWEI]);
  problem.dbia = static_cast<float *>(args->out[CONV2D_WGRAD_DBIA]);
  problem.groups = d->groups;
  problem.k = d->k / d->groups;
  problem.s = d->s;
  problem.c = d->c / d->groups;
  problem.filter = d->r * d->s * problem.c;
  if (plan.slots) problem.dbia = problem.dwei + (size_t)d->k * problem.filter;
  if (!d->bias) problem.dbia = NULL;
  problem.slot = plan.slots ? plan.slot : 0;
  problem.rows = (size_t)d->n * d->p;
  problem.block_rows = (size_t)kohl_conv2d_block_rows(d);
  problem.line = d->stride_h * (d->w * pixel);
  problem.picture = d->h * (d->w * pixel);
  problem.pixels = gemm_steps_of(d->q, d->p, d->n, d->stride_w * pixel, problem.line, problem.picture);
  problem.h = d->h;
  problem.w = d->w;
  problem.src_pixel = d->src_stride;
  problem.dst_pixel = d->dst_stride[0];
  problem.stride_h = d->stride_h;
  problem.stride_w = d->stride_w;
  problem.dilation_h = d->dilation_h;
  problem.dilation_w = d->dilation_w;
  problem.pad_top = d->pad_top;
  problem.pad_left = d->pad_left;
  problem.wide = problem.filter % 4 == 0 && igemm_aligned(problem.dwei);
  return problem;
}

template <class T>
static void launch_tile(wgrad_problem problem, bool vector, kohl_stream *stream) {
  typedef wgrad_kind<T, true> by_four;
  typedef wgrad_kind<T, false> by_one;
  problem.tiles_m = (unsigned)igemm_ceil((size_t)problem.k, T::ROWS);
  problem.tiles_n = (unsigned)igemm_ceil((size_t)problem.filter, T::COLUMNS);
  const size_t parts = problem.slot ? problem.stop_block - problem.first_block : 1;
  const dim3 grid(problem.tiles_m * problem.tiles_n * (unsigned)(problem.groups * parts));
  if (vector)
    KOHL_LAUNCH(stream, igemm<by_four>, grid, dim3(T::THREADS), problem);
  else
    KOHL_LAUNCH(stream, igemm<by_one>, grid, dim3(T::THREADS), problem);
}

static void launch_blocks(const wgrad_problem &problem, int tile, kohl_stream *stream) {
  const bool vector = problem.k % 4 == 0 && problem.c % 4 == 0 && problem.src_pixel % 4 == 0 &&
                      problem.dst_pixel % 4 == 0 && igemm_aligned(problem.src) && igemm_aligned(problem.ddst);
  switch (tile) {
    case WGRAD_128X128: launch_tile<gemm_128x128>(problem, vector, stream); break;
    case WGRAD_64X128: launch_tile<gemm_64x128>(problem, vector, stream); break;
    case WGRAD_64X64: launch_tile<gemm_64x64>(problem, vector, stream); break;
    default: launch_tile<gemm_32x32>(problem, vector, stream);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  const wgrad_plan plan = plan_of(d);
  wgrad_problem problem = problem_of(d, args, plan);
  wgrad_sums sums = {problem.dwei,
                     plan.slot,
                     0,
                     (size_t)d->k * problem.filter,
                     (size_t)(d->bias ? d->k : 0),
                     static_cast<float *>(args->out[CONV2D_WGRAD_DWEI]),
                     static_cast<float *>(args->out[CONV2D_WGRAD_DBIA]),
                     true};
  const size_t most = plan.slots ? plan.slots : plan.blocks;
  if (!plan.blocks) wgrad_join(sums, stream); /* zeros */
  for (size_t first = 0; first < plan.blocks; first += most) {
    problem.first_block = first;
    problem.stop_block = plan.blocks - first < most ? plan.blocks : first + most;
    launch_blocks(problem, plan.tile, stream);
    if (!plan.slots) continue;
    sums.count = problem.stop_block - first;
    sums.begin = first == 0;
    wgrad_join(sums, stream);
  }
}

KOHL_CUDA_KERNEL(conv2d, wgrad, igemm_cuda, accepts, workspace_size, launch)
