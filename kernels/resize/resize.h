/* resize: pictures of bytes resampled with the exact arithmetic of Pillow (checked against 9.4, byte for byte).
 *
 * Separable: first along rows to q columns, only for the source rows that the second pass reads, rounded to
 * bytes; then along columns to p rows.  A side that keeps its size is copied.  Along a side of `in` pixels that
 * becomes `full`, with scale = in / full, stretch = max(1, scale) and S = support * stretch (support: box 0.5,
 * bilinear 1, bicubic 2 with a = -0.5, lanczos 3), output x is the sum over i in [xmin, xmax) of src[i] * weight:
 *
 *   centre = (x + 0.5) * scale    xmin = max(0, trunc(centre - S + 0.5))    xmax = min(in, trunc(centre + S + 0.5))
 *   weight = f((i - centre + 0.5) / stretch), divided by the sum of the weights, all in double, then rounded to
 *   22 fractional bits, half away from zero;   byte = clamp((2^21 + sum) >> 22, 0, 255)
 *
 * nearest: src[trunc(centre)], the centres added up from scale / 2 in steps of scale, in one pass.
 *
 * Accuracy class CHAIN: the sums are exact integers (modulo 2^32, and the whole sum fits), so that every kernel gives
 * the same bytes.  The weights come from side.h, one text for all kernels. */
#ifndef KOHL_KERNELS_RESIZE_RESIZE_H
#define KOHL_KERNELS_RESIZE_RESIZE_H

#include "kernels/core/kernel.h"
#include "kernels/picture/preprocessing.h"

enum { KOHL_RESIZE_SIDE = 32768, KOHL_RESIZE_BITS = 22 };

typedef struct kohl_resize_desc {
  int n, h, w, c;       /* src: n pictures of h x w pixels with 1 to 4 channels, sides to 32,768 */
  int p, q;             /* dst: p rows of q pixels: a window of the whole result */
  int p_full, q_full;   /* the size of the whole result; p and q where all of it is wanted */
  int top, left;        /* the window's first row and column; 0 where all of it is wanted */
  int src_row, dst_row; /* bytes from one row to the next, >= w * c and >= q * c; pictures follow each other */
  kohl_filter filter;
} kohl_resize_desc;

/* kohl_args of fwd: src u8 [n][h][src_row], wei as the kernel packs them, dst u8 [n][p][dst_row]; bytes of dst beyond
 * q * c stay as they are.  There are no stored weights: every kernel packs what follows from the desc, pack's argument
 * is not read.  Packed weights are the same whatever n, src_row and dst_row are, and serve any number of runs.
 * CUDA's kernels make what they need themselves and do not read wei. */
enum { RESIZE_SRC, RESIZE_WEI }; /* in */
enum { RESIZE_DST };             /* out */

/* The desc of one whole picture without gaps between rows. */
kohl_resize_desc kohl_resize_whole(int h, int w, int c, int p, int q, kohl_filter filter);

/* NULL, or what is wrong with the desc. */
const char *kohl_resize_check(const kohl_resize_desc *d);

/* One side's weights: output i is the sum over t < count[i] of src[from[i] + t] * weight[i * taps + t].  count is
 * 1 to taps, from + count stays inside the source.  copy: weights are all one, output i is src[from[i]]. */
typedef struct kohl_resize_axis {
  int taps;
  bool copy;
  const int32_t *from, *count, *weight;
} kohl_resize_axis;

/* The first pass may work on strips of this many rows; rows of the middle are padded to whole strips. */
enum { KOHL_RESIZE_STRIP = 16 };

/* What the passes of a desc share.  Rows first_row to first_row + rows - 1 of src are those that dst needs, in `strips`
 * strips.  ref's and passes.inc's workspace begins with the result of the first pass, u8 [n][strips *
 * KOHL_RESIZE_STRIP][middle_row]: rows of q * c bytes, at least 16 bytes of padding and a multiple of 64 apart. */
typedef struct kohl_resize_plan {
  kohl_resize_axis across, down;
  int first_row, rows, strips;
  size_t middle_row;
} kohl_resize_plan;

/* The two axes' tables: bytes, a multiple of 64, the same for every kernel, and what fills them.  A kernel's packed
 * weights begin with them.  The arguments are those of kohl_kernel_code. */
size_t kohl_resize_tables_size(const void *desc);
void kohl_resize_tables_pack(const void *desc, const void *weights, void *tables);

/* The plan of a desc over its tables, which are only pointed at. */
kohl_resize_plan kohl_resize_plan_of(const kohl_resize_desc *d, const void *tables);

/* Bytes of the first pass's result, a multiple of 64. */
size_t kohl_resize_workspace(const void *desc, size_t workers);

/* An axis's weights for multiplying pairs of 16-bit numbers.  Output i is made of the source's pairs (2j, 2j + 1) with
 * `even`, else of the pairs (from + 2j, from + 2j + 1); weights outside from .. from + count - 1 are 0.  A weight w is
 * high * 2^11 + low, low in -1024 .. 1023; both fit 16 bits while |w| < 2^26, and the largest weight is about 1.25 *
 * 2^22: that of lanczos next to an edge, where half the filter is missing and the rest is divided by its sum.
 * packed[i][pairs][2]: the two lows of a pair, then its two highs, the first one in the lower half. */
int kohl_resize_pairs(const kohl_resize_axis *axis, int out, bool even);
void kohl_resize_pack(const kohl_resize_axis *axis, int out, bool even, int pairs, int32_t *packed);

/* The most taps and pairs that an output of the first or second pass can have: memory is sized by them. */
int kohl_resize_most_taps(const kohl_resize_desc *d, bool across);
int kohl_resize_most_pairs(const kohl_resize_desc *d, bool across);

extern const kohl_op kohl_resize_op;

#endif
