/* rmsprop with AVX2: 8 weights a register; the reference does what is left. */
#include <immintrin.h>

#include "kernels/rmsprop/rmsprop.h"

static const char *accepts(const void *desc) { return kohl_rmsprop_check(desc); }

static void work(const void *desc, const kohl_args *args, size_t first, size_t count) {
  const kohl_rmsprop_desc *d = desc;
  const float *grad = args->in[RMSPROP_GRAD];
  float *weights = args->out[RMSPROP_WEIGHTS], *v = args->out[RMSPROP_V], *m = args->out[RMSPROP_M];
  const __m256 lr = _mm256_set1_ps(d->lr), rho = _mm256_set1_ps(d->rho), rest = _mm256_set1_ps(1.0f - d->rho);
  const __m256 epsilon = _mm256_set1_ps(d->epsilon), momentum = _mm256_set1_ps(d->momentum);
  const bool inside = d->epsilon_inside, moving = d->momentum != 0.0f;
  size_t i = first, end = first + count;
  for (; i + 8 <= end; i += 8) {
    __m256 g = _mm256_loadu_ps(grad + i), square = _mm256_mul_ps(rest, _mm256_mul_ps(g, g));
    __m256 mean = _mm256_fmadd_ps(rho, _mm256_loadu_ps(v + i), square);
    __m256 den = inside ? _mm256_sqrt_ps(_mm256_add_ps(mean, epsilon)) : _mm256_add_ps(_mm256_sqrt_ps(mean), epsilon);
    __m256 step = _mm256_div_ps(_mm256_mul_ps(lr, g), den);
    _mm256_storeu_ps(v + i, mean);
    if (moving) {
      step = _mm256_fmadd_ps(momentum, _mm256_loadu_ps(m + i), step);
      _mm256_storeu_ps(m + i, step);
    }
    _mm256_storeu_ps(weights + i, _mm256_sub_ps(_mm256_loadu_ps(weights + i), step));
  }
  kohl_rmsprop_span(d, args, i, end - i);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_rmsprop_desc *d = desc;
  kohl_pixels_run(d, args, threads, work, (size_t)d->count, 1);
}

const kohl_kernel_code kohl_rmsprop_fwd_avx2 = {accepts, NULL, NULL, NULL, run};
