/* resize forward for RGB with AVX-512 VNNI: four taps of sixteen sums to an instruction (vpdpbusd).
 *
 * A weight of 23 bits and a sign is three signed bytes: d0 + d1 * 2^8 + d2 * 2^16, d0 and d1 in -128 .. 127; being
 * below 1.5 * 2^22 (resize.h), its d2 is in -97 .. 97.  The products of bytes and the sums of four of them are exact,
 * all other additions are modulo 2^32, and the whole sum, being below 2^31, comes out as in fwd_ref.c.
 *
 * First pass: a strip of 16 rows is turned into units, [4 pixels wide][channel][16 rows][4 pixels]; a register then
 * holds four neighbouring pixels of 16 rows, all rows have the same weights, and no sum runs across a register.  Its
 * results go to a ring as [4 rows high][q * 3][4 rows], which is what the second pass multiplies, 16 columns to a
 * register, and which holds only as many rows as an output row needs.  A side that keeps its size has one weight, 2^22.
 */
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

/* gcc 12 would make one function of calls whose constants differ, and a loop over an array in memory of their sums. */
#define INLINE static inline __attribute__((always_inline))

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
  size_t bands;                 /* of a picture */
  int ring_quads;               /* a multiple of 4 */
  size_t middle_quad;           /* bytes */
  uint8_t *memory;              /* of each worker: the ring, then a turned strip */
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

/* Quads are counted from source pixel `base`; an output has room for `quads`, of which those behind its own are never
 * read. */
static void pack_axis(const kohl_resize_axis *axis, int out, int base, int quads, span *spans, int32_t *digits) {
  for (int x = 0; x < out; x++, digits += quads * DIGITS) {
    int from = axis->from[x] - base, skip = from % QUAD, count = axis->count[x];
    const int32_t *weight = axis->weight + (size_t)x * (size_t)axis->taps;
    spans[x] = (span){from / QUAD, (skip + count + QUAD - 1) / QUAD};
    for (int quad = 0; quad < spans[x].count; quad++) {
      int32_t four[QUAD];
      for (int i = 0; i < QUAD; i++) {
        int t = quad * QUAD + i - skip;
        four[i] = t >= 0 && t < count ? weight[t] : 0;
      }
      pack_quad(four, digits + quad * DIGITS);
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

/* Whole registers for the second pass; an odd number of cache lines, so that quads do not contend for places.  Behind
 * the last pixel are at least the 4 bytes that its store writes too. */
static size_t middle_quad(const kohl_resize_desc *d) {
  return ((size_t)d->q * 3 + 4 * LANES - 1) / (4 * LANES) * (4 * LANES * QUAD) + 64;
}

/* The quads of an output row, and those that the strip with its last one brings beyond it. */
static int ring_quads(const kohl_resize_desc *d) {
  int strip = STRIP / QUAD;
  return (most_quads(d, false) + strip - 1 + strip - 1) / strip * strip;
}

static size_t ring_bytes(const kohl_resize_desc *d) { return (size_t)ring_quads(d) * middle_quad(d); }

static size_t worker_bytes(const kohl_resize_desc *d) { return ring_bytes(d) + ((size_t)d->w / QUAD + 1) * 3 * UNIT; }

static size_t workspace_size(const void *desc, size_t workers) { return workers * worker_bytes(desc); }

INLINE __m128i load(const uint8_t *at) { return _mm_loadu_si128((const __m128i *)at); }

/* 16 bytes from `at`, or as many as there are before end. */
static inline __m128i load16(const uint8_t *at, const uint8_t *end) {
  if (end - at >= 16) return load(at);
  uint8_t bytes[16] = {0};
  if (end > at) memcpy(bytes, at, (size_t)(end - at));
  return load(bytes);
}

INLINE __m512i join(__m128i a, __m128i b, __m128i c, __m128i d) {
  __m512i low = _mm512_inserti32x4(_mm512_castsi128_si512(a), b, 1);
  return _mm512_inserti32x4(_mm512_inserti32x4(low, c, 2), d, 3);
}

/* Four pixels of 16 rows, row[i] holding rows i, i + 4, i + 8 and i + 12 in a lane each, to the three units. */
INLINE void turn4(const __m512i row[4], uint8_t *units) {
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

/* Four pixels of 16 rows that lie `step` apart.  A function of its own: in its caller's loop gcc would step 16
 * pointers, and spill them. */
__attribute__((noinline)) static void turn4_inside(const uint8_t *at, size_t step, uint8_t *units) {
  const uint8_t *a = at, *b = a + 4 * step, *c = b + 4 * step, *d = c + 4 * step;
  __m512i row[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; i++) {
    row[i] = join(load(a + i * step), load(b + i * step), load(c + i * step), load(d + i * step));
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
INLINE __m512i whole(const sums sum[DIGITS]) {
  __m512i high = _mm512_add_epi32(_mm512_slli_epi32((__m512i)sum[2], 8), (__m512i)sum[1]);
  return _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(high, 8), (__m512i)sum[0]), KOHL_RESIZE_BITS);
}

/* One output pixel of a strip: each lane has R, G and B of four rows, and B again. */
INLINE __m512i pixel_across(const uint8_t *units, const int32_t *digits, int count) {
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

/* First pass over one strip of picture n, into four quads; rows behind the last one are written too. */
static void strip_across(const job *j, size_t n, int first, uint8_t *units, uint8_t *dst) {
  const kohl_resize_desc *d = j->d;
  size_t row = n * (size_t)d->h + (size_t)(j->plan.first_row + first), step = j->middle_quad;
  const uint8_t *src = j->src + row * (size_t)d->src_row;
  turn_strip(j, src, j->plan.rows - first, units);
  /* asks for the next strip, 128 bytes a pixel: all of it where q is at least 3/8 of the source */
  const uint8_t *next = first + 2 * STRIP <= j->plan.rows ? src + STRIP * (size_t)d->src_row : src;
  const size_t ahead = (size_t)d->src_row * STRIP / (size_t)d->q, digits_step = (size_t)j->across_quads * DIGITS;
  const int32_t *digits = j->across;
  const span *at = j->across_span, *end = at + d->q;
  for (; at < end; at++, dst += 3 * QUAD, digits += digits_step, next += ahead) {
    _mm_prefetch((const char *)next, _MM_HINT_T0);
    _mm_prefetch((const char *)next + 64, _MM_HINT_T0);
    const uint8_t *unit = units + (size_t)at->first * 3 * UNIT;
    __m512i pixel = pixel_across(unit, digits, at->count);
    /* 16 bytes, of which the next pixel's store replaces the last four */
    _mm_storeu_si128((__m128i *)dst, _mm512_castsi512_si128(pixel));
    _mm_storeu_si128((__m128i *)(dst + step), _mm512_extracti32x4_epi32(pixel, 1));
    _mm_storeu_si128((__m128i *)(dst + 2 * step), _mm512_extracti32x4_epi32(pixel, 2));
    _mm_storeu_si128((__m128i *)(dst + 3 * step), _mm512_extracti32x4_epi32(pixel, 3));
  }
}

/* 64 bytes of an output row, from `count` quads, the first one at `quads`; behind `end` they go on `ring` bytes before.
 */
INLINE __m512i bytes_down(const uint8_t *quads, const uint8_t *end, size_t step, size_t ring, const int32_t *digits,
                          int count) {
  sums sum[4][DIGITS];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    sum[i][0] = (sums)_mm512_set1_epi32(1 << (KOHL_RESIZE_BITS - 1));
    sum[i][1] = sum[i][2] = (sums)_mm512_setzero_si512();
  }
  do {
    __m512i w0 = _mm512_set1_epi32(digits[0]), w1 = _mm512_set1_epi32(digits[1]), w2 = _mm512_set1_epi32(digits[2]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      __m512i rows = _mm512_load_si512(quads + i * 64);
      sum[i][0] = dot(sum[i][0], rows, w0);
      sum[i][1] = dot(sum[i][1], rows, w1);
      sum[i][2] = dot(sum[i][2], rows, w2);
    }
    digits += DIGITS;
    quads += step;
    if (quads >= end) quads -= ring;
  } while (--count);
  __m512i low = _mm512_packs_epi32(whole(sum[0]), whole(sum[1]));
  __m512i four = _mm512_packus_epi16(low, _mm512_packs_epi32(whole(sum[2]), whole(sum[3])));
  /* the packs leave dword 4 * i + k with columns 4 * i of register k */
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), four);
}

/* Second pass: output row y of picture n. */
static void row_down(const job *j, size_t n, size_t y, const uint8_t *ring) {
  const kohl_resize_desc *d = j->d;
  const size_t bytes = (size_t)d->q * 3, step = j->middle_quad, all = (size_t)j->ring_quads * step;
  const int count = j->down_span[y].count;
  const int32_t *digits = j->down + y * (size_t)j->down_quads * DIGITS;
  const uint8_t *quads = ring + (size_t)(j->down_span[y].first % j->ring_quads) * step, *end = ring + all;
  uint8_t *dst = j->dst + (n * (size_t)d->p + y) * (size_t)d->dst_row;
  size_t x = 0;
  for (; x + 64 <= bytes; x += 64) {
    _mm512_storeu_si512(dst + x, bytes_down(quads + QUAD * x, end + QUAD * x, step, all, digits, count));
  }
  if (x == bytes) return;
  __m512i last = bytes_down(quads + QUAD * x, end + QUAD * x, step, all, digits, count);
  _mm512_mask_storeu_epi8(dst + x, ((__mmask64)1 << (bytes - x)) - 1, last);
}

/* Both passes over a band of output rows. */
static void band(void *state, size_t index, size_t worker) {
  const job *j = state;
  size_t n = index / j->bands, part_of = index % j->bands, p = (size_t)j->d->p;
  size_t y = p * part_of / j->bands, end = p * (part_of + 1) / j->bands;
  uint8_t *ring = j->memory + worker * worker_bytes(j->d), *units = ring + ring_bytes(j->d);
  const int strip = STRIP / QUAD;
  for (int made = j->down_span[y].first / strip * strip; y < end; y++) {
    for (; made < j->down_span[y].first + j->down_span[y].count; made += strip) {
      strip_across(j, n, made * QUAD, units, ring + (size_t)(made % j->ring_quads) * j->middle_quad);
    }
    row_down(j, n, y, ring);
  }
}

/* One band where there are pictures enough for all workers; its first strips are those of the band before again. */
static size_t bands_of(const kohl_resize_desc *d, size_t workers) {
  size_t bands = (workers + (size_t)d->n - 1) / (size_t)d->n, most = ((size_t)d->p + STRIP - 1) / STRIP;
  return bands < most ? bands : most;
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_resize_desc *d = desc;
  job j = {.d = d, .src = args->in[RESIZE_SRC], .dst = args->out[RESIZE_DST], .memory = args->workspace};
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
  j.ring_quads = ring_quads(d);
  j.bands = bands_of(d, kohl_threads_count(threads));
  kohl_parallel(threads, band, &j, (size_t)d->n * j.bands);
}

const kohl_kernel_code kohl_resize_fwd_avx512vnni = {accepts, packed_size, pack, workspace_size, run};
