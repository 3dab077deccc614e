/* conv2d weight gradient by Winograd, F(3x3, 4x4): a quarter of the multiplications, over the tiles of the forward's
 * F(4x4, 3x3).  Everything but the innermost loops is in wgrad_wino.c, the innermost loops in wgrad_wino.inc.
 *
 *   dW = G^T [ sum over tiles V[c] (.) Y[k] ] G,   V = B^T d B of a patch of 6x6 pixels of src,
 *                                                  Y = A y A^T of the tile of 4x4 pixels of ddst over it
 *
 * ((.) element by element; B, A and G are wino.h's.)  Each of the 36 positions is a product of matrices of its own,
 * filters x tiles times tiles x channels: dU.  Pixels outside either picture are zeros.
 *
 * Accuracy class WINOGRAD (docs/NUMERICS.md).  All kernels are bit-equal, since all make the same f32 roundings:
 *   - V as in the forward (wino_patch.inc);
 *   - Y down the columns, then along the rows, each line y0 to y3 of four by the same operations, H and R being
 *     sqrt(1/2) and sqrt(2), rounded to f32:
 *       e = fma(0.5, y2, y0), f = fma(0.5, y3, y1), g = fma(2, y2, y0), h = fma(2, y3, y1);
 *       y0, fma(H, f, e), fma(-H, f, e), fma(R, h, g), fma(-R, h, g), y3;
 *   - dU: tiles are counted through the batch, rows of tiles after each other, in chunks of KOHL_WGRAD_WINO_CHUNK, the
 *     last one shorter.  A chunk's sum is acc = 0, then acc = fma(Y, V, acc) with tiles ascending.  Chunks are shared
 *     out among kohl_wgrad_wino_groups groups, chunks * g / groups being the first of group g.  A group's sum is the
 *     first chunk's, to which those of its others are added in ascending order; dU is the first group's sum, to which
 *     those of the others are added in ascending order;
 *   - dW down the columns of dU, then along its rows, each line u0 to u5 of six by the same operations:
 *       s = u1 + u2, d = u2 - u1, t = u3 + u4, e = u3 - u4;
 *       fma(1/6, t, fma(-2/3, s, u0)), (sqrt(2)/6) * fma(2, d, e), fma(1/3, t - s, u5), constants rounded to f32;
 *   - dbia is that of conv2d.h, bit by bit.
 * An empty batch gives zeros.  An infinity or NaN makes NaN of all nine weights of its channel or filter. */
#ifndef KOHL_KERNELS_CONV2D_WGRAD_WINO_H
#define KOHL_KERNELS_CONV2D_WGRAD_WINO_H

#include "kernels/conv2d/wino.h"

enum { KOHL_WGRAD_WINO_CHUNK = 32 }; /* tiles: V and Y of 128 channels and filters stay in L2 beside dU */

/* Into how many groups the chunks of tiles fall, at least 1: a function of the desc alone, so that few channels, too,
 * are work for many threads. */
size_t kohl_wgrad_wino_groups(const kohl_conv2d_desc *d);

/* The tile of 4x4 pixels of ddst: as kohl_wino_patch. */
typedef struct kohl_wgrad_wino_tile {
  const float *const *pixel; /* [16]; NULL: pixel (i, j) is at ddst + i * row + j * column */
  const float *ddst;
  size_t row, column;
  float *y;               /* the first block's first position */
  size_t block, position; /* floats of y from block to block, from position to position */
} kohl_wgrad_wino_tile;

/* One position: u[channel block][filter][16] gets, or is increased by, the sum over a chunk's tiles. */
typedef struct kohl_wgrad_wino_product {
  const float *v, *y;           /* [blocks][KOHL_WGRAD_WINO_CHUNK][16] */
  const float *next_v, *next_y; /* what the next call reads */
  float *u;
  size_t channel_blocks, filter_blocks;
  int tiles;                   /* 1 to KOHL_WGRAD_WINO_CHUNK */
  bool first;                  /* u is overwritten */
  void (*between)(void *user); /* called after every product of at most 2 vectors of channels with a few filters */
  void *user;
} kohl_wgrad_wino_product;

/* From the groups' dU to the weights of one block of channels and some filters. */
typedef struct kohl_wgrad_wino_result {
  const float *u; /* the first group's first position: [filters][16] */
  size_t groups, group, position;
  size_t filters;
  float *dwei;             /* the first filter's first tap, from the block's first channel on */
  size_t dwei_filter, tap; /* floats from one to the next */
} kohl_wgrad_wino_result;

typedef struct kohl_wgrad_wino_isa {
  size_t channel_blocks; /* a position has a product for every so many blocks of channels, */
  size_t pieces;         /* and so many for every block of filters */
  /* One block of 16 channels or filters to the rows of V or Y that are asked for, without gaps. */
  void (*patch)(const kohl_wino_patch *call, size_t block, unsigned rows);
  void (*tile)(const kohl_wgrad_wino_tile *call, size_t block, unsigned rows);
  void (*multiply)(const kohl_wgrad_wino_product *call);
  void (*result)(const kohl_wgrad_wino_result *call);
  /* to[blocks * 16] = the sums of so many pixels, `step` floats apart, in ascending order. */
  void (*sum)(const float *from, size_t step, size_t pixels, size_t blocks, float *to);
} kohl_wgrad_wino_isa;

extern const kohl_wgrad_wino_isa kohl_wgrad_wino_avx2, kohl_wgrad_wino_avx512;

/* Members of a kernel.  The workspace is some V and Y for each worker, and dU for each group; it does not grow with the
 * batch but for 1/256 of ddst, at most 16 MiB. */
const char *kohl_wgrad_wino_accepts(const void *desc);
size_t kohl_wgrad_wino_workspace_size(const void *desc, size_t workers);
void kohl_wgrad_wino_run(const kohl_wgrad_wino_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                         kohl_threads *threads);

/* NULL, or why the direct sum is faster. */
const char *kohl_wgrad_wino_advise(const kohl_conv2d_desc *d);

#endif
