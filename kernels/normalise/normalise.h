/* normalise: grey levels of pictures, as bytes or as floats, to the floats that a network reads, with the channels in
 * its order.
 *
 *   dst[n, pixel, c] = (src[n, pixel, bgr ? 2 - c : c] * scale - mean[c]) * inv_std[c]
 *
 * Accuracy class CHAIN: t = fma((float)src, scale, -mean[c]), then t * inv_std[c]: two roundings. */
#ifndef KOHL_KERNELS_NORMALISE_NORMALISE_H
#define KOHL_KERNELS_NORMALISE_NORMALISE_H

#include "kernels/core/pixels.h"

typedef struct kohl_normalise_desc {
  int n, pixels;    /* n pictures of that many pixels with 3 channels each */
  float scale;      /* 1/255 for p / 255, 1/127.5 with mean 1 for p / 127.5 - 1 */
  float mean[3];    /* after scale, in the order of dst's channels */
  float inv_std[3]; /* 1 / std, divided in double and rounded once */
  bool bgr;         /* dst's first channel is src's last */
  int dst_stride;   /* floats from one dst pixel to the next, >= 3; those beyond 3 are left as they are */
  bool floats;      /* src is f32, as a warped picture is, else u8 */
} kohl_normalise_desc;

/* kohl_args of fwd: src u8 or f32 [n][pixels][3], dst f32 [n][pixels][dst_stride]. */
enum { NORMALISE_SRC }; /* in */
enum { NORMALISE_DST }; /* out */

/* NULL, or what is wrong with the desc. */
const char *kohl_normalise_check(const kohl_normalise_desc *d);

extern const kohl_op kohl_normalise_op;

#endif
