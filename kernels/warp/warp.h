/* warp: pictures of bytes under affine maps, interpolated linearly, to floats in grey levels (0 to 255).
 *
 * Each picture has a matrix of six numbers in fixed point, 32 bits before and 32 after the point (kernels/warp/affine.h
 * makes them).  It says where an output pixel comes from, rows before columns as in scipy.ndimage.affine_transform:
 *
 *   source row    = m[0] * y + m[1] * x + m[2]
 *   source column = m[3] * y + m[4] * x + m[5]        integers modulo 2^64: no order of operations to fix
 *
 * A coordinate c of a side of `length` pixels is inside when 0 <= c <= length - 1.  Outside, nearest clamps it; reflect
 * folds it with the period 2 * length about the edges -1/2 and length - 1/2, then clamps; wrap moves it by multiples
 * of length - 1, from below into (0, length - 1], from above into [0, length - 1); constant makes the pixel the
 * colour if either coordinate is outside.  These are the modes of scipy.ndimage with order=1, which Keras uses.
 *
 * Accuracy class CHAIN: with i = floor(c), i' = min(i + 1, length - 1) and f = the first 24 bits of c's fraction, and
 * a, b the pixels of row i at columns j, j', c, d those of row i': top = fma(fx, b - a, a)    bottom = fma(fx, d - c,
 * c)    dst = fma(fy, bottom - top, top) b - a and d - c are exact.  Where both fractions are 0, as for flips and moves
 * by whole pixels, dst is the byte. */
#ifndef KOHL_KERNELS_WARP_WARP_H
#define KOHL_KERNELS_WARP_WARP_H

#include <math.h>

#include "kernels/core/inline.h"
#include "kernels/core/kernel.h"
#include "kernels/picture/augmentation.h"

enum { KOHL_WARP_SIDE = 32768 };

typedef struct kohl_warp_desc {
  int n, h, w; /* src: n pictures of h x w pixels with 3 channels, sides to 32,768 */
  int p, q;    /* dst: p x q pixels */
  int src_row; /* bytes from one src row to the next, >= 3 w; pictures follow each other */
  kohl_fill fill;
  float colour[3]; /* of KOHL_FILL_CONSTANT */
} kohl_warp_desc;

/* kohl_args of fwd: src u8 [n][h][src_row], matrix i64 [n][6], dst f32 [n][p][q][3]. */
enum { WARP_SRC, WARP_MATRIX }; /* in */
enum { WARP_DST };              /* out */

/* NULL, or what is wrong with the desc. */
const char *kohl_warp_check(const kohl_warp_desc *d);

/* The row of output pixels that kernels share out: where its coordinates begin, how they go on. */
typedef struct kohl_warp_row {
  const kohl_warp_desc *d;
  const uint8_t *src; /* the picture */
  uint64_t row, column, row_step, column_step;
  float *dst;
} kohl_warp_row;

/* Row y of picture n; src and matrix are the whole tensors, dst is where the row goes. */
KOHL_INLINE kohl_warp_row kohl_warp_row_of(const kohl_warp_desc *d, const uint8_t *src, const uint64_t *matrix,
                                           size_t n, uint64_t y, float *dst) {
  const uint64_t *m = matrix + n * 6;
  kohl_warp_row r;
  r.d = d;
  r.src = src + n * (size_t)d->h * (size_t)d->src_row;
  r.row = m[0] * y + m[2];
  r.column = m[3] * y + m[5];
  r.row_step = m[1];
  r.column_step = m[4];
  r.dst = dst;
  return r;
}

/* Output row `index` (of n * p). */
static inline kohl_warp_row kohl_warp_row_at(const kohl_warp_desc *d, const kohl_args *args, size_t index) {
  const size_t p = (size_t)d->p;
  return kohl_warp_row_of(d, (const uint8_t *)args->in[WARP_SRC], (const uint64_t *)args->in[WARP_MATRIX], index / p,
                          index % p, (float *)args->out[WARP_DST] + index * (size_t)d->q * 3);
}

/* Maps a coordinate into the picture; false when it is outside and the fill is constant. */
KOHL_INLINE bool kohl_warp_inside(kohl_fill fill, int length, int64_t *c) {
  const int64_t one = INT64_C(1) << 32, last = (length - 1) * one, period = 2 * length * one;
  if (*c >= 0 && *c <= last) return true;
  if (fill == KOHL_FILL_CONSTANT) return false;
  if (fill == KOHL_FILL_WRAP) {
    uint64_t size = *c < 0 ? 0 - (uint64_t)*c : (uint64_t)*c; /* of INT64_MIN too */
    int64_t rest = last ? (int64_t)(size % (uint64_t)last) : 0;
    *c = *c < 0 ? last - rest : rest;
    return true;
  }
  if (fill == KOHL_FILL_REFLECT) {
    int64_t rest = *c % period;
    if (rest < 0) rest += period;
    *c = rest < length * one ? rest : period - one - rest;
  }
  *c = *c < 0 ? 0 : *c > last ? last : *c;
  return true;
}

KOHL_INLINE float kohl_warp_fraction(int64_t c) { return (float)((uint32_t)c >> 8) * 0x1p-24f; }

/* Output pixel x of a row, put at dst. */
KOHL_INLINE void kohl_warp_at(const kohl_warp_row *r, int x, float *dst) {
  const kohl_warp_desc *d = r->d;
  int64_t y = (int64_t)(r->row + r->row_step * (uint64_t)x), z = (int64_t)(r->column + r->column_step * (uint64_t)x);
  if (!kohl_warp_inside(d->fill, d->h, &y) || !kohl_warp_inside(d->fill, d->w, &z)) {
    for (int c = 0; c < 3; c++) dst[c] = d->colour[c];
    return;
  }
  size_t i = (size_t)(y >> 32), j = (size_t)(z >> 32);
  const uint8_t *left = r->src + i * (size_t)d->src_row + j * 3;
  size_t down = i + 1 < (size_t)d->h ? (size_t)d->src_row : 0, right = j + 1 < (size_t)d->w ? 3 : 0;
  float fx = kohl_warp_fraction(z), fy = kohl_warp_fraction(y);
  for (int c = 0; c < 3; c++, left++) {
    float top = fmaf(fx, (float)(left[right] - left[0]), (float)left[0]);
    float bottom = fmaf(fx, (float)(left[down + right] - left[down]), (float)left[down]);
    dst[c] = fmaf(fy, bottom - top, top);
  }
}

static inline void kohl_warp_pixel(const kohl_warp_row *r, int x) { kohl_warp_at(r, x, r->dst + 3 * (size_t)x); }

/* The pixels first .. end - 1 of a row whose four neighbours all lie inside the picture: 0 <= c < length - 1 for both
 * coordinates.  May be empty where there are some (first = end), never the other way round. */
void kohl_warp_interior(const kohl_warp_row *r, int *first, int *end);

extern const kohl_op kohl_warp_op;

#endif
