/* resize forward with AVX2: the first pass takes two taps of an RGB pixel at a time, the second 16 neighbouring bytes.
 *
 * The sums are those of fwd_ref.c: 32-bit integers, in another order, which integers do not mind.  Nearest has no
 * arithmetic to gain from and is left to ref. */
#include <immintrin.h>
#include <string.h>

#include "kernels/resize/resize.h"

static const char *accepts(const void *desc) {
  const kohl_resize_desc *d = desc;
  if (d->filter == KOHL_FILTER_NEAREST) return "nearest has no sums";
  return d->c == 3 ? kohl_resize_check(d) : "channels are not 3";
}

typedef struct {
  const kohl_resize_desc *d;
  const uint8_t *src;
  uint8_t *dst;
  kohl_resize_plan plan;
} job;

/* 8 bytes from `at`, or as many as there are before end. */
static inline __m128i load8(const uint8_t *at, const uint8_t *end) {
  if (end - at >= 8) return _mm_loadl_epi64((const __m128i *)at);
  uint64_t bytes = 0;
  memcpy(&bytes, at, (size_t)(end - at));
  return _mm_cvtsi64_si128((int64_t)bytes);
}

/* Two pixels from `at` times two weights, channels in lanes 0-2 and 4-6. */
static inline __m256i products(const uint8_t *at, const uint8_t *end, int64_t weights) {
  const __m128i spread = _mm_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i repeat = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  __m256i pixels = _mm256_cvtepu8_epi32(_mm_shuffle_epi8(load8(at, end), spread));
  __m256i pair = _mm256_permutevar8x32_epi32(_mm256_set1_epi64x(weights), repeat);
  return _mm256_mullo_epi32(pixels, pair);
}

/* Rounds sums to bytes; the packs clamp. */
static inline __m128i to_bytes(__m128i low, __m128i high) {
  return _mm_packs_epi32(_mm_srai_epi32(low, KOHL_RESIZE_BITS), _mm_srai_epi32(high, KOHL_RESIZE_BITS));
}

/* First pass: one source row to q pixels. */
static void row_across(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_resize_desc *d = j->d;
  const kohl_resize_axis *axis = &j->plan.across;
  size_t rows = (size_t)j->plan.rows, n = index / rows, y = index % rows + (size_t)j->plan.first_row;
  const uint8_t *src = j->src + (n * (size_t)d->h + y) * (size_t)d->src_row, *end = src + (size_t)d->w * 3;
  uint8_t *dst = j->plan.middle + index * (size_t)d->q * 3;
  if (axis->copy) {
    memcpy(dst, src + (size_t)d->left * 3, (size_t)d->q * 3);
    return;
  }
  const __m128i half = _mm_set1_epi32(1 << (KOHL_RESIZE_BITS - 1));
  for (int x = 0; x < d->q; x++, dst += 3) {
    const uint8_t *at = src + (size_t)axis->from[x] * 3;
    const int32_t *weight = axis->weight + (size_t)x * (size_t)axis->taps;
    int t = 0, count = axis->count[x];
    __m256i acc = _mm256_setzero_si256();
    for (; t + 2 <= count; t += 2) {
      int64_t pair;
      memcpy(&pair, weight + t, sizeof pair);
      acc = _mm256_add_epi32(acc, products(at + 3 * t, end, pair));
    }
    /* An odd tap goes with a weight of zero, not with the next output's. */
    if (t < count) acc = _mm256_add_epi32(acc, products(at + 3 * t, end, (int64_t)(uint32_t)weight[t]));
    __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1)), half);
    __m128i shorts = to_bytes(sum, sum);
    uint32_t bytes = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(shorts, shorts));
    memcpy(dst, &bytes, 3);
  }
}

static inline __m256i add_row(__m256i acc, const uint8_t *at, __m256i weight) {
  __m256i pixels = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)at));
  return _mm256_add_epi32(acc, _mm256_mullo_epi32(pixels, weight));
}

/* 16 bytes of an output row: count rows, `bytes` apart, from first. */
static inline void column16(const uint8_t *first, size_t bytes, const int32_t *weight, int count, uint8_t *dst) {
  __m256i low = _mm256_set1_epi32(1 << (KOHL_RESIZE_BITS - 1)), high = low;
  for (int t = 0; t < count; t++, first += bytes) {
    __m256i w = _mm256_set1_epi32(weight[t]);
    low = add_row(low, first, w);
    high = add_row(high, first + 8, w);
  }
  __m128i a = to_bytes(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  __m128i b = to_bytes(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
  _mm_storeu_si128((__m128i *)dst, _mm_packus_epi16(a, b));
}

static uint8_t column1(const uint8_t *first, size_t bytes, const int32_t *weight, int count) {
  int32_t acc = 1 << (KOHL_RESIZE_BITS - 1);
  for (int t = 0; t < count; t++, first += bytes) acc += *first * weight[t];
  acc >>= KOHL_RESIZE_BITS;
  return (uint8_t)(acc < 0 ? 0 : acc > 255 ? 255 : acc);
}

/* Second pass: one output row out of the rows of the middle. */
static void row_down(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  const kohl_resize_desc *d = j->d;
  const kohl_resize_axis *axis = &j->plan.down;
  size_t p = (size_t)d->p, n = index / p, y = index % p, bytes = (size_t)d->q * 3, x = 0;
  const uint8_t *middle = j->plan.middle + n * (size_t)j->plan.rows * bytes;
  const uint8_t *first = middle + (size_t)(axis->from[y] - j->plan.first_row) * bytes;
  uint8_t *dst = j->dst + index * (size_t)d->dst_row;
  if (axis->copy) {
    memcpy(dst, first, bytes);
    return;
  }
  const int32_t *weight = axis->weight + y * (size_t)axis->taps;
  for (; x + 16 <= bytes; x += 16) column16(first + x, bytes, weight, axis->count[y], dst + x);
  for (; x < bytes; x++) dst[x] = column1(first + x, bytes, weight, axis->count[y]);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  job j = {.d = desc, .src = args->in[RESIZE_SRC], .dst = args->out[RESIZE_DST]};
  kohl_resize_plan_make(j.d, args->workspace, &j.plan);
  kohl_parallel(threads, row_across, &j, (size_t)j.d->n * (size_t)j.plan.rows);
  kohl_parallel(threads, row_down, &j, (size_t)j.d->n * (size_t)j.d->p);
}

const kohl_kernel_code kohl_resize_fwd_avx2 = {accepts, NULL, NULL, kohl_resize_workspace, run};
