/* conv2d weight gradient by outer products: everything but the innermost loops.
 *
 * Output rows are taken in chunks of whole blocks (conv2d.h says what a block is), as many as L2 holds.  First a
 * chunk's ddst is copied to panels of a few filters and its src, with zeros around, to panels of two vectors of
 * channels, so that what follows reads neighbouring memory; a 1x1 filter of few filters reads src where it is.  Then
 * for a block, a panel of channels, a panel of filters and a tap the micro kernel adds up outer products in registers,
 * and adds the sums to dwei:
 *
 *   for row: for pixel of the row: acc[filter][0..1] = fma(ddst[filter], src[0..1], acc[filter][0..1])
 *
 * Threads share out panels and taps, never a sum. */
#ifndef KOHL_KERNELS_CONV2D_WGRAD_OUTER_H
#define KOHL_KERNELS_CONV2D_WGRAD_OUTER_H

#include "kernels/conv2d/conv2d.h"

/* One block, tap, panel of filters and panel of channels. */
typedef struct kohl_wgrad_call {
  const float *ddst;       /* [rows][pixels][isa lanes] */
  const float *const *src; /* [rows]: the first pixel under the tap */
  size_t skip, step;       /* floats before it, and from one to the next */
  size_t rows, pixels;
  int filters;  /* 1 to isa filters */
  int channels; /* 1 to 2 * isa lanes */
  bool far;     /* src is not packed: it is asked for some pixels ahead, beyond its end too */
  bool first;   /* dwei is overwritten instead of added to */
  float *dwei;  /* dwei[filter * filter_step + channel] */
  size_t filter_step;
} kohl_wgrad_call;

/* Copies `channels` (at most vectors * isa lanes) floats of each pixel and fills up to whole vectors with zeros; pixels
 * may overlap in `to`, the later one wins.  sum, where it is not NULL, is one vector that every pixel is added to. */
typedef struct kohl_wgrad_copy {
  const float *from;
  float *to, *sum;
  size_t from_step, to_step, pixels;
  int channels, vectors;
} kohl_wgrad_copy;

typedef struct kohl_wgrad_isa {
  int filters, lanes; /* filters <= lanes <= 16 */
  void (*micro)(const kohl_wgrad_call *call);
  void (*copy)(const kohl_wgrad_copy *copy);
} kohl_wgrad_isa;

/* Members of a kernel.  The workspace holds one chunk; a smaller batch needs no more. */
const char *kohl_wgrad_outer_accepts(const void *desc);
size_t kohl_wgrad_outer_workspace_size(const kohl_wgrad_isa *isa, const kohl_conv2d_desc *d);
void kohl_wgrad_outer_run(const kohl_wgrad_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                          kohl_threads *threads);

#endif
