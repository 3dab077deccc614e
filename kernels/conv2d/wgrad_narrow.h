/* conv2d weight gradient for few input channels, as of a first layer: everything but the innermost loops.
 *
 * Outer products the other way round than wgrad_outer: a vector holds neighbouring filters of ddst, which is read where
 * it lies, and one value of src at a time is broadcast.  So the 27 weights of a 3x3 filter over 3 channels use whole
 * vectors.  A unit of work is a block (conv2d.h): its input rows are copied between zeros, then for every tile of taps
 * and filters
 *
 *   for piece of a row: for tile: for pixel: acc[tap][vector] = fma(ddst[vector], src[tap], acc[tap][vector])
 *
 * The sums of a block lie in L1 between the pieces, which are short enough that ddst comes from there too after the
 * first tile. The bias is one more tap whose src is 1.  Blocks are computed many at a time and added up in their order.
 */
#ifndef KOHL_KERNELS_CONV2D_WGRAD_NARROW_H
#define KOHL_KERNELS_CONV2D_WGRAD_NARROW_H

#include "kernels/conv2d/conv2d.h"

enum { KOHL_NARROW_CHANNELS = 4, KOHL_NARROW_TAPS = 6 /* of a tile, at most */ };

/* One tile over one piece of a row. */
typedef struct kohl_narrow_call {
  const float *ddst;                  /* the first pixel's filters of the tile */
  const float *src[KOHL_NARROW_TAPS]; /* where each tap begins */
  size_t pixels, ddst_step, src_step; /* steps: floats from pixel to pixel */
  int taps, vectors;                  /* 1 to isa taps, 1 to isa vectors */
  size_t ahead; /* floats from a pixel's filters to a line of the next piece that is to be asked for */
  bool first;   /* sums are overwritten instead of gone on with */
  float *sums;  /* [taps][sums_step] */
  size_t sums_step;
} kohl_narrow_call;

typedef struct kohl_narrow_isa {
  int lanes, taps, vectors; /* of the largest tile */
  void (*micro)(const kohl_narrow_call *call);
  void (*add)(float *total, const float *sums, size_t count); /* count: a multiple of lanes */
} kohl_narrow_isa;

/* Members of a kernel. */
const char *kohl_wgrad_narrow_accepts(const void *desc);
size_t kohl_wgrad_narrow_workspace_size(const kohl_conv2d_desc *d, size_t workers);
void kohl_wgrad_narrow_run(const kohl_narrow_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                           kohl_threads *threads);

#endif
