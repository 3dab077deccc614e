/* colour: sums of parts of pictures where contrast needs a mean, the means, then a thread to a pixel, whose result goes
 * through shared memory so that a warp writes whole lines. */
#include "kernels/picture/grid.cuh"

extern "C" {
#include "kernels/colour/colour.h"
}

static constexpr unsigned BLOCK = 256, WARPS = BLOCK / 32;
static constexpr size_t PART = 8 * BLOCK; /* pixels that a block adds up */

static size_t parts_of(const kohl_colour_desc *d) { return (static_cast<size_t>(d->pixels) + PART - 1) / PART; }

/* uint64_t [n][parts], float [n]. */
static size_t workspace_size(const void *desc) {
  const kohl_colour_desc *d = static_cast<const kohl_colour_desc *>(desc);
  return static_cast<size_t>(d->n) * (parts_of(d) * sizeof(uint64_t) + sizeof(float));
}

static __device__ float clip(float x) { return x < 0.0f ? 0.0f : x > 255.0f ? 255.0f : x; }

static __device__ float grey(const float *v) { return fmaf(0.114f, v[2], fmaf(0.587f, v[1], 0.299f * v[0])); }

static __device__ void brighten(const float *src, float brightness, float *v) {
  for (int c = 0; c < 3; c++) v[c] = clip(src[c] * brightness);
}

static __device__ void blend(float factor, float plain, float *v) {
  for (int c = 0; c < 3; c++) v[c] = clip(fmaf(factor, v[c] - plain, plain));
}

/* The sum over a block, in its first thread; all threads call it.  Whole numbers: any order. */
static __device__ uint64_t block_sum(uint64_t sum) {
  KOHL_SHARED(uint64_t, sums, [WARPS]);
  for (int half = 16; half; half /= 2) sum += kohl_shuffle_xor(sum, half);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  for (unsigned i = 1; threadIdx.x == 0 && i < WARPS; i++) sum += sums[i];
  __syncthreads();
  return sum;
}

static __global__ void __launch_bounds__(BLOCK)
    sum_parts(kohl_colour_desc d, size_t parts, const float *src, const float *factors, uint64_t *sums) {
  for (size_t n = blockIdx.y; n < static_cast<size_t>(d.n); n += gridDim.y) {
    const float brightness = factors[n * 3];
    if (factors[n * 3 + 1] == 1.0f) continue;
    for (size_t part = blockIdx.x; part < parts; part += gridDim.x) {
      const size_t first = part * PART, left = d.pixels - first, count = left < PART ? left : PART;
      const float *at = src + (n * d.pixels + first) * 3;
      uint64_t total = 0;
      for (size_t i = threadIdx.x; i < count; i += BLOCK) {
        float v[3];
        brighten(at + 3 * i, brightness, v);
        const float level = grey(v);
        total += level > 0.0f ? static_cast<uint32_t>(level * 65536.0f) : 0; /* below 2^24 */
      }
      total = block_sum(total);
      if (threadIdx.x == 0) sums[n * parts + part] = total;
    }
  }
}

static __global__ void __launch_bounds__(BLOCK)
    average(kohl_colour_desc d, size_t parts, const float *factors, const uint64_t *sums, float *means) {
  for (size_t n = blockIdx.x; n < static_cast<size_t>(d.n); n += gridDim.x) {
    if (factors[n * 3 + 1] == 1.0f) continue;
    uint64_t total = 0;
    for (size_t part = threadIdx.x; part < parts; part += BLOCK) total += sums[n * parts + part];
    total = block_sum(total);
    if (threadIdx.x == 0) {
      means[n] = static_cast<float>(static_cast<double>(total) / (65536.0 * static_cast<double>(d.pixels)));
    }
  }
}

static __device__ void change(const float *factors, float mean, const float *src, float *v) {
  brighten(src, factors[0], v);
  if (factors[1] != 1.0f) blend(factors[1], mean, v);
  if (factors[2] != 1.0f) blend(factors[2], grey(v), v);
}

static __global__ void __launch_bounds__(BLOCK)
    apply(kohl_colour_desc d, const float *src, const float *factors, const float *means, float *dst) {
  KOHL_SHARED(float, tile, [BLOCK * 3]);
  const unsigned pixels = d.pixels;
  for (size_t n = blockIdx.y; n < static_cast<size_t>(d.n); n += gridDim.y) {
    const float *own = factors + n * 3;
    const float mean = own[1] != 1.0f ? means[n] : 0.0f;
    for (unsigned first = blockIdx.x * BLOCK; first < pixels; first += gridDim.x * BLOCK) {
      const size_t at = (n * pixels + first) * 3;
      const unsigned left = pixels - first, floats = 3 * (left < BLOCK ? left : BLOCK);
      if (threadIdx.x < left) change(own, mean, src + at + 3 * threadIdx.x, tile + 3 * threadIdx.x);
      __syncthreads(); /* dst may be src: what is written has been read */
      for (unsigned i = threadIdx.x; i < floats; i += BLOCK) dst[at + i] = tile[i];
      __syncthreads();
    }
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_colour_desc *d = static_cast<const kohl_colour_desc *>(desc);
  const float *src = static_cast<const float *>(args->in[COLOUR_SRC]);
  const float *factors = static_cast<const float *>(args->in[COLOUR_FACTORS]);
  const size_t parts = parts_of(d), tiles = (static_cast<size_t>(d->pixels) + BLOCK - 1) / BLOCK;
  uint64_t *sums = static_cast<uint64_t *>(args->workspace);
  float *means = reinterpret_cast<float *>(sums + static_cast<size_t>(d->n) * parts);
  const dim3 pictures(kohl_picture_grid(1, d->n, stream).y);
  KOHL_LAUNCH(stream, sum_parts, kohl_picture_grid(parts, d->n, stream), dim3(BLOCK), *d, parts, src, factors, sums);
  KOHL_LAUNCH(stream, average, pictures, dim3(BLOCK), *d, parts, factors, sums, means);
  KOHL_LAUNCH(stream, apply, kohl_picture_grid(tiles, d->n, stream), dim3(BLOCK), *d, src, factors, means,
              static_cast<float *>(args->out[COLOUR_DST]));
}

KOHL_CUDA_KERNEL(colour, fwd, cuda, kohl_colour_check, workspace_size, launch)
