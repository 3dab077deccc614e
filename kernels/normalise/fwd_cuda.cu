/* normalise: a thread to four floats of the result where it has no gaps, else to one. */
#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/normalise/normalise.h"
}

enum { BLOCK = 256 };

/* Element c of a pixel; src is the pixel. */
template <class Level>
static __device__ float normalised(const kohl_normalise_desc &d, const Level *src, int c) {
  const float level = static_cast<float>(src[d.bgr ? 2 - c : c]);
  const float mean = c == 0 ? d.mean[0] : c == 1 ? d.mean[1] : d.mean[2];
  return fmaf(level, d.scale, -mean) * (c == 0 ? d.inv_std[0] : c == 1 ? d.inv_std[1] : d.inv_std[2]);
}

template <class Level>
static __global__ void __launch_bounds__(BLOCK) single(kohl_normalise_desc d, const Level *src, float *dst) {
  const size_t count = static_cast<size_t>(d.n) * d.pixels * 3;
  for (size_t i = kohl_thread_index(); i < count; i += kohl_thread_count()) {
    const size_t pixel = i / 3;
    const int c = static_cast<int>(i - pixel * 3);
    dst[pixel * d.dst_stride + c] = normalised(d, src + pixel * 3, c);
  }
}

/* Three floats to a pixel, dst at 16 bytes. */
template <class Level>
static __global__ void __launch_bounds__(BLOCK) four(kohl_normalise_desc d, const Level *src, float *dst) {
  const size_t count = static_cast<size_t>(d.n) * d.pixels * 3;
  for (size_t i = kohl_thread_index(); i < (count + 3) / 4; i += kohl_thread_count()) {
    const size_t first = i * 4, pixel = first / 3;
    const Level *at = src + pixel * 3;
    int c = static_cast<int>(first - pixel * 3);
    const int left = count - first < 4 ? static_cast<int>(count - first) : 4;
    float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = 0; k < 4; k++) {
      if (k < left) v[k] = normalised(d, at, c);
      at += c == 2 ? 3 : 0;
      c = c == 2 ? 0 : c + 1;
    }
    if (left == 4) {
      reinterpret_cast<float4 *>(dst)[i] = make_float4(v[0], v[1], v[2], v[3]);
    } else {
      for (int k = 0; k < 3; k++) {
        if (k < left) dst[first + k] = v[k];
      }
    }
  }
}

template <class Level>
static void launch_levels(const kohl_normalise_desc *d, const kohl_args *args, kohl_stream *stream) {
  const Level *src = static_cast<const Level *>(args->in[NORMALISE_SRC]);
  float *dst = static_cast<float *>(args->out[NORMALISE_DST]);
  const size_t count = static_cast<size_t>(d->n) * static_cast<size_t>(d->pixels) * 3;
  if (d->dst_stride == 3 && reinterpret_cast<uintptr_t>(dst) % sizeof(float4) == 0) {
    KOHL_LAUNCH(stream, four<Level>, dim3(kohl_grid((count + 3) / 4, BLOCK)), dim3(BLOCK), *d, src, dst);
  } else {
    KOHL_LAUNCH(stream, single<Level>, dim3(kohl_grid(count, BLOCK)), dim3(BLOCK), *d, src, dst);
  }
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_normalise_desc *d = static_cast<const kohl_normalise_desc *>(desc);
  if (d->floats)
    launch_levels<float>(d, args, stream);
  else
    launch_levels<uint8_t>(d, args, stream);
}

static const char *accepts(const void *desc) {
  return kohl_normalise_check(static_cast<const kohl_normalise_desc *>(desc));
}

KOHL_CUDA_KERNEL(normalise, fwd, cuda, accepts, NULL, launch)
