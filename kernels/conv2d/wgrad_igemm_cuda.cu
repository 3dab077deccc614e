/* conv2d weight gradient on CUDA cores: filters x weights, summed over the pixels of a block of output rows
 * (gemm_cuda.cuh), and the blocks' sums added in their order.
 *
 * A launch works out the sums of as many blocks of rows as fill a GPU and have room in the workspace.  It adds the
 * first one's to the result by itself, and a second launch adds those in the workspace (wgrad_join_cuda.cuh).  Where
 * filters x weights alone fill a GPU, or are more than the workspace holds, the first one is all that a launch has. */
#include "kernels/conv2d/igemm_cuda.cuh"
#include "kernels/conv2d/wgrad_join_cuda.cuh"

typedef struct wgrad_problem {
  const float *src, *ddst;
  float *dwei, *dbia;      /* dbia NULL: none */
  float *sums;             /* workspace: dwei and dbia of each block of rows but a launch's first, slot floats apart */
  size_t slot, weights;    /* weights: floats of dwei */
  int rows, block_rows;    /* output rows of the batch, and of a block */
  int first_block, blocks; /* of rows, in this launch */
  gemm_steps<long long> pixels; /* of the batch, q fastest, then p */
  long long line, picture;      /* floats of src from p to p + 1, and from n to n + 1 */
  long long origin;             /* and to where tap (0, 0) of the first pixel is */
  int x_span, y_span;           /* columns and rows that all q and p move a tap by */
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
  int left;           /* pixels from the thread's first one to the end */
  float4 held[COUNT];

  __device__ __forceinline__ load_gradients(const wgrad_problem &d, igemm_place tile, int row, int rows)
      : pixel(d.dst_pixel) {
    const int i = (int)threadIdx.x / PER_ROW, k = (int)tile.m + (int)threadIdx.x % PER_ROW * 4;
    filters = d.k - k;
    at = d.ddst + ((size_t)row * d.pixels.c_end + i) * pixel + ((size_t)tile.group * d.k + k);
    left = rows * d.pixels.c_end - i;
  }

  __device__ __forceinline__ void fetch() {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      held[j] = gemm_four<VECTOR>(at + (ptrdiff_t)(j * ROWS_APART) * pixel, left > j * ROWS_APART ? filters : 0, -0.0f);
    }
    at += (ptrdiff_t)T::DEPTH * pixel;
    left -= T::DEPTH;
  }

  __device__ __forceinline__ int place() const {
    return (int)threadIdx.x / PER_ROW * T::PITCH_A + (int)threadIdx.x % PER_ROW * 4;
  }
  __device__ __forceinline__ void put(float *to) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) gemm_put(to + j * ROWS_APART * T::PITCH_A, held[j]);
  }
};

/* So far up that it is outside from any row, -2^30 < row <= 2^30. */
enum { OUTSIDE = -(1 << 30) - 1 };

/* Loads b: src at each weight's tap of a pixel, four channels at a time.  A tap outside the picture is +0, and so is
 * what lies beyond the block of rows. */
template <class T, bool VECTOR>
struct load_sources {
  static constexpr int PER_ROW = T::COLUMNS / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::DEPTH / ROWS_APART;
  static constexpr int TAPS = VECTOR ? 1 : 4; /* of a thread's four weights */
  static_assert(COUNT * ROWS_APART == T::DEPTH, "every thread loads as often");
  const wgrad_problem &d;
  int down[TAPS], across[TAPS], tap[TAPS]; /* not VECTOR: rows, columns and floats from a pixel to its taps */
  int x_end, y_end;
  /* Pixels, one for each of the thread's rows of a step; VECTOR: their tap. */
  const float *at[COUNT];
  int y[COUNT], x[COUNT], rows[COUNT]; /* rows of the block from here on */
  float4 held[COUNT];

  __device__ __forceinline__ load_sources(const wgrad_problem &problem, igemm_place tile, int row, int rows_left)
      : d(problem) {
    const int n = tile.n + (int)threadIdx.x % PER_ROW * 4;
    KOHL_UNROLL()
    for (int u = 0; u < TAPS; u++) {
      const int place = (n + u) / d.c, r = place / d.s, s = place - r * d.s;
      down[u] = VECTOR || n + u < d.filter ? r * d.dilation_h : OUTSIDE;
      across[u] = s * d.dilation_w;
      tap[u] = (r * d.dilation_h * d.w + s * d.dilation_w) * d.src_pixel + n + u - place * d.c;
    }
    if (n >= d.filter) rows_left = 0;
    const int picture = row / d.pixels.s_end, p = row - picture * d.pixels.s_end;
    x_end = d.x_span - d.pad_left + (VECTOR ? across[0] : 0);
    y_end = d.y_span - d.pad_top + (VECTOR ? down[0] : 0);
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      at[j] = d.src + (p * d.line + picture * d.picture + d.origin + tile.group * d.c + (VECTOR ? tap[0] : 0));
      y[j] = y_end - d.y_span + p * d.stride_h;
      x[j] = x_end - d.x_span;
      rows[j] = rows_left;
      move(j, (int)threadIdx.x / PER_ROW + j * ROWS_APART);
    }
  }

  __device__ __forceinline__ void move(int j, int pixels) {
    at[j] += pixels * d.pixels.c_step;
    x[j] += pixels * d.stride_w;
    while (x[j] >= x_end) {
      at[j] += d.pixels.c_turn;
      x[j] -= d.x_span;
      y[j] += d.stride_h;
      rows[j]--;
      if (y[j] == y_end) {
        at[j] += d.pixels.s_turn;
        y[j] -= d.y_span;
      }
    }
  }

  __device__ __forceinline__ void fetch() {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      if constexpr (VECTOR) {
        const bool inside = rows[j] > 0 && (unsigned)y[j] < (unsigned)d.h && (unsigned)x[j] < (unsigned)d.w;
        held[j] = gemm_four<true>(at[j], inside ? 4 : 0, 0.0f);
      } else {
        float four[4];
        KOHL_UNROLL()
        for (int u = 0; u < 4; u++) {
          const bool inside =
              rows[j] > 0 && (unsigned)(y[j] + down[u]) < (unsigned)d.h && (unsigned)(x[j] + across[u]) < (unsigned)d.w;
          four[u] = inside ? at[j][tap[u]] : 0.0f;
        }
        held[j] = make_float4(four[0], four[1], four[2], four[3]);
      }
      move(j, T::DEPTH);
    }
  }

  __device__ __forceinline__ int place() const {
    return (int)threadIdx.x / PER_ROW * T::PITCH_B + (int)threadIdx.x % PER_ROW * 4;
  }
  __device__ __forceinline__ void put(float *to) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) gemm_put(to + j * ROWS_APART * T::PITCH_B, held[j]);
  }
};

/* The sum of ddst for the bias, from what the product has in shared memory: thread t has filter t of the tile. */
struct bias_sum {
  bool wanted;
  float sum;

  template <class T>
  __device__ __forceinline__ void step(const float *a) {
    if (!wanted) return;
    KOHL_UNROLL()
    for (int i = 0; i < T::DEPTH; i++) sum += a[i * T::PITCH_A + threadIdx.x];
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
  const int part = tile.group / d.groups;
  tile.group -= part * d.groups;
  const int row = (d.first_block + part) * d.block_rows;
  const int rows = d.rows - row < d.block_rows ? d.rows - row : d.block_rows;
  load_gradients<T, Kind::VECTOR> gradients(d, tile, row, rows);
  load_sources<T, Kind::VECTOR> sources(d, tile, row, rows);
  gemm_sums<T> sums;
  bias_sum bias = {d.dbia && tile.n == 0 && (int)threadIdx.x < T::ROWS && (int)(tile.m + threadIdx.x) < d.k, 0.0f};
  gemm_product<T>(&gradients, &sources, (rows * d.pixels.c_end + T::DEPTH - 1) / T::DEPTH, &sums, &bias);
  float *const slot = part ? d.sums + (part - 1) * d.slot : NULL, *const dwei = part ? slot : d.dwei;
  const bool add = part == 0 && d.first_block > 0; /* a launch's first block of rows adds to the result */
  if (d.wide)
    store<T, 4>(d, sums, tile, dwei, add);
  else
    store<T, 1>(d, sums, tile, dwei, add);
  if (bias.wanted) {
    float *const dbia = (part ? slot + d.weights : d.dbia) + (tile.group * d.k + tile.m + threadIdx.x);
    *dbia = add ? *dbia + bias.sum : bias.sum;
  }
}

enum { WGRAD_128X128, WGRAD_64X128, WGRAD_64X64, WGRAD_32X32, WGRAD_TILES };
static const gemm_shape shapes[WGRAD_TILES] = {
    {128, 128, 8, 1.0}, {64, 128, 4, 0.97}, {64, 64, 4, 0.8}, {32, 32, 2, 0.5}};

/* Those that load float by float are the smaller ones. */
static int choose(const wgrad_problem &problem, size_t blocks, bool vector, int multiprocessors) {
  const int first = vector ? 0 : WGRAD_64X64;
  return first + gemm_choose(shapes + first, WGRAD_TILES - first, (size_t)problem.k, (size_t)problem.filter,
                             problem.groups * blocks, multiprocessors);
}

/* Blocks of rows to a launch. */
typedef struct wgrad_plan {
  size_t blocks; /* of rows, altogether */
  size_t slots;  /* of a launch: the first one's sums are added to the result, the others' go to the workspace before */
  size_t slot;   /* floats of one in the workspace, a multiple of 4 */
} wgrad_plan;

/* The plan depends on the shape alone (and a smaller batch's never needs more), and is made for an H100: so many
 * multiply-adds of a multiprocessor fit into the microseconds between two launches.  More than 16 blocks of threads a
 * multiprocessor make a launch no better. */
enum { WORKSPACE = 64 << 20, MULTIPROCESSORS = 132, BETWEEN_LAUNCHES = 400000, ENOUGH = 16 * MULTIPROCESSORS };

static wgrad_plan plan_of(const kohl_conv2d_desc *d) {
  const size_t k = (size_t)(d->k / d->groups), filter = (size_t)d->r * d->s * (d->c / d->groups);
  const size_t rows = (size_t)d->n * d->p, block_rows = (size_t)kohl_conv2d_block_rows(d);
  wgrad_plan plan = {igemm_ceil(rows, block_rows), 1, igemm_ceil(d->k * filter + (d->bias ? d->k : 0), 4) * 4};
  const size_t room = WORKSPACE / sizeof(float) / plan.slot;
  double best = INFINITY;
  for (size_t part = 0; part <= 8; part++) { /* of what there is room for and enough */
    for (int tile = 0; tile < WGRAD_TILES; tile++) {
      const size_t enough = igemm_ceil(ENOUGH, gemm_tiles(&shapes[tile], k, filter) * d->groups);
      const size_t slots = 1 + (room < enough ? room : enough) * part / 8;
      double time = gemm_time(&shapes[tile], k, filter, d->groups * slots, MULTIPROCESSORS) * block_rows * d->q;
      time = (time + (slots > 1 ? 2 : 1) * BETWEEN_LAUNCHES) / slots;
      if (slots > 1) time += 0.5 * plan.slot; /* to memory and back at 3.35 TB/s, in multiply-adds of that time */
      if (time < best) best = time, plan.slots = slots;
    }
  }
  if (plan.slots > plan.blocks) plan.slots = plan.blocks > 1 ? plan.blocks : 1;
  return plan;
}

static size_t workspace_size(const void *desc) {
  const wgrad_plan plan = plan_of(static_cast<const kohl_conv2d_desc *>(desc));
  return (plan.slots - 1) * plan.slot * sizeof(float);
}

static const char *accepts(const void *desc) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  const char *wrong = kohl_conv2d_gradient_check(d);
  return wrong ? wrong : igemm_refusal(d, d->w, d->src_stride);
}

static wgrad_problem problem_of(const kohl_conv2d_desc *d, const kohl_args *args, const wgrad_plan &plan) {
  wgrad_problem problem;
  memset(&problem, 0, sizeof problem);
  const long long pixel = d->src_stride;
  problem.src = static_cast<const float *>(args->in[CONV2D_WGRAD_SRC]);
  problem.ddst = static_cast<const float *>(args->in[CONV2D_WGRAD_DDST]);
  problem.dwei = static_cast<float *>(args->out[CONV2D_WGRAD_DWEI]);
  problem.sums = static_cast<float *>(args->workspace);
  problem.dbia = d->bias ? static_cast<float *>(args->out[CONV2D_WGRAD_DBIA]) : NULL;
  problem.groups = d->groups;
  problem.k = d->k / d->groups;
  problem.s = d->s;
  problem.c = d->c / d->groups;
  problem.filter = d->r * d->s * problem.c;
  problem.slot = plan.slot;
  problem.weights = (size_t)d->k * problem.filter;
  problem.rows = d->n * d->p;
  problem.block_rows = kohl_conv2d_block_rows(d);
  problem.h = d->h;
  problem.w = d->w;
  problem.src_pixel = d->src_stride;
  problem.dst_pixel = d->dst_stride[0];
  problem.stride_h = d->stride_h;
  problem.stride_w = d->stride_w;
  problem.dilation_h = d->r > 1 ? d->dilation_h : 0;
  problem.dilation_w = d->s > 1 ? d->dilation_w : 0;
  problem.pad_top = d->pad_top;
  problem.pad_left = d->pad_left;
  problem.x_span = d->q * d->stride_w;
  problem.y_span = d->p * d->stride_h;
  problem.line = d->stride_h * (d->w * pixel);
  problem.picture = d->h * (d->w * pixel);
  problem.origin = -(d->pad_top * (long long)d->w + d->pad_left) * pixel;
  problem.pixels = gemm_steps_of(d->q, d->p, d->n, d->stride_w * pixel, problem.line, problem.picture);
  problem.wide = problem.filter % 4 == 0 && igemm_aligned(problem.dwei) && igemm_aligned(problem.sums);
  return problem;
}

template <class Kind>
static void launch_tile(wgrad_problem problem, kohl_stream *stream) {
  problem.tiles_m = (unsigned)igemm_ceil((size_t)problem.k, Kind::T::ROWS);
  problem.tiles_n = (unsigned)igemm_ceil((size_t)problem.filter, Kind::T::COLUMNS);
  const dim3 grid(problem.tiles_m * problem.tiles_n * (unsigned)problem.groups * (unsigned)problem.blocks);
  KOHL_LAUNCH(stream, igemm<Kind>, grid, dim3(Kind::T::THREADS), problem);
}

static void launch_blocks(const wgrad_problem &problem, kohl_stream *stream) {
  const bool vector = problem.k % 4 == 0 && problem.c % 4 == 0 && problem.src_pixel % 4 == 0 &&
                      problem.dst_pixel % 4 == 0 && igemm_aligned(problem.src) && igemm_aligned(problem.ddst);
  switch (choose(problem, (size_t)problem.blocks, vector, stream->multiprocessors)) {
    case WGRAD_128X128: launch_tile<wgrad_kind<gemm_128x128, true>>(problem, stream); break;
    case WGRAD_64X128: launch_tile<wgrad_kind<gemm_64x128, true>>(problem, stream); break;
    case WGRAD_64X64:
      if (vector)
        launch_tile<wgrad_kind<gemm_64x64, true>>(problem, stream);
      else
        launch_tile<wgrad_kind<gemm_64x64, false>>(problem, stream);
      break;
    default:
      if (vector)
        launch_tile<wgrad_kind<gemm_32x32, true>>(problem, stream);
      else
        launch_tile<wgrad_kind<gemm_32x32, false>>(problem, stream);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  const wgrad_plan plan = plan_of(d);
  wgrad_problem problem = problem_of(d, args, plan);
  wgrad_sums sums = {problem.sums, plan.slot,    0,           problem.weights, (size_t)(d->bias ? d->k : 0),
                     problem.dwei, problem.dbia, !plan.blocks};
  if (sums.zero) wgrad_join(sums, stream);
  for (size_t first = 0; first < plan.blocks; first += plan.slots) {
    problem.first_block = (int)first;
    problem.blocks = (int)(plan.blocks - first < plan.slots ? plan.blocks - first : plan.slots);
    launch_blocks(problem, stream);
    sums.count = (size_t)problem.blocks - 1;
    if (sums.count) wgrad_join(sums, stream);
  }
}

KOHL_CUDA_KERNEL(conv2d, wgrad, igemm_cuda, accepts, workspace_size, launch)
