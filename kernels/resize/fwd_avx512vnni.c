/* resize forward for RGB with AVX-512 VNNI: four taps of sixteen sums to an instruction (vpdpbusd).
 *
 * A weight of 23 bits and a sign is three signed bytes: d0 + d1 * 2^8 + d2 * 2^16, d0 and d1 in -128 .. 127; being
 * below 1.5 * 2^22 (resize.h), its d2 is in -97 .. 97.  The products of bytes and the sums of four of them are exact,
 * all other additions are modulo 2^32, and the whole sum, being below 2^31, comes out as in fwd_ref.c.
 *
 * First pass: a strip of 16 rows is turned into units, [4 pixels wide][channel][16 rows][4 pixels]; a register then
 * holds four neighbouring pixels of 16 rows, all rows have the same weights, and no sum runs across a register. Outputs
 * go to the middle as [4 rows high][q * 3][4 rows], which is what the second pass multiplies, 16 columns to a register.
 * A side that keeps its size has one weight of 2^22. */
#include <immintrin.h>
#include <string.h>

#include "kernels/resize/resize.h"

/* STRIP: rows; QUAD: taps that are multiplied together; UNIT: bytes of one channel; LANES: sums of a register. */
enum { STRIP = KOHL_RESIZE_STRIP, QUAD = 4, UNIT = STRIP * QUAD, LANES = 16, DIGITS = 3 };

/* Sixteen sums.  In a loop gcc 12 copies every __m512i that vpdpbusd adds to, which it takes for 64-bit numbers, twice
 * a round; this type it keeps in place. */
typedef int32_t sums __attribute__((vector_size(64)));

/* sum + the products of four bytes and four signed bytes in each place. */
static inline sums dot(sums sum, __m512i bytes, __m512i weights) {
  return (sums)_mm512_dpbusd_epi32((__m512i)sum, bytes, weights);
}

/* Where the quads of an output begin, and how many there are. */
typedef struct {
  int32_t first, count;
} span;

typedef struct {
  const kohl_resize_desc *d;
  const uint8_t *src, *end; /* end: behind the last pixel of the last row */
  uint8_t *dst;
  kohl_resize_plan plan;
  const span *across_span, *down_span;
  const int32_t *across, *down; /* [output][most quads][DIGITS], four signed bytes each */
  int across_quads, down_quads; /* most of an output */
  int first_column;             /* a multiple of 4 */
  uint8_t *middle, *turned;     /* turned: one strip per worker */
  size_t middle_quad, turned_bytes;
} job;

static const char *accepts(const void *desc) {
  const kohl_resize_desc *d = desc;
  if (d->filter == KOHL_FILTER_NEAREST) return "nearest has no sums";
  return d->c == 3 ? kohl_resize_check(d) : "channels are not 3";
}

static size_t part(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* The quads that taps touch which begin anywhere in one. */
static int most_quads(const kohl_resize_desc *d, bool across) {
  return (kohl_resize_most_taps(d, across) + 2 * QUAD - 2) / QUAD;
}

static size_t span_bytes(int out) { return part((size_t)out * sizeof(span)); }

static size_t digit_bytes(const kohl_resize_desc *d, bool across) {
  return part((size_t)(across ? d->q : d->p) * (size_t)most_quads(d, across) * DIGITS * sizeof(int32_t));
}

/* Packed: the tables, then the spans and the digits of both axes. */
static size_t packed_size(const void *desc) {
  const kohl_resize_desc *d = desc;
  return kohl_resize_tables_size(d) + span_bytes(d->q) + span_bytes(d->p) + digit_bytes(d, true) +
         digit_bytes(d, false);
}

/* The three digits of a quad, in one word each. */
static void pack_quad(const int32_t weight[QUAD], int32_t *digits) {
  uint32_t words[DIGITS] = {0, 0, 0};
  for (int i = 0; i < QUAD; i++) {
    int32_t w = weight[i];
    for (int digit = 0; digit < DIGITS; digit++) {
      int32_t low = (int8_t)(uint8_t)((uint32_t)w & 255);
      words[digit] |= ((uint32_t)low & 255) << 8 * i;
      w = (w - low) / 256; /* without a remainder */
    }
  }
  memcpy(digits, words, sizeof words);
}

/* Quads are counted from source pixel `base`. */
static void pack_axis(const kohl_resize_axis *axis, int out, int base, int quads, span *spans, int32_t *digits) {
  for (int x = 0; x < out; x++) {
    int from = axis->from[x] - base, skip = from % QUAD, count = axis->count[x];
    const int32_t *weight = axis->weight + (size_t)x * (size_t)axis->taps;
    spans[x] = (span){from / QUAD, (skip + count + QUAD - 1) / QUAD};
    for (int quad = 0; quad < quads; quad++, digits += DIGITS) {
      int32_t four[QUAD];
      for (int i = 0; i < QUAD; i++) {
        int t = quad * QUAD + i - skip;
        four[i] = t >= 0 && t < count ? weight[t] : 0;
      }
      pack_quad(four, digits);
    }
  }
}

static int first_column(const kohl_resize_plan *plan) { return plan->across.from[0] / QUAD * QUAD; }

/* Where the parts of the packed weights are. */
typedef struct {
  uint8_t *across_span, *down_span, *across, *down;
} places;

static places places_of(const kohl_resize_desc *d, const void *packed) {
  uint8_t *at = (uint8_t *)packed + kohl_resize_tables_size(d), *digits = at + span_bytes(d->q) + span_bytes(d->p);
  return (places){at, at + span_bytes(d->q), digits, digits + digit_bytes(d, true)};
}

static void pack(const void *desc, const void *weights, void *packed) {
  const kohl_resize_desc *d = desc;
  kohl_resize_tables_pack(d, weights, packed);
  kohl_resize_plan plan = kohl_resize_plan_of(d, packed);
  places at = places_of(d, packed);
  pack_axis(&plan.across, d->q, first_column(&plan), most_quads(d, true), (span *)(void *)at.across_span,
            (int32_t *)(void *)at.across);
  pack_axis(&plan.down, d->p, plan.first_row, most_quads(d, false), (span *)(void *)at.down_span,
            (int32_t *)(void *)at.down);
}

/* Behind the last pixel are 4 bytes that its store writes too. */
static size_t middle_quad(const kohl_resize_desc *d) { return part((size_t)d->q * 3 * QUAD + 4); }

static size_t middle_bytes(const kohl_resize_desc *d, int strips) {
  return (size_t)d->n * (size_t)strips * (STRIP / QUAD) * middle_quad(d);
}

static size_t turned_bytes(const kohl_resize_desc *d) { return ((size_t)d->w / QUAD + 1) * 3 * UNIT; }

static size_t workspace_size(const void *desc, size_t workers) {
  return middle_bytes(desc, kohl_resize_strips(desc)) + workers * turned_bytes(desc);
}

/* 16 bytes from `at`, or as many as there are before end. */
static inline __m128i load16(const uint8_t *at, const uint8_t *end) {
  if (end - at >= 16) return _mm_loadu_si128((const __m128i *)at);
  uint8_t bytes[16] = {0};
  if (end > at) memcpy(bytes, at, (size_t)(end - at));
  return _mm_loadu_si128((const __m128i *)bytes);
}

static inline __m512i join(__m128i a, __m128i b, __m128i c, __m128i d) {
  __m512i low = _mm512_inserti32x4(_mm512_castsi128_si512(a), b, 1);
  return _mm512_inserti32x4(_mm512_inserti32x4(low, c, 2), d, 3);
}

/* Four pixels of 16 rows, row[i] holding rows i, i + 4, i + 8 and i + 12 in a lane each, to the three units. */
static inline void turn4(const __m512i row[4], uint8_t *units) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
  __m512i quad[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) quad[i] = _mm512_shuffle_epi8(row[i], order);
  __m512i low01 = _mm512_unpacklo_epi32(quad[0], quad[1]), low23 = _mm512_unpacklo_epi32(quad[2], quad[3]);
  __m512i high01 = _mm512_unpackhi_epi32(quad[0], quad[1]), high23 = _mm512_unpackhi_epi32(quad[2], quad[3]);
  _mm512_store_si512(units, _mm512_unpacklo_epi64(low01, low23));
  _mm512_store_si512(units + UNIT, _mm512_unpackhi_epi64(low01, low23));
  _mm512_store_si512(units + 2 * UNIT, _mm512_unpacklo_epi64(high01, high23));
}

/* Four pixels of 16 rows that lie `step` apart. */
static inline void turn4_inside(const uint8_t *at, size_t step, uint8_t *units) {
  __m512i row[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {
#define ROW(r) _mm_loadu_si128((const __m128i *)(at + (r)*4 * step + i * step))
    row[i] = join(ROW(0), ROW(1), ROW(2), ROW(3));
#undef ROW
  }
  turn4(row, units);
}

/* The same where rows or bytes are missing.  Rows behind the last one are the last one again. */
static void turn4_edge(const uint8_t *at, size_t step, int rows, const uint8_t *end, uint8_t *units) {
  __m512i row[4];
  for (int i = 0; i < 4; i++) {
#define ROW(r) load16(at + (size_t)(i + 4 * (r) < rows ? i + 4 * (r) : rows - 1) * step, end)
    row[i] = join(ROW(0), ROW(1), ROW(2), ROW(3));
#undef ROW
  }
  turn4(row, units);
}

/* Turns up to 16 rows from the first column to the last needed one. */
static void turn_strip(const job *j, const uint8_t *src, int rows, uint8_t *units) {
  const kohl_resize_axis *axis = &j->plan.across;
  int last = j->d->q - 1, end = axis->from[last] + axis->count[last];
  size_t step = (size_t)j->d->src_row;
  for (int x = j->first_column; x < end; x += QUAD, units += 3 * UNIT) {
    const uint8_t *at = src + (size_t)x * 3;
    if (rows >= STRIP && x * 3 + 16 <= j->d->w * 3) {
      turn4_inside(at, step, units);
    } else {
      turn4_edge(at, step, rows, j->end, units);
    }
  }
}

/* The byte before it is clamped, from the sums of a weight's three digits. */
static inline __m512i whole(const sums sum[DIGITS]) {
  __m512i high = _mm512_add_epi32(_mm512_slli_epi32((__m512i)sum[2], 8), (__m512i)sum[1]);
  return _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 8), (__m512i)sum[0]), KOHL_RESIZE_BITS);
}

/* One output pixel of a strip: each lane has R, G and B of four rows, and B again. */
static inline __m512i pixel_across(const uint8_t *units, const int32_t *digits, int count) {
  sums sum[3][DIGITS];
#pragma GCC unroll 3
  for (int c = 0; c < 3; c++) {
    sum[c][0] = (sums)_mm512_set1_epi32(1 << (KOHL_RESIZE_BITS - 1));
    sum[c][1] = sum[c][2] = (sums)_mm512_setzero_si512();
  }
  do {
    __m512i w0 = _mm512_set1_epi32(digits[0]), w1 = _mm512_set1_epi32(digits[1]), w2 = _mm512_set1_epi32(digits[2]);
#pragma GCC unroll 3
    for (int c = 0; c < 3; c++) {
      __m512i pixels = _mm512_load_si512(units + c * UNIT);
      sum[c][0] = dot(sum[c][0], pixels, w0);
      sum[c][1] = dot(sum[c][1], pixels, w1);
      sum[c][2] = dot(sum[c][2], pixels, w2);
    }
    units += 3 * UNIT;
    digits += DIGITS;
  } while (--count);
  __m512i blue = whole(sum[2]);
  return _mm512_packus_epi16(_mm512_packs_epi32(whole(sum[0]), whole(sum[1])), _mm512_packs_epi32(blue, blue));
}

/* First pass over one strip; the middle has room for 16 rows. */
static void strip_across(void *state, size_t index, size_t worker) {
  const job *j = state;
  const kohl_resize_desc *d = j->d;
  size_t strips = (size_t)j->plan.strips, n = index / strips, step = j->middle_quad;
  int first = (int)(index % strips) * STRIP;
  uint8_t *dst = j->middle + index * (STRIP / QUAD) * step, *units = j->turned + worker * j->turned_bytes;
  size_t row = n * (size_t)d->h + (size_t)(j->plan.first_row + first);
  turn_strip(j, j->src + row * (size_t)d->src_row, j->plan.rows - first, units);
  const int32_t *digits = j->across;
  for (int x = 0; x < d->q; x++, dst += 3 * QUAD, digits += j->across_quads * DIGITS) {
    span at = j->across_span[x];
    __m512i pixel = pixel_across(units + (size_t)at.first * 3 * UNIT, digits, at.count);
    /* 16 bytes, of which the next pixel's store replaces the last four */
    _mm_storeu_si128((__m128i *)dst, _mm512_castsi512_si128(pixel));
    _mm_storeu_si128((__m128i *)(dst + step), _mm512_extracti32x4_epi32(pixel, 1));
    _mm_storeu_si128((__m128i *)(dst + 2 * step), _mm512_extracti32x4_epi32(pixel, 2));
    _mm_storeu_si128((__m128i *)(dst + 3 * step), _mm512_extracti32x4_epi32(pixel, 3));
  }
}

/* `lanes` * 16 bytes of an output row, lanes 1 or 4. */
static inline __m512i bytes_down(const uint8_t *quads, size_t step, const int32_t *digits, int count, int lanes) {
  sums sum[4][DIGITS];
#pragma GCC unroll 4
  for (int i = 0; i < lanes; i++) {
    sum[i][0] = (sums)_mm512_set1_epi32(1 << (KOHL_RESIZE_BITS - 1));
    sum[i][1] = sum[i][2] = (sums)_mm512_setzero_si512();
  }
  for (int quad = 0; quad < count; quad++, quads += step, digits += DIGITS) {
    __m512i w0 = _mm512_set1_epi32(digits[0]), w1 = _mm512_set1_epi32(digits[1]), w2 = _mm512_set1_epi32(digits[2]);
#pragma GCC unroll 4
    for (int i = 0; i < lanes; i++) {
      __m512i rows = _mm512_load_si512(quads + i * 64);
      sum[i][0] = dot(sum[i][0], rows, w0);
      sum[i][1] = dot(sum[i][1], rows, w1);
      sum[i][2] = dot(sum[i][2], rows, w2);
    }
  }
  __m512i a = whole(sum[0]), b = lanes == 4 ? whole(sum[1]) : a, c = lanes == 4 ? whole(sum[2]) : a;
  __m512i four = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, lanes == 4 ? whole(sum[3]) : a));
  /* the packs leave dword 4 * i + k with columns 4 * i of register k */
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), four);
}

/* Second pass: one output row. */
static void row_down(const job *j, size_t index) {
  const kohl_resize_desc *d = j->d;
  size_t n = index / (size_t)d->p, y = index % (size_t)d->p, bytes = (size_t)d->q * 3, step = j->middle_quad, x = 0;
  span at = j->down_span[y];
  const uint8_t *first = j->middle + (n * (size_t)j->plan.strips * (STRIP / QUAD) + (size_t)at.first) * step;
  const int32_t *digits = j->down + y * (size_t)j->down_quads * DIGITS;
  uint8_t *dst = j->dst + index * (size_t)d->dst_row;
  for (; x + 4 * LANES <= bytes; x += 4 * LANES) {
    _mm512_storeu_si512(dst + x, bytes_down(first + QUAD * x, step, digits, at.count, 4));
  }
  for (; x < bytes; x += LANES) {
    __m512i last = bytes_down(first + QUAD * x, step, digits, at.count, 1);
    size_t left = bytes - x < LANES ? bytes - x : LANES;
    _mm_mask_storeu_epi8(dst + x, (__mmask16)((1u << left) - 1), _mm512_castsi512_si128(last));
  }
}

/* Rows are quick: several to a unit of work. */
enum { ROWS = 8 };

static void rows_down(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  size_t rows = (size_t)j->d->n * (size_t)j->d->p, first = index * ROWS;
  for (size_t i = first; i < first + ROWS && i < rows; i++) row_down(j, i);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_resize_desc *d = desc;
  job j = {.d = d, .src = args->in[RESIZE_SRC], .dst = args->out[RESIZE_DST], .middle = args->workspace};
  if (d->n == 0) return;
  places at = places_of(d, args->in[RESIZE_WEI]);
  j.end = j.src + ((size_t)d->n * (size_t)d->h - 1) * (size_t)d->src_row + (size_t)d->w * 3;
  j.plan = kohl_resize_plan_of(d, args->in[RESIZE_WEI]);
  j.across_span = (const void *)at.across_span;
  j.down_span = (const void *)at.down_span;
  j.across = (const void *)at.across;
  j.down = (const void *)at.down;
  j.across_quads = most_quads(d, true);
  j.down_quads = most_quads(d, false);
  j.first_column = first_column(&j.plan);
  j.middle_quad = middle_quad(d);
  j.turned = j.middle + middle_bytes(d, j.plan.strips);
  j.turned_bytes = turned_bytes(d);
  kohl_parallel(threads, strip_across, &j, (size_t)d->n * (size_t)j.plan.strips);
  kohl_parallel(threads, rows_down, &j, ((size_t)d->n * (size_t)d->p + ROWS - 1) / ROWS);
}

const kohl_kernel_code kohl_resize_fwd_avx512vnni = {accepts, packed_size, pack, workspace_size, run};
