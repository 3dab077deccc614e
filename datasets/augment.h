/* A picture augmented: window, warp, then colour, into floats in grey levels that the normalise kernel takes.
 *
 * One warp does window, rotation, shift, shear, zoom and flips, so that a picture is interpolated once; where the
 * window is a part of a larger picture, the fill begins at the larger picture's edges.  Then brightness, contrast,
 * saturation. */
#ifndef KOHL_DATASETS_AUGMENT_H
#define KOHL_DATASETS_AUGMENT_H

#include "datasets/augment_draw.h"
#include "kernels/core/context.h"
#include "kernels/warp/warp.h"

/* One picture and its result, both the caller's; src is only read, they do not overlap. */
typedef struct kohl_augment_picture {
  const uint8_t *src; /* [h][w][3] RGB: the fitted picture */
  int h, w;           /* >= p and q; equal to them where there is no crop */
  float *dst;         /* [p][q][3], grey levels 0 to 255 */
  int p, q;
} kohl_augment_picture;

/* The warping of one such picture; only its sizes are read. */
kohl_warp_desc kohl_augment_warp(const kohl_augmentation *a, const kohl_augment_picture *picture);

/* What the kernels warp and colour are told about it under params: its matrix and its brightness, contrast and
 * saturation.  Only sizes of the picture are read.  False: params are not finite or absurdly large. */
bool kohl_augment_numbers(const kohl_augment_params *params, const kohl_augment_picture *picture, int64_t matrix[6],
                          float factors[3]);

/* Bytes of workspace for results of p x q pixels, sides to 32,768, enough for every kernel, on the context's threads.
 */
size_t kohl_augment_workspace(const kohl_context *ctx, int p, int q);

/* picture->dst = the window of picture->src under params; only fill and colour of a are read.  With
 * kohl_augment_params_none and equal sizes dst is exactly (float)src.  workspace: kohl_augment_workspace bytes, aligned
 * to 64, one per thread that calls.  Allocates nothing; runs on the context's threads, in a worker's copy of the
 * context (kohl_context_worker) on the caller's alone.  KOHL_USAGE when the sizes do not fit, params are not finite or
 * absurdly large, or no kernel may be chosen. */
kohl_status kohl_augment_apply(kohl_context *ctx, const kohl_augmentation *a, const kohl_augment_params *params,
                               const kohl_augment_picture *picture, void *workspace);

#endif
