/* gather: rows of bytes by their numbers: a batch out of pictures or features that stay where they are.
 *
 *   dst[i] = src[index[i]]    zeros where index[i] is none of 0 to rows - 1
 *
 * Accuracy class CHAIN: bytes are copied. */
#ifndef KOHL_KERNELS_GATHER_GATHER_H
#define KOHL_KERNELS_GATHER_GATHER_H

#include "kernels/core/kernel.h"

typedef struct kohl_gather_desc {
  int n;         /* rows of dst */
  int64_t rows;  /* of src, at most 2^31 - 1 */
  int64_t bytes; /* of a row; rows follow each other without gaps */
} kohl_gather_desc;

/* kohl_args of fwd: src u8 [rows][bytes], index i32 [n], dst u8 [n][bytes].  dst must not overlap src. */
enum { GATHER_SRC, GATHER_INDEX }; /* in */
enum { GATHER_DST };               /* out */

/* NULL, or what is wrong with the desc. */
const char *kohl_gather_check(const kohl_gather_desc *d);

extern const kohl_op kohl_gather_op;

#endif
