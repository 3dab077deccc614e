/* conv2d input gradient on CUDA cores: for each phase of the stride a launch, a forward convolution of ddst with the
 * filters turned round (igemm_cuda.cuh); weights as they are stored. */
#include "kernels/conv2d/igemm_cuda.cuh"

extern "C" {
#include "kernels/conv2d/dgrad_phase.h"
}

/* One phase. */
typedef struct dgrad_problem {
  igemm_pixels pixels; /* the pictures are ddst, the pixels those of the phase in dsrc */
  const float *wei;    /* of the last tap that reaches the phase */
  int turns[IGEMM_TURNS];
  gemm_steps<int> taps; /* from there on descending; c is a filter */
  float *dsrc;          /* the phase's first pixel */
  size_t across, down;  /* floats of dsrc from one of the phase's pixels to the next */
  size_t picture;       /* and from picture to picture */
  int k, c;             /* of a group */
  int depth;            /* products of a sum: taps times k */
  unsigned tiles_m, tiles_n;
  bool wide; /* four channels at a time may be stored */
} dgrad_problem;

/* Loads b: of each filter the tap at hand, four of its channels at a time; taps descending. */
template <class T, bool VECTOR>
struct load_taps {
  static constexpr int PER_ROW = T::COLUMNS / 4, ROWS_APART = T::THREADS / PER_ROW, COUNT = T::DEPTH / ROWS_APART;
  static_assert(COUNT * ROWS_APART == T::DEPTH, "every thread loads as often");
  const dgrad_problem &d;
  const igemm_turn &turn;    /* of the loader of pixels */
  const float *wei;          /* VECTOR: what is fetched next; else where the walk begins */
  int channels;              /* that exist from the thread's first on */
  gemm_walk<int> tap[COUNT]; /* not VECTOR */
  float4 held[COUNT];

  __device__ __forceinline__ load_taps(const dgrad_problem &problem, igemm_place tile, const igemm_turn &pixels)
      : d(problem), turn(pixels), held{} {
    const int c = tile.n + (int)threadIdx.x % PER_ROW * 4, i = (int)threadIdx.x / PER_ROW;
    wei = d.wei + ((size_t)tile.group * d.k + (VECTOR ? i : 0)) * d.taps.c_step + c;
    channels = d.c - c;
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      tap[j] = {0, 0, 0, 0};
      if (!VECTOR) tap[j].move(d.taps, i + j * ROWS_APART);
    }
  }

  __device__ __forceinline__ void fetch() {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) {
      if constexpr (VECTOR) {
        held[j] = gemm_four<true>(wei + j * ROWS_APART * d.taps.c_step, channels, -0.0f);
      } else {
        held[j] = gemm_four<false>(wei + tap[j].at, tap[j].r < d.taps.r_end ? channels : 0, -0.0f);
        tap[j].move(d.taps, T::DEPTH);
      }
    }
    if (!VECTOR) return;
    wei += T::DEPTH * d.taps.c_step;
    if (turn.left == T::DEPTH) wei += d.turns[turn.tap];
  }

  __device__ __forceinline__ int place() const {
    return (int)threadIdx.x / PER_ROW * T::PITCH_B + (int)threadIdx.x % PER_ROW * 4;
  }
  __device__ __forceinline__ void put(float *to) const {
    KOHL_UNROLL()
    for (int j = 0; j < COUNT; j++) gemm_put(to + j * ROWS_APART * T::PITCH_B, held[j]);
  }
};

/* Out, WIDE channels at a time. */
template <class T, int WIDE>
static __device__ __forceinline__ void store(const dgrad_problem &d, const gemm_sums<T> &sums, igemm_place tile) {
  const size_t first_line = tile.m / d.pixels.q;
  const unsigned first_x = (unsigned)(tile.m - first_line * d.pixels.q), first_y = (unsigned)(first_line % d.pixels.p);
  float *const dsrc = d.dsrc + first_line / d.pixels.p * d.picture + (size_t)tile.group * d.c;
  KOHL_UNROLL()
  for (int row = 0; row < 4 * T::MI; row++) {
    const unsigned local = (unsigned)gemm_row<T>(row / 4) + row % 4;
    if (tile.m + local >= d.pixels.count) continue;
    const unsigned x = first_x + local, y = first_y + x / d.pixels.q;
    float *to = dsrc + y / d.pixels.p * d.picture + y % d.pixels.p * d.down + x % d.pixels.q * d.across;
    KOHL_UNROLL()
    for (int column = 0; column < 4 * T::NI; column += WIDE) {
      const int c = tile.n + gemm_column<T>(column / 4) + column % 4;
      if (c >= d.c) continue;
      const float *v = &sums.v[row][column];
      if (WIDE == 4)
        gemm_put(to + c, make_float4(v[0], v[1 % WIDE], v[2 % WIDE], v[3 % WIDE]));
      else
        to[c] = v[0];
    }
  }
}

template <class T_, bool VECTOR_>
struct dgrad_kind {
  typedef T_ T;
  static constexpr bool VECTOR = VECTOR_;
};

template <class Kind>
static __global__ void __launch_bounds__(Kind::T::THREADS, Kind::T::RESIDENT) igemm(const dgrad_problem d) {
  typedef typename Kind::T T;
  const igemm_place tile = igemm_place_of<T>(blockIdx.x, d.tiles_m, d.tiles_n);
  igemm_load_pixels<T, Kind::VECTOR> pixels(d.pixels, tile.m, tile.group);
  load_taps<T, Kind::VECTOR> taps(d, tile, pixels.turn);
  gemm_sums<T> sums;
  gemm_nothing nothing;
  gemm_product<T>(&pixels, &taps, (d.depth + T::DEPTH - 1) / T::DEPTH, &sums, &nothing);
  if (d.wide)
    store<T, 4>(d, sums, tile);
  else
    store<T, 1>(d, sums, tile);
}

static const char *accepts(const void *desc) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  const char *wrong = kohl_conv2d_gradient_check(d);
  if (!wrong) wrong = igemm_refusal(d, d->q, d->dst_stride[0]);
  const double lines = (d->h + d->stride_h - 1.0) / d->stride_h, columns = (d->w + d->stride_w - 1.0) / d->stride_w;
  return wrong ? wrong : igemm_too_many(d->n * lines * columns, d->c, d->groups);
}

static dgrad_problem problem_of(const kohl_conv2d_desc *d, const kohl_args *args, kohl_dgrad_side down,
                                kohl_dgrad_side across) {
  dgrad_problem problem;
  memset(&problem, 0, sizeof problem);
  const int pixel = d->dst_stride[0], c = d->c / d->groups, k = d->k / d->groups;
  const ptrdiff_t src_pixel = d->src_stride;
  igemm_pixels *pixels = &problem.pixels;
  pixels->src = static_cast<const float *>(args->in[CONV2D_DGRAD_DDST]);
  pixels->h = d->p;
  pixels->w = d->q;
  pixels->pixel = pixel;
  pixels->count = (size_t)d->n * down.pixels * across.pixels;
  pixels->p = down.pixels;
  pixels->q = across.pixels;
  pixels->stride_h = pixels->stride_w = 1;
  pixels->dilation_h = down.dilation;
  pixels->dilation_w = across.dilation;
  pixels->pad_top = down.pad;
  pixels->pad_left = across.pad;
  pixels->taps = gemm_steps_of(k, across.taps, down.taps, 1, igemm_tap_step(across.taps, across.dilation, pixel),
                               igemm_tap_step(down.taps, down.dilation, d->q * pixel));
  const int last_r = down.tap + (down.taps - 1) * down.tap_step;
  const int last_s = across.tap + (across.taps - 1) * across.tap_step;
  problem.wei = static_cast<const float *>(args->in[CONV2D_DGRAD_WEI]);
  if (down.taps && across.taps) problem.wei += ((ptrdiff_t)last_r * d->s + last_s) * c;
  problem.taps =
      gemm_steps_of(k, across.taps, down.taps, d->r * d->s * c, -across.tap_step * c, -down.tap_step * d->s * c);
  problem.dsrc = static_cast<float *>(args->out[CONV2D_DGRAD_DSRC]);
  problem.dsrc += (down.first * (ptrdiff_t)d->w + across.first) * src_pixel;
  problem.across = (size_t)(d->stride_w * src_pixel);
  problem.down = (size_t)(d->stride_h * (d->w * src_pixel));
  problem.picture = (size_t)(d->h * (d->w * src_pixel));
  problem.k = k;
  problem.c = c;
  problem.depth = down.taps * across.taps * k;
  problem.wide = c % 4 == 0 && src_pixel % 4 == 0 && igemm_aligned(problem.dsrc);
  return problem;
}

template <class Kind>
static void launch_tile(dgrad_problem problem, int groups, kohl_stream *stream) {
  problem.tiles_m = (unsigned)igemm_ceil(problem.pixels.count, Kind::T::ROWS);
  problem.tiles_n = (unsigned)igemm_ceil((size_t)problem.c, Kind::T::COLUMNS);
  const dim3 grid(problem.tiles_m * problem.tiles_n * (unsigned)groups);
  KOHL_LAUNCH(stream, igemm<Kind>, grid, dim3(Kind::T::THREADS), problem);
}

static void launch_phase(dgrad_problem problem, int groups, kohl_stream *stream) {
  const bool vector = igemm_turns_of(problem.pixels.taps, problem.pixels.turns) &&
                      igemm_turns_of(problem.taps, problem.turns) && problem.c % 4 == 0 &&
                      problem.pixels.pixel % 4 == 0 && igemm_aligned(problem.pixels.src) && igemm_aligned(problem.wei);
  switch (igemm_choose(problem.pixels.count, (size_t)problem.c, (size_t)groups, vector, stream->multiprocessors)) {
    case IGEMM_128X128: launch_tile<dgrad_kind<gemm_128x128, true>>(problem, groups, stream); break;
    case IGEMM_128X64: launch_tile<dgrad_kind<gemm_128x64, true>>(problem, groups, stream); break;
    case IGEMM_128X32: launch_tile<dgrad_kind<gemm_128x32, true>>(problem, groups, stream); break;
    case IGEMM_64X64:
      if (vector)
        launch_tile<dgrad_kind<gemm_64x64, true>>(problem, groups, stream);
      else
        launch_tile<dgrad_kind<gemm_64x64, false>>(problem, groups, stream);
      break;
    default:
      if (vector)
        launch_tile<dgrad_kind<gemm_32x32, true>>(problem, groups, stream);
      else
        launch_tile<dgrad_kind<gemm_32x32, false>>(problem, groups, stream);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_conv2d_desc *d = static_cast<const kohl_conv2d_desc *>(desc);
  for (int y = 0; y < d->stride_h && y < d->h; y++) {
    const kohl_dgrad_side down = kohl_dgrad_side_of(y, d->h, d->r, d->stride_h, d->dilation_h, d->pad_top);
    for (int x = 0; x < d->stride_w && x < d->w; x++) {
      const kohl_dgrad_side across = kohl_dgrad_side_of(x, d->w, d->s, d->stride_w, d->dilation_w, d->pad_left);
      launch_phase(problem_of(d, args, down, across), d->groups, stream);
    }
  }
}

KOHL_CUDA_KERNEL(conv2d, dgrad, igemm_cuda, accepts, NULL, launch)
