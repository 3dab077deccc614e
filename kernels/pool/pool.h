/* pool: maximum or average of r x s windows, each channel by itself, NHWC.
 *
 * A window covers rows y = p*stride_h - pad_top .. + r - 1 and the like columns.  Only its cells inside the picture
 * are read; a last window may reach beyond the padded picture (PyTorch's ceil_mode), and those cells never count.
 *
 * Accuracy class CHAIN, cells in the order r, s ascending:
 *   max: acc = -inf, then acc = v when v > acc or v is NaN.  So of +0 and -0 the first stays, NaN wins (the last
 *        one, as it is), and padding never wins.
 *   avg: acc = 0, then acc = acc + v, then one division by the number of cells as a float: correctly rounded, which
 *        a multiplication by the reciprocal would not be.  The number is that of the cells inside the picture
 *        (KOHL_POOL_AVG_VALID, Keras) or inside the padded picture (KOHL_POOL_AVG_ALL, torchvision).
 * dgrad: dsrc = 0, then for each window that covers the cell, p, then q ascending:
 *   max: dsrc = dsrc + ddst when the forward's last `acc = v` was at this cell: the first maximum, or the last NaN; the
 *        window's first cell when there was none (all cells -inf).
 *   avg: dsrc = dsrc + ddst / number, the quotient being rounded.
 * ref owns 64 channels of a picture and goes through all their windows; the vector kernels (gather.h) go through the
 * cells and take up their windows.  No sum is split. */
#ifndef KOHL_KERNELS_POOL_POOL_H
#define KOHL_KERNELS_POOL_POOL_H

#include "kernels/core/kernel.h"

typedef enum kohl_pool_mode { KOHL_POOL_MAX, KOHL_POOL_AVG_VALID, KOHL_POOL_AVG_ALL } kohl_pool_mode;

typedef struct kohl_pool_desc {
  int n, h, w, c;         /* src: n pictures of h x w pixels with c channels */
  int r, s, p, q;         /* windows of r x s cells; dst has p x q pixels */
  int stride_h, stride_w; /* pixels from one window to the next */
  int pad_top, pad_left, pad_bottom, pad_right;
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
  kohl_pool_mode mode;
} kohl_pool_desc;

/* kohl_args of fwd */
enum { POOL_SRC }; /* in: [n][h][w] pixels */
enum { POOL_DST }; /* out: [n][p][q] pixels; not src */

/* kohl_args of dgrad; src_stride is dsrc's too, dst_stride is ddst's.  In: pixels; the forward's src, read by max only,
 * else NULL is allowed. */
enum { POOL_DGRAD_DDST, POOL_DGRAD_SRC };
enum { POOL_DGRAD_DSRC }; /* out: [n][h][w] pixels; neither ddst nor src */

/* NULL, or what is wrong with the desc.  Every window must have a cell inside the picture. */
const char *kohl_pool_check(const kohl_pool_desc *d);

/* Output size along one side; ceil counts a last window that is cut off, if it begins inside the picture or the
 * padding before it (PyTorch).  0 when no window fits. */
int kohl_pool_out(int in, int window, int stride, int pad_before, int pad_after, bool ceil);

/* The cells of one window, cut to the picture: rows x cols of them, from src on, row_step floats from row to row
 * and pixel_step from column to column.  divisor is read by averages only. */
typedef struct kohl_pool_cells {
  const float *src;
  size_t row_step, pixel_step;
  int rows, cols;
  bool max;
  float divisor;
} kohl_pool_cells;

/* Reduces the cells' first c channels to dst[0 .. c-1] in the order above: what the kernels of pool and of
 * adaptive_pool differ in.  Defined beside the kernels, in pool/fwd_<id>.c. */
typedef void kohl_pool_reduce(const kohl_pool_cells *cells, int c, float *dst);
kohl_pool_reduce kohl_pool_reduce_ref, kohl_pool_reduce_avx2, kohl_pool_reduce_avx512;

/* The gradient of one window: adds what ddst[0 .. c-1] gives to the cells of dsrc, which lie as those of src do. */
typedef void kohl_pool_spread(const kohl_pool_cells *cells, int c, const float *ddst, float *dsrc);
kohl_pool_spread kohl_pool_spread_ref, kohl_pool_spread_avx2, kohl_pool_spread_avx512;
enum { KOHL_POOL_SPREAD_CHANNELS = 64 }; /* of one unit of work: four cache lines */

/* NULL, or why the kernels that count cells in floats refuse windows of so many. */
const char *kohl_pool_spread_limit(int64_t cells);

/* Sets c channels of h x w pixels to 0. */
void kohl_pool_clear(float *dsrc, size_t pixels, size_t stride, int c);

/* One side of a window: its cells first .. first + count - 1 inside the picture, how many inside the padding too, and
 * how many of its own lie before the picture. */
typedef struct kohl_pool_side {
  int first, count, padded, skipped;
} kohl_pool_side;
kohl_pool_side kohl_pool_rows(const kohl_pool_desc *d, int p);
kohl_pool_side kohl_pool_cols(const kohl_pool_desc *d, int q);

/* The window of rows y and columns x whose first cell is at src, or which has no src. */
kohl_pool_cells kohl_pool_window(const kohl_pool_desc *d, const float *src, kohl_pool_side y, kohl_pool_side x);

/* Runs reduce over every window, one output row per unit of work. */
void kohl_pool_run(const kohl_pool_desc *d, const kohl_args *args, kohl_threads *threads, kohl_pool_reduce *reduce);

/* Clears dsrc and runs spread over every window. */
void kohl_pool_dgrad(const kohl_pool_desc *d, const kohl_args *args, kohl_threads *threads, kohl_pool_spread *spread);

extern const kohl_op kohl_pool_op;

#endif
