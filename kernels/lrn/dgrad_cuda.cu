/* lrn gradient: powers and quotients of a pixel's channels once, each by its own thread, then every window summed
 * anew.  The quotients go from thread to thread through shared memory, or through the workspace where a pixel has more
 * channels than fit there; ddst * power waits in dsrc for the thread that put it there. */
#include "kernels/lrn/lrn.cuh"

enum { THREADS = 256, TILE = 1024, WIDE_BLOCKS = 256, WIDE_FLOATS = 1 << 24 };

/* Blocks of threads, each with a row of the workspace, where a pixel has more than TILE channels. */
static unsigned wide_blocks(int c) {
  const unsigned blocks = WIDE_FLOATS / (unsigned)c;
  return blocks < 1 ? 1 : blocks < WIDE_BLOCKS ? blocks : (unsigned)WIDE_BLOCKS;
}

static __global__ void __launch_bounds__(THREADS)
    gradient(kohl_lrn_desc d, size_t pixels, const float *src, const float *ddst, float *dsrc, float *workspace) {
  KOHL_SHARED(float, tile, [TILE]);
  const float factor = 2.0f * d.alpha * d.beta;
  float *quotients = workspace ? workspace + (size_t)blockIdx.x * d.c : tile + threadIdx.y * d.c;
  for (size_t first = (size_t)blockIdx.x * blockDim.y; first < pixels; first += (size_t)gridDim.x * blockDim.y) {
    const size_t pixel = first + threadIdx.y;
    const unsigned count = pixel < pixels ? (unsigned)d.c : 0;
    const float *x = src + pixel * d.src_stride, *g = ddst + pixel * d.dst_stride;
    float *to = dsrc + pixel * d.src_stride;
    for (unsigned c = threadIdx.x; c < count; c += blockDim.x) {
      const float base = kohl_lrn_base(d, x, kohl_lrn_window_of(d, (int)c)), power = kohl_powf(base, -d.beta);
      quotients[c] = g[c] * x[c] * power / base;
      to[c] = g[c] * power;
    }
    __syncthreads();
    for (unsigned c = threadIdx.x; c < count; c += blockDim.x) {
      const kohl_lrn_window window = kohl_lrn_window_of(d, (int)c);
      float sum = 0.0f;
      for (int j = window.first; j <= window.last; j++) sum = sum + quotients[j];
      to[c] = fmaf(-(factor * x[c]), sum, to[c]);
    }
    __syncthreads();
  }
}

static size_t workspace_size(const void *desc) {
  const kohl_lrn_desc *d = static_cast<const kohl_lrn_desc *>(desc);
  return d->c > TILE ? wide_blocks(d->c) * (size_t)d->c * sizeof(float) : 0;
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_lrn_desc *d = static_cast<const kohl_lrn_desc *>(desc);
  const size_t pixels = (size_t)d->n * d->pixels;
  unsigned threads = 16;
  while (threads < THREADS && threads < (unsigned)d->c) threads *= 2;
  const dim3 block(threads, THREADS / threads);
  unsigned blocks = kohl_grid(pixels, block.y);
  if (d->c > TILE && blocks > wide_blocks(d->c)) blocks = wide_blocks(d->c);
  KOHL_LAUNCH(stream, gradient, dim3(blocks), block, *d, pixels, static_cast<const float *>(args->in[LRN_DGRAD_SRC]),
              static_cast<const float *>(args->in[LRN_DGRAD_DDST]), static_cast<float *>(args->out[LRN_DGRAD_DSRC]),
              d->c > TILE ? static_cast<float *>(args->workspace) : NULL);
}

KOHL_CUDA_KERNEL(lrn, dgrad, cuda, kohl_lrn_accepts, workspace_size, launch)
