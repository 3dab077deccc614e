/* pool's gradient from the side of the cells: every cell of dsrc takes up what its windows give it, in a register, and
 * is written once.
 *
 * A window's mark, per channel, is for a maximum the number of its chosen cell (r * s of the desc counted through,
 * padding too, as a float: exact up to 2^24), for an average what each of its cells gets.  A unit of work is a band of
 * rows of a picture; it keeps the marks of the rows of windows over the row at hand, a ring that stays in the cache.
 * Windows over two bands are marked twice. */
#ifndef KOHL_KERNELS_POOL_GATHER_H
#define KOHL_KERNELS_POOL_GATHER_H

#include "kernels/pool/pool.h"

/* The windows over one cell, rows x cols of them. */
typedef struct kohl_pool_cover {
  const float *marks;          /* of the first column of windows, in the ring's slot 0 */
  size_t mark_pixel, mark_row; /* floats from one window to the next, from one slot to the next */
  int slot, slots;             /* that of the first row; the ring's */
  const float *ddst;           /* of the first window */
  size_t ddst_pixel, ddst_row;
  int rows, cols;
  float cell, cell_row, cell_pixel; /* the cell's number in the first window; how much less it is in the next */
  bool max, stream;                 /* stream: dsrc goes past the caches; whole, aligned vectors */
} kohl_pool_cover;

typedef struct kohl_pool_gather_isa {
  /* marks[0 .. c-1] of a window of a maximum whose first cell in the picture has the number `first`, the first of the
   * next row `row` more. */
  void (*search)(const kohl_pool_cells *cells, int c, float first, float row, float *marks);
  /* marks[0 .. c-1] of a window of an average. */
  void (*share)(const float *ddst, int c, float divisor, float *marks);
  /* dsrc[0 .. c-1] of a cell. */
  void (*sum)(const kohl_pool_cover *cover, int c, float *dsrc);
} kohl_pool_gather_isa;

size_t kohl_pool_gather_workspace(const void *desc, size_t workers);

void kohl_pool_gather(const kohl_pool_gather_isa *isa, const kohl_pool_desc *d, const kohl_args *args,
                      kohl_threads *threads);

#endif
