/* conv2d forward on CUDA cores: an implicit product, pixels x filters (igemm_cuda.cuh); weights as they are stored.
 * docs/cuda-conv2d.md leads here step by step. */
#include "kernels/conv2d/igemm_cuda.cuh"

typedef struct fwd_problem {
  igemm_pixels pixels;
  const float *wei, *bia, *add;
  float *dst[KOHL_CONV2D_DSTS];
  int first_k[KOHL_CONV2D_DSTS], dst_stride[KOHL_CONV2D_DSTS]; /* first_k above all k: there is none */
  int filter, k, add_stride;                                   /* filter: its floats; k: filters of a group */
  unsigned tiles_m, tiles_n;
  kohl_activation activation;
  bool wide; /* four filters at a time may be stored, and their bias and addend read */
} fwd_problem;

/* Loads b: filters as they are stored, four floats of one at a time.  VECTOR: a filter is a multiple of DEPTH. */
template <class T, bool VECTOR>
struct load_filters {
  static constexpr int PER_ROW = T::DEPTH / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::COLUMNS / ROWS_APART;
  static_assert(COUNT * ROWS_APART == T::COLUMNS, "every thread loads the same number of filters");
  const float *at;
  size_t apart; /* floats between the thread's filters */
  bool exists[COUNT];
  int left; /* floats from here to the filter's end */
  float4 held[COUNT];

  __device__ __forceinline__ load_filters(const float *wei, int filter, int n, int filters) {
    const int i = (int)threadIdx.x % PER_ROW * 4, first = n + (int)threadIdx.x / PER_ROW;
    left = filter - i;
    at = wei + (size_t)first * filter + i;
    apart = (size_t)ROWS_APART * filter;
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) exists[j] = first + j * ROWS_APART < filters;
  }

  __device__ __forceinline__ void fetch() {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++)
      held[j] = gemm_four<VECTOR>(at + j * apart, !exists[j] ? 0 : VECTOR ? 4 : left, -0.0f);
    at += T::DEPTH;
    left -= T::DEPTH;
  }

  __device__ __forceinline__ int place() const {
    return (int)threadIdx.x % PER_ROW * 4 * T::PITCH_B + (int)threadIdx.x / PER_ROW;
  }
  __device__ __forceinline__ void put(float *to) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) gemm_put_turned<T::PITCH_B>(to + j * ROWS_APART, held[j]);
  }
};

/* The destination of filter k: *at is its float of pixel 0. */
static __device__ __forceinline__ int find_dst(const fwd_problem &d, int k, float **at) {
  float *dst = d.dst[0] + k;
  int stride = d.dst_stride[0];
  KOHL_UNROLL()
  for (int i = 1; i < KOHL_CONV2D_DSTS; i++) {
    if (k >= d.first_k[i]) {
      dst = d.dst[i] + (k - d.first_k[i]);
      stride = d.dst_stride[i];
    }
  }
  *at = dst;
  return stride;
}

/* Bias, addend, activation, and out, WIDE filters at a time. */
template <class T, int WIDE>
static __device__ __forceinline__ void store(const fwd_problem &d, const gemm_sums<T> &sums, igemm_place tile) {
  KOHL_UNROLL()
  for (int column = 0; column < 4 * T::NI; column += WIDE) {
    const int n = tile.n + gemm_column<T>(column / 4) + column % 4;
    if (n >= d.k) continue;
    const int k = tile.group * d.k + n;
    float *dst, bia[WIDE];
    const int stride = find_dst(d, k, &dst);
    KOHL_UNROLL()
    for (int w = 0; w < WIDE; w++) bia[w] = d.bia ? d.bia[k + w] : 0.0f;
    KOHL_UNROLL()
    for (int row = 0; row < 4 * T::MI; row++) {
      const size_t pixel = tile.m + gemm_row<T>(row / 4) + row % 4;
      if (pixel >= d.pixels.count) continue;
      float v[WIDE];
      KOHL_UNROLL()
      for (int w = 0; w < WIDE; w++) {
        v[w] = sums.v[row][column + w];
        if (d.bia) v[w] += bia[w];
        if (d.add) v[w] += d.add[pixel * d.add_stride + k + w];
        v[w] = kohl_activate(v[w], d.activation);
      }
      float *to = dst + pixel * stride;
      if (WIDE == 4)
        gemm_put(to, make_float4(v[0], v[1 % WIDE], v[2 % WIDE], v[3 % WIDE]));
      else
        to[0] = v[0];
    }
  }
}

template <class T_, bool VECTOR_>
struct fwd_kind {
  typedef T_ T;
  static constexpr bool VECTOR = VECTOR_;
};

template <class Kind>
static __global__ void __launch_bounds__(Kind::T::THREADS, Kind::T::RESIDENT) igemm(const fwd_problem d) {
  typedef typename Kind::T T;
  const igemm_place tile = igemm_place_of<T>(blockIdx.x, d.tiles_m, d.tiles_n);
  const int filter = d.filter;
  igemm_load_pixels<T, Kind::VECTOR> pixels(d.pixels, tile.m, tile.group);
  load_filters<T, Kind::VECTOR> filters(d.wei + (size_t)tile.group * d.k * filter, filter, tile.n, d.k);
  gemm_sums<T> sums;
  gemm_nothing nothing;
  gemm_product<T>(&pixels, &filters, (filter + T::DEPTH - 1) / T::DEPTH, &sums, &nothing);
  if (d.wide)
    store<T, 4>(d, sums, tile);
  else
    store<T, 1>(d, sums, tile);
}

static const char *accepts(const void *desc) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  if (d->pool) return "no fused pool";
  const char *wrong = kohl_conv2d_check(d);
  if (!wrong) wrong = igemm_refusal(d, d->w, d->src_stride);
  return wrong ? wrong : igemm_too_many((double)d->n * d->p * d->q, d->k, d->groups);
}

static bool wide(const kohl_conv2d_desc *d, const fwd_problem &problem) {
  bool all = d->k / d->groups % 4 == 0 && igemm_aligned(problem.bia) && igemm_aligned(problem.add);
  for (int i = 0; i < d->dsts; i++)
    all = all && d->dst_k[i] % 4 == 0 && d->dst_stride[i] % 4 == 0 && igemm_aligned(problem.dst[i]);
  return all && (!d->add || d->add_stride % 4 == 0);
}

static fwd_problem problem_of(const kohl_conv2d_desc *d, const kohl_args *args) {
  fwd_problem problem;
  memset(&problem, 0, sizeof problem);
  const int c = d->c / d->groups;
  igemm_pixels *pixels = &problem.pixels;
  pixels->src = static_cast<const float *>(args->in[CONV2D_SRC]);
  pixels->h = d->h;
  pixels->w = d->w;
  pixels->pixel = d->src_stride;
  pixels->count = (size_t)d->n * d->p * d->q;
  pixels->p = d->p;
  pixels->q = d->q;
  pixels->stride_h = d->stride_h;
  pixels->stride_w = d->stride_w;
  pixels->dilation_h = d->dilation_h;
  pixels->dilation_w = d->dilation_w;
  pixels->pad_top = d->pad_top;
  pixels->pad_left = d->pad_left;
  pixels->taps = gemm_steps_of(c, d->s, d->r, 1, igemm_tap_step(d->s, d->dilation_w, d->src_stride),
                               igemm_tap_step(d->r, d->dilation_h, d->w * d->src_stride));
  problem.filter = d->r * d->s * c;
  problem.wei = static_cast<const float *>(args->in[CONV2D_WEI]);
  problem.bia = d->bias ? static_cast<const float *>(args->in[CONV2D_BIA]) : NULL;
  problem.add = d->add ? static_cast<const float *>(args->in[CONV2D_ADD]) : NULL;
  for (int i = 0, k = 0; i < KOHL_CONV2D_DSTS; i++) {
    problem.first_k[i] = i < d->dsts ? k : INT32_MAX;
    if (i >= d->dsts) continue;
    problem.dst[i] = static_cast<float *>(args->out[CONV2D_DST + i]);
    problem.dst_stride[i] = d->dst_stride[i];
    k += d->dst_k[i];
  }
  problem.k = d->k / d->groups;
  problem.add_stride = d->add_stride;
  problem.activation = d->activation;
  problem.wide = wide(d, problem);
  return problem;
}

template <class Kind>
static void launch_tile(fwd_problem problem, int groups, kohl_stream *stream) {
  problem.tiles_m = (unsigned)igemm_ceil(problem.pixels.count, Kind::T::ROWS);
  problem.tiles_n = (unsigned)igemm_ceil((size_t)problem.k, Kind::T::COLUMNS);
  const dim3 grid(problem.tiles_m * problem.tiles_n * (unsigned)groups);
  KOHL_LAUNCH(stream, igemm<Kind>, grid, dim3(Kind::T::THREADS), problem);
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  fwd_problem problem = problem_of(d, args);
  const bool vector = igemm_turns_of(problem.pixels.taps, problem.pixels.turns) && d->src_stride % 4 == 0 &&
                      igemm_aligned(problem.pixels.src) && igemm_aligned(problem.wei);
  switch (igemm_choose(problem.pixels.count, (size_t)problem.k, (size_t)d->groups, vector, stream->multiprocessors)) {
    case IGEMM_128X128: launch_tile<fwd_kind<gemm_128x128, true>>(problem, d->groups, stream); break;
    case IGEMM_128X64: launch_tile<fwd_kind<gemm_128x64, true>>(problem, d->groups, stream); break;
    case IGEMM_128X32: launch_tile<fwd_kind<gemm_128x32, true>>(problem, d->groups, stream); break;
    case IGEMM_64X64:
      if (vector)
        launch_tile<fwd_kind<gemm_64x64, true>>(problem, d->groups, stream);
      else
        launch_tile<fwd_kind<gemm_64x64, false>>(problem, d->groups, stream);
      break;
    default:
      if (vector)
        launch_tile<fwd_kind<gemm_32x32, true>>(problem, d->groups, stream);
      else
        launch_tile<fwd_kind<gemm_32x32, false>>(problem, d->groups, stream);
  }
}

KOHL_CUDA_KERNEL(conv2d, fwd, igemm_cuda, accepts, NULL, launch)
