/* The implicit GEMM behind the igemm kernels of conv2d and dense: everything but the innermost loops.
 *
 * A convolution is the product of a matrix that is never built (a row per output pixel, a column per filter tap
 * and channel) and the filters.  Output pixels, counted through the whole batch, are cut into tiles of a few
 * pixels, filters into panels of two vectors.  For every tap a tile has a row of pixel pointers; a tap outside
 * the picture points to zeros.  A micro kernel computes one tile times one panel, the whole chain in registers:
 *
 *   for tap: for channel: for pixel of the tile: acc[pixel][0..1] = fma(src, wei[0..1], acc[pixel][0..1])
 *
 * Nothing here depends on an instruction set; kohl_igemm_isa says what does.  Which thread computes which tile
 * never changes a bit of the result. */
#ifndef KOHL_KERNELS_CONV2D_IGEMM_H
#define KOHL_KERNELS_CONV2D_IGEMM_H

#include "kernels/conv2d/conv2d.h"

/* One tile times one panel (or one chunk of its chain). */
typedef struct kohl_igemm_call {
  const float *const *pixel; /* [taps][isa rows]: each pixel's first channel under each tap */
  size_t taps;
  size_t skip;      /* channels before the first one of this call, for every pointer */
  size_t run;       /* channels per tap */
  const float *wei; /* [taps][run][vectors * isa lanes] */
  int rows;         /* pixels of this tile, 1 to isa rows */
  int channels;     /* of this panel, 1 to 2 * isa lanes */
  bool resume;      /* the chain goes on from dst instead of from 0 */
  bool last;        /* the chain ends here: bias, addend and activation follow */
  bool relu;
  const float *bia, *add; /* of the panel's first channel; NULL: none */
  float *dst;             /* first pixel, first channel */
  size_t add_stride, dst_stride;
  /* Bytes from every 4th channel's weights to two cache lines that are fetched to L2: of the panel that is next. */
  ptrdiff_t soon;
  bool stream; /* past the caches; needs whole, aligned vectors */
} kohl_igemm_call;

typedef struct kohl_igemm_isa {
  int rows;  /* most pixels of a tile */
  int lanes; /* floats of a vector; a panel is two vectors wide, or one where 'lanes' channels or fewer are left */
  void (*micro)(const kohl_igemm_call *call);
} kohl_igemm_isa;

extern const kohl_igemm_isa kohl_igemm_avx2, kohl_igemm_avx512;

/* A panel: filters k0 to k0 + channels - 1, all of one group and one destination. */
typedef struct kohl_igemm_panel {
  size_t wei; /* floats before it in the packed weights */
  int k0, channels, dst, dst_c, group;
} kohl_igemm_panel;

/* Steps from one panel to the next; begins with a zeroed one.  False at the end, when panel->wei is the floats of all.
 * The width is in floats, those that only fill up included. */
bool kohl_igemm_next_panel(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, kohl_igemm_panel *panel);
size_t kohl_igemm_panel_width(const kohl_igemm_isa *isa, int channels);

/* Floats from one output pixel to the next across, down and from picture to picture, where they are not neighbours. */
typedef struct kohl_igemm_view {
  size_t column, row, picture;
} kohl_igemm_view;

/* The five members of a kernel.  Packed weights are [panel][r*s*c/groups][one or two vectors], the last lanes of
 * a panel filled with zeros; a panel begins at each destination and each group.  Packed weights and workspace
 * want an alignment of 64.  The workspace does not depend on the batch. */
const char *kohl_igemm_accepts(const void *desc);
size_t kohl_igemm_packed_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d);
void kohl_igemm_pack(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const float *wei, float *packed);
size_t kohl_igemm_workspace_size(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, size_t workers);
void kohl_igemm_run(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args, kohl_threads *threads);

/* The same with the pixels of the one destination where view says.  Paddings may be negative here: the first tap of
 * the first pixel is then inside.  pad_bottom and pad_right are never read. */
void kohl_igemm_run_view(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, const kohl_args *args,
                         const kohl_igemm_view *view, kohl_threads *threads);

/* Independent units of work that run makes for that many workers. */
size_t kohl_igemm_tasks(const kohl_igemm_isa *isa, const kohl_conv2d_desc *d, size_t workers);

#endif
