/* activation gradient with AVX2, relu and copy: 8 channels a register, a masked register for the tail; large
 * outputs that are not in place go past the caches. */
#include <immintrin.h>

#include "kernels/activation/activation.h"

static const char *accepts(const void *desc) {
  const kohl_activation_desc *d = desc;
  if (d->function == KOHL_ACTIVATION_FUNCTION_SIGMOID) return "no sigmoid";
  return kohl_activation_check(d);
}

static inline __m256 gradient(__m256 dst, __m256 ddst, bool relu) {
  return relu ? _mm256_and_ps(ddst, _mm256_cmp_ps(dst, _mm256_setzero_ps(), _CMP_GT_OQ)) : ddst;
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_activation_desc *d = desc;
  const float *dst = (const float *)args->in[ACTIVATION_DGRAD_DST] + first * d->dst_stride;
  const float *ddst = (const float *)args->in[ACTIVATION_DGRAD_DDST] + first * d->dst_stride;
  float *dsrc = (float *)args->out[ACTIVATION_DGRAD_DSRC] + first * d->src_stride;
  const bool relu = d->function == KOHL_ACTIVATION_FUNCTION_RELU;
  const bool stream = kohl_activation_stream(d, ddst, dsrc, (size_t)d->src_stride);
  const __m256i tail = _mm256_cmpgt_epi32(_mm256_set1_epi32(d->c % 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  for (; count; count--, dst += d->dst_stride, ddst += d->dst_stride, dsrc += d->src_stride) {
    int c = 0;
    for (; stream && c < d->c; c += 8) {
      _mm256_stream_ps(dsrc + c, gradient(_mm256_loadu_ps(dst + c), _mm256_loadu_ps(ddst + c), relu));
    }
    for (; c + 8 <= d->c; c += 8) {
      _mm256_storeu_ps(dsrc + c, gradient(_mm256_loadu_ps(dst + c), _mm256_loadu_ps(ddst + c), relu));
    }
    if (c == d->c) continue;
    __m256 x = _mm256_maskload_ps(dst + c, tail), y = _mm256_maskload_ps(ddst + c, tail);
    _mm256_maskstore_ps(dsrc + c, tail, gradient(x, y, relu));
  }
  if (stream) kohl_stream_settle();
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_activation_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_activation_dgrad_avx2 = {accepts, NULL, NULL, NULL, run};
