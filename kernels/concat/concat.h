/* concat: copies one source into a slice of the destination's channels, where its producer could not write there;
 * and back: the gradient of the source is that slice.
 *
 *   dst[pixel, c] = src[pixel, c]
 *
 * One step per source; the destination pointer is that of the slice's first channel.  Accuracy class CHAIN: bits as
 * they are. */
#ifndef KOHL_KERNELS_CONCAT_CONCAT_H
#define KOHL_KERNELS_CONCAT_CONCAT_H

#include "kernels/core/pixels.h"

typedef struct kohl_concat_desc {
  int n, pixels, c;           /* n pictures of pixels = h*w pixels; c channels of this source */
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
} kohl_concat_desc;

/* kohl_args of fwd */
enum { CONCAT_SRC }; /* in: pixels */
enum { CONCAT_DST }; /* out: pixels, from the slice's first channel on; does not overlap src */

/* kohl_args of dgrad: dsrc[pixel, c] = ddst[pixel, c].  In: pixels, from the slice's first channel on (stride
 * dst_stride). */
enum { CONCAT_DGRAD_DDST };
enum { CONCAT_DGRAD_DSRC }; /* out: pixels; does not overlap ddst */

/* NULL, or what is wrong with the desc. */
const char *kohl_concat_check(const kohl_concat_desc *d);

extern const kohl_op kohl_concat_op;

#endif
