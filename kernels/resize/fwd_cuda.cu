/* resize: the tables by a thread per output row and column, then a thread per output byte, which makes every byte of
 * the first pass that it needs anew.
 *
 * So nothing is kept between the passes, however large the pictures are; the price is that a byte of the first pass is
 * made by each output that reads it: twice with bilinear, up to six times with lanczos. */
#include "kernels/picture/grid.cuh"

extern "C" {
#include "kernels/resize/side.h"
}

static constexpr unsigned BLOCK = 128;

/* Of one side, as kohl_resize_axis; from, count [out], weight [out][taps]. */
struct table {
  int taps;
  int32_t *from, *count, *weight;
};

static size_t table_ints(const kohl_resize_side *s) {
  return static_cast<size_t>(s->out) * (2 + static_cast<size_t>(kohl_resize_taps(s)));
}

static table table_at(const kohl_resize_side *s, int32_t *memory) {
  return {kohl_resize_taps(s), memory, memory + s->out, memory + 2 * static_cast<size_t>(s->out)};
}

/* At most 2 MiB: an output's taps are up to six times what a side shrinks by, and one. */
static size_t workspace_size(const void *desc) {
  const kohl_resize_desc *d = static_cast<const kohl_resize_desc *>(desc);
  const kohl_resize_side across = kohl_resize_across(d), down = kohl_resize_down(d);
  return (table_ints(&across) + table_ints(&down)) * sizeof(int32_t);
}

/* The weights are asked for twice, to be added and to be divided: a thread has no room for a row of them. */
static __device__ void weigh(const kohl_resize_side &s, const table &to, int x) {
  int from, count;
  kohl_resize_bounds(&s, x + s.start, &from, &count);
  int32_t *weight = to.weight + static_cast<size_t>(x) * to.taps;
  kohl_resize_weights weights = kohl_resize_weights_of(&s, x + s.start, from);
  double sum = 0.0;
  for (int t = 0; t < count; t++) sum += kohl_resize_next(&weights, t);
  if (sum == 0.0) sum = 1.0;
  weights = kohl_resize_weights_of(&s, x + s.start, from);
  for (int t = 0; t < count; t++) weight[t] = kohl_resize_fixed(kohl_resize_next(&weights, t) / sum);
  to.from[x] = from;
  to.count[x] = count;
}

static __device__ void fill(const kohl_resize_side &s, const table &to, int x) {
  if (!kohl_resize_copies(&s)) {
    weigh(s, to, x);
    return;
  }
  if (s.filter != KOHL_FILTER_NEAREST) {
    to.from[x] = x + s.start;
  } else if (x == 0) {
    kohl_resize_nearest(&s, to.from); /* a running sum: one thread's work */
  }
  to.count[x] = 1;
  to.weight[x] = 1 << KOHL_RESIZE_BITS;
}

static __global__ void __launch_bounds__(BLOCK) tables(kohl_resize_desc d, table across, table down) {
  const kohl_resize_side columns = kohl_resize_across(&d), rows = kohl_resize_down(&d);
  for (int i = static_cast<int>(kohl_thread_index()); i < d.q + d.p; i += static_cast<int>(kohl_thread_count())) {
    if (i < d.q)
      fill(columns, across, i);
    else
      fill(rows, down, i - d.q);
  }
}

static __device__ int to_byte(int32_t sum) {
  sum >>= KOHL_RESIZE_BITS;
  return sum < 0 ? 0 : sum > 255 ? 255 : sum;
}

/* Output byte i of a row; rows is the first source row that it reads. */
static __device__ uint8_t resampled(const kohl_resize_desc &d, const table &across, const table &down, int y, int i,
                                    const uint8_t *rows) {
  const int x = i / d.c, count = across.count[x];
  const int32_t *wx = across.weight + static_cast<size_t>(x) * across.taps;
  const int32_t *wy = down.weight + static_cast<size_t>(y) * down.taps;
  const uint8_t *row = rows + static_cast<size_t>(across.from[x]) * d.c + (i - x * d.c);
  int32_t sum = 1 << (KOHL_RESIZE_BITS - 1);
  for (int v = 0; v < down.count[y]; v++, row += d.src_row) {
    int32_t first = 1 << (KOHL_RESIZE_BITS - 1);
    for (int u = 0; u < count; u++) first += row[u * d.c] * wx[u];
    sum += to_byte(first) * wy[v];
  }
  return static_cast<uint8_t>(to_byte(sum));
}

/* A unit is a block's part of an output row, parts to a row. */
static __global__ void __launch_bounds__(BLOCK)
    resample(kohl_resize_desc d, unsigned parts, table across, table down, const uint8_t *src, uint8_t *dst) {
  const unsigned units = d.p * parts; /* at most 2^15 2^10 */
  for (size_t n = blockIdx.y; n < static_cast<size_t>(d.n); n += gridDim.y) {
    for (unsigned unit = blockIdx.x; unit < units; unit += gridDim.x) {
      const int y = static_cast<int>(unit / parts), i = static_cast<int>(unit % parts * BLOCK + threadIdx.x);
      const uint8_t *rows = src + (n * d.h + down.from[y]) * d.src_row;
      if (i < d.q * d.c) dst[(n * d.p + y) * d.dst_row + i] = resampled(d, across, down, y, i, rows);
    }
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_resize_desc *d = static_cast<const kohl_resize_desc *>(desc);
  const kohl_resize_side columns = kohl_resize_across(d), rows = kohl_resize_down(d);
  int32_t *memory = static_cast<int32_t *>(args->workspace);
  const table across = table_at(&columns, memory), down = table_at(&rows, memory + table_ints(&columns));
  const unsigned parts = kohl_grid(static_cast<size_t>(d->q) * static_cast<size_t>(d->c), BLOCK);
  const dim3 grid = kohl_picture_grid(static_cast<size_t>(d->p) * parts, d->n, stream);
  if (d->n == 0) return;
  KOHL_LAUNCH(stream, tables, dim3(kohl_grid(static_cast<size_t>(d->q + d->p), BLOCK)), dim3(BLOCK), *d, across, down);
  KOHL_LAUNCH(stream, resample, grid, dim3(BLOCK), *d, parts, across, down,
              static_cast<const uint8_t *>(args->in[RESIZE_SRC]), static_cast<uint8_t *>(args->out[RESIZE_DST]));
}

static const char *accepts(const void *desc) { return kohl_resize_check(static_cast<const kohl_resize_desc *>(desc)); }

KOHL_CUDA_KERNEL(resize, fwd, cuda, accepts, workspace_size, launch)
