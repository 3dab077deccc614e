/* batchnorm forward with AVX2: 8 channels a register, a masked register for the tail. */
#include <immintrin.h>

#include "kernels/batchnorm/batchnorm.h"

static const char *accepts(const void *desc) { return kohl_batchnorm_check(desc); }

static inline __m256 affine(__m256 x, __m256 a, __m256 b, bool relu) {
  __m256 y = _mm256_fmadd_ps(x, a, b);
  return relu ? _mm256_max_ps(_mm256_setzero_ps(), y) : y; /* the second operand stays for NaN and -0 */
}

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_batchnorm_desc *d = desc;
  const float *src = (const float *)args->in[BATCHNORM_SRC] + first * d->src_stride;
  const float *scale = args->in[BATCHNORM_SCALE], *shift = args->in[BATCHNORM_SHIFT];
  float *dst = (float *)args->out[BATCHNORM_DST] + first * d->dst_stride;
  const bool relu = d->activation == KOHL_ACTIVATION_RELU, stream = kohl_batchnorm_streams(d, args);
  const __m256i tail = _mm256_cmpgt_epi32(_mm256_set1_epi32(d->c % 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  for (; count; count--, src += d->src_stride, dst += d->dst_stride) {
    int c = 0;
    for (; c + 8 <= d->c; c += 8) {
      __m256 y = affine(_mm256_loadu_ps(src + c), _mm256_loadu_ps(scale + c), _mm256_loadu_ps(shift + c), relu);
      if (stream) {
        _mm256_stream_ps(dst + c, y);
      } else {
        _mm256_storeu_ps(dst + c, y);
      }
    }
    if (c == d->c) continue;
    __m256 x = _mm256_maskload_ps(src + c, tail), a = _mm256_maskload_ps(scale + c, tail);
    _mm256_maskstore_ps(dst + c, tail, affine(x, a, _mm256_maskload_ps(shift + c, tail), relu));
  }
  if (stream) kohl_stream_settle();
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_batchnorm_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->n * d->pixels, (size_t)d->c);
}

const kohl_kernel_code kohl_batchnorm_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
