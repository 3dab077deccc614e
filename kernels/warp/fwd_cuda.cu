/* warp: a thread to a pixel; results go through shared memory, so that a warp writes whole lines. */
#include "kernels/picture/grid.cuh"

extern "C" {
#include "kernels/warp/warp.h"
}

static constexpr unsigned BLOCK = 256;

static __global__ void __launch_bounds__(BLOCK)
    warp(kohl_warp_desc d, const uint8_t *src, const uint64_t *matrix, float *dst) {
  KOHL_SHARED(float, tile, [BLOCK * 3]);
  const unsigned q = d.q, pixels = d.p * q; /* at most 2^30 */
  for (size_t n = blockIdx.y; n < static_cast<size_t>(d.n); n += gridDim.y) {
    for (unsigned first = blockIdx.x * BLOCK; first < pixels; first += gridDim.x * BLOCK) {
      const unsigned pixel = first + threadIdx.x, y = pixel / q, left = pixels - first;
      const unsigned floats = 3 * (left < BLOCK ? left : BLOCK);
      float *out = dst + (n * pixels + first) * 3;
      if (pixel < pixels) {
        const kohl_warp_row row = kohl_warp_row_of(&d, src, matrix, n, y, NULL);
        kohl_warp_at(&row, static_cast<int>(pixel - y * q), tile + 3 * threadIdx.x);
      }
      __syncthreads();
      for (unsigned i = threadIdx.x; i < floats; i += BLOCK) out[i] = tile[i];
      __syncthreads();
    }
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_warp_desc *d = static_cast<const kohl_warp_desc *>(desc);
  const size_t pixels = static_cast<size_t>(d->p) * static_cast<size_t>(d->q);
  KOHL_LAUNCH(stream, warp, kohl_picture_grid((pixels + BLOCK - 1) / BLOCK, d->n, stream), dim3(BLOCK), *d,
              static_cast<const uint8_t *>(args->in[WARP_SRC]), static_cast<const uint64_t *>(args->in[WARP_MATRIX]),
              static_cast<float *>(args->out[WARP_DST]));
}

static const char *accepts(const void *desc) { return kohl_warp_check(static_cast<const kohl_warp_desc *>(desc)); }

KOHL_CUDA_KERNEL(warp, fwd, cuda, accepts, NULL, launch)
