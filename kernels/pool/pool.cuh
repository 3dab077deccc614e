/* Pools on CUDA: pool's and adaptive_pool's, which differ in where their windows lie.
 *
 * An Axis is one side of the picture: `size` cells, `windows` windows, and
 *   window(i)   its cells inside the picture, and how many an average divides by
 *   first(cell), last(cell)   the windows that hold a cell; none where first > last
 *
 * Forward: a thread per window and one or four channels.  Gradient: a thread per cell and one or four channels goes
 * through the cell's windows in their order.  For a maximum, a pass over the windows has first put the chosen cell of
 * each into the workspace, for as many channels and pictures at a time as fit there: no window is searched twice. */
#ifndef KOHL_KERNELS_POOL_POOL_CUH
#define KOHL_KERNELS_POOL_POOL_CUH

#include "kernels/core/pixels.cuh"

struct kohl_pool_span {
  int first, count, divisor;
};

template <class Axis>
struct kohl_pool_shape {
  Axis y, x;
  int n, c;
  size_t src_stride, dst_stride; /* of src and dsrc, of dst and ddst */
  bool max;

  __host__ __device__ size_t cells() const { return (size_t)y.size * x.size; }
  __host__ __device__ size_t windows() const { return (size_t)y.windows * x.windows; }
};

/* Whether v replaces acc as the maximum. */
static __device__ inline bool kohl_pool_wins(float v, float acc) { return v > acc || v != v; }

/* dst of every window. */
template <class Axis>
struct kohl_pool_forward {
  kohl_pool_shape<Axis> shape;
  const float *src;
  float *dst;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    const size_t row = pixel / shape.x.windows, picture = row / shape.y.windows;
    const kohl_pool_span y = shape.y.window((int)(row - picture * shape.y.windows));
    const kohl_pool_span x = shape.x.window((int)(pixel - row * shape.x.windows));
    const size_t row_step = (size_t)shape.x.size * shape.src_stride;
    const float *from = src + (picture * shape.y.size + y.first) * row_step + x.first * shape.src_stride + c;
    kohl_floats<V> acc;
    for (int i = 0; i < V; i++) acc.v[i] = shape.max ? -INFINITY : 0.0f;
    for (int r = 0; r < y.count; r++, from += row_step) {
      KOHL_UNROLL(4)
      for (int s = 0; s < x.count; s++) {
        const kohl_floats<V> v = kohl_load<V>(from + s * shape.src_stride);
        for (int i = 0; i < V; i++) {
          acc.v[i] = !shape.max ? acc.v[i] + v.v[i] : kohl_pool_wins(v.v[i], acc.v[i]) ? v.v[i] : acc.v[i];
        }
      }
    }
    const float divisor = (float)y.divisor * (float)x.divisor;
    for (int i = 0; i < V; i++) acc.v[i] = shape.max ? acc.v[i] : acc.v[i] / divisor;
    kohl_store(dst + pixel * shape.dst_stride + c, acc);
  }
};

/* The cells of their picture that a window chose for V channels. */
template <int V>
struct alignas(V * sizeof(uint32_t)) kohl_pool_cells_of {
  uint32_t v[V];
};

/* chosen: [picture][window][channel]. */
template <class Axis>
struct kohl_pool_choose {
  kohl_pool_shape<Axis> shape;
  const float *src;
  uint32_t *chosen;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    const size_t row = pixel / shape.x.windows, picture = row / shape.y.windows;
    const kohl_pool_span y = shape.y.window((int)(row - picture * shape.y.windows));
    const kohl_pool_span x = shape.x.window((int)(pixel - row * shape.x.windows));
    const size_t first = (size_t)y.first * shape.x.size + x.first;
    const float *from = src + (picture * shape.cells() + first) * shape.src_stride + c;
    kohl_floats<V> acc;
    kohl_pool_cells_of<V> best;
    uint32_t cell = (uint32_t)first;
    for (int i = 0; i < V; i++) acc.v[i] = -INFINITY, best.v[i] = cell;
    for (int r = 0; r < y.count; r++, from += shape.x.size * shape.src_stride, cell += (uint32_t)shape.x.size) {
      KOHL_UNROLL(2)
      for (int s = 0; s < x.count; s++) {
        const kohl_floats<V> v = kohl_load<V>(from + s * shape.src_stride);
        for (int i = 0; i < V; i++) {
          if (kohl_pool_wins(v.v[i], acc.v[i])) acc.v[i] = v.v[i], best.v[i] = cell + (uint32_t)s;
        }
      }
    }
    *reinterpret_cast<kohl_pool_cells_of<V> *>(chosen + pixel * shape.c + c) = best;
  }
};

/* dsrc of every cell; chosen as above for a maximum. */
template <class Axis>
struct kohl_pool_gather {
  kohl_pool_shape<Axis> shape;
  const uint32_t *chosen;
  const float *ddst;
  float *dsrc;

  template <int V>
  __device__ void at(size_t pixel, size_t c) const {
    const size_t row = pixel / shape.x.size, picture = row / shape.y.size;
    const int i = (int)(row - picture * shape.y.size), j = (int)(pixel - row * shape.x.size);
    const uint32_t cell = (uint32_t)i * (uint32_t)shape.x.size + (uint32_t)j;
    const int p_last = shape.y.last(i), q_first = shape.x.first(j), q_last = shape.x.last(j);
    kohl_floats<V> acc;
    for (int k = 0; k < V; k++) acc.v[k] = 0.0f;
    for (int p = shape.y.first(i); p <= p_last; p++) {
      const float rows = shape.max ? 1.0f : (float)shape.y.window(p).divisor;
      for (int q = q_first; q <= q_last; q++) {
        const size_t window = (picture * shape.y.windows + p) * shape.x.windows + q;
        const kohl_floats<V> g = kohl_load<V>(ddst + window * shape.dst_stride + c);
        if (shape.max) {
          const auto best = *reinterpret_cast<const kohl_pool_cells_of<V> *>(chosen + window * shape.c + c);
          for (int k = 0; k < V; k++) acc.v[k] = best.v[k] == cell ? acc.v[k] + g.v[k] : acc.v[k];
        } else {
          const float divisor = rows * (float)shape.x.window(q).divisor;
          for (int k = 0; k < V; k++) acc.v[k] = acc.v[k] + g.v[k] / divisor;
        }
      }
    }
    kohl_store(dsrc + pixel * shape.src_stride + c, acc);
  }
};

/* Four channels a thread are for pictures that have threads enough. */
static inline bool kohl_pool_wide(const kohl_stream *stream, size_t pixels, int c) {
  return pixels * (size_t)c / 4 >= (size_t)stream->multiprocessors * 512;
}

template <class Axis>
static void kohl_pool_forward_launch(kohl_stream *stream, const kohl_pool_shape<Axis> &shape, const float *src,
                                     float *dst) {
  const kohl_pool_forward<Axis> op = {shape, src, dst};
  const size_t pixels = (size_t)shape.n * shape.windows();
  kohl_pixels_launch(stream, op, pixels, shape.c,
                     kohl_pool_wide(stream, pixels, shape.c) &&
                         kohl_fours(shape.c | (int)shape.src_stride | (int)shape.dst_stride, src, dst));
}

/* What the workspace holds: chosen cells of 16 MiB, which stay in a GPU's cache between the two passes, or of one
 * channel of one picture. */
struct kohl_pool_part {
  int pictures, channels;
};
enum { KOHL_POOL_CHOSEN = 1 << 22, KOHL_POOL_WINDOWS = 1 << 24, KOHL_POOL_PICTURES = 128, KOHL_POOL_CHANNELS = 2048 };

/* As many of `all` as there is room for, at most `most` and at least one. */
static inline int kohl_pool_most(int all, size_t room, int most) {
  const int count = all < most ? all : most;
  return (size_t)count < room ? count : room > 1 ? (int)room : 1;
}

template <class Axis>
static kohl_pool_part kohl_pool_part_of(const kohl_pool_shape<Axis> &shape) {
  const size_t room = KOHL_POOL_CHOSEN / shape.windows();
  const int channels = kohl_pool_most(shape.c, room > 32 ? room / 32 * 32 : room, KOHL_POOL_CHANNELS);
  return {kohl_pool_most(shape.n, room / (size_t)channels, KOHL_POOL_PICTURES), channels};
}

template <class Axis>
static size_t kohl_pool_dgrad_bytes(const kohl_pool_shape<Axis> &shape) {
  if (!shape.max) return 0;
  const kohl_pool_part part = kohl_pool_part_of(shape);
  return shape.windows() * part.pictures * part.channels * sizeof(uint32_t);
}

/* NULL, or why a gradient is refused. */
template <class Axis>
static const char *kohl_pool_dgrad_refusal(const kohl_pool_shape<Axis> &shape) {
  if (shape.max && shape.windows() > KOHL_POOL_WINDOWS) return "more than 2^24 windows in a picture";
  return shape.cells() > UINT32_MAX ? "more than 2^32 - 1 pixels in a picture" : NULL;
}

template <class Axis>
static void kohl_pool_dgrad_launch(kohl_stream *stream, const kohl_pool_shape<Axis> &shape, const float *src,
                                   const float *ddst, float *dsrc, void *workspace) {
  uint32_t *chosen = static_cast<uint32_t *>(workspace);
  const kohl_pool_part most = shape.max ? kohl_pool_part_of(shape) : kohl_pool_part{shape.n, shape.c};
  for (int64_t n = 0; n < shape.n; n += most.pictures) {
    for (int64_t c = 0; c < shape.c; c += most.channels) {
      const size_t cells = n * shape.cells() * shape.src_stride + c, windows = n * shape.windows();
      kohl_pool_shape<Axis> part = shape;
      part.n = shape.n - n < most.pictures ? (int)(shape.n - n) : most.pictures;
      part.c = shape.c - c < most.channels ? (int)(shape.c - c) : most.channels;
      const int strides = part.c | (int)shape.src_stride | (int)shape.dst_stride;
      if (shape.max) {
        const kohl_pool_choose<Axis> choose = {part, src + cells, chosen};
        kohl_pixels_launch(stream, choose, part.n * part.windows(), part.c, kohl_fours(strides, choose.src));
      }
      const kohl_pool_gather<Axis> gather = {part, chosen, ddst + windows * shape.dst_stride + c, dsrc + cells};
      kohl_pixels_launch(stream, gather, part.n * part.cells(), part.c, kohl_fours(strides, gather.ddst, gather.dsrc));
    }
  }
}

#endif
