/* activation forward with AVX2, relu and copy: 8 channels a register, a masked register for the tail; large
 * outputs that are not in place go past the caches. */
#include <immintrin.h>

#include "kernels/activation/activation.h"

static const char *accepts(const void *desc) {
  const kohl_activation_desc *d = desc;
  if (d->function == KOHL_ACTIVATION_FUNCTION_SIGMOID) return "no sigmoid";
  return kohl_activation_check(d);
}

static inline __m256 apply(__m256 x, bool relu) {
  return relu ? _mm256_max_ps(_mm256_setzero_ps(), x) : x; /* the second operand stays for NaN and -0 */
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_activation_desc *d = desc;
  const float *src = (const float *)args->in[ACTIVATION_SRC] + first * d->src_stride;
  float *dst = (float *)args->out[ACTIVATION_DST] + first * d->dst_stride;
  const bool relu = d->function == KOHL_ACTIVATION_FUNCTION_RELU;
  const bool stream = kohl_activation_stream(d, src, dst, (size_t)d->dst_stride);
  const __m256i tail = _mm256_cmpgt_epi32(_mm256_set1_epi32(d->c % 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    int c = 0;
    for (; stream && c < d->c; c += 8) {
      _mm256_stream_ps(dst + c, apply(_mm256_loadu_ps(src + c), relu));
    }
    for (; c + 8 <= d->c; c += 8) _mm256_storeu_ps(dst + c, apply(_mm256_loadu_ps(src + c), relu));
    if (c < d->c) _mm256_maskstore_ps(dst + c, tail, apply(_mm256_maskload_ps(src + c, tail), relu));
  }
  if (stream) kohl_stream_settle();
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_activation_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_activation_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
