/* adaptive_pool: average or maximum of p x q windows that share out the picture, each channel by itself, NHWC.
 *
 * Output row i covers the rows floor(i*h/p) .. ceil((i+1)*h/p) - 1, columns likewise (PyTorch's windows, which may
 * overlap).  p = q = 1 is global pooling.
 *
 * Accuracy class CHAIN, in the orders of pool (kernels/pool/pool.h): rows, then columns ascending; max from -inf with
 * NaN winning; avg as additions from 0, then one division by the number of cells;
 * the gradient window after window, p, then q ascending. */
#ifndef KOHL_KERNELS_ADAPTIVE_POOL_ADAPTIVE_POOL_H
#define KOHL_KERNELS_ADAPTIVE_POOL_ADAPTIVE_POOL_H

#include "kernels/pool/pool.h"

typedef enum kohl_adaptive_pool_mode { KOHL_ADAPTIVE_POOL_AVG, KOHL_ADAPTIVE_POOL_MAX } kohl_adaptive_pool_mode;

typedef struct kohl_adaptive_pool_desc {
  int n, h, w, c;             /* src: n pictures of h x w pixels with c channels */
  int p, q;                   /* dst has p x q pixels; more than h x w is allowed */
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
  kohl_adaptive_pool_mode mode;
} kohl_adaptive_pool_desc;

/* kohl_args of fwd */
enum { ADAPTIVE_POOL_SRC }; /* in: [n][h][w] pixels */
enum { ADAPTIVE_POOL_DST }; /* out: [n][p][q] pixels; not src */

/* kohl_args of dgrad, as pool's.  In: [n][p][q] pixels; the forward's src, read by max only, else NULL is allowed. */
enum { ADAPTIVE_POOL_DGRAD_DDST, ADAPTIVE_POOL_DGRAD_SRC };
enum { ADAPTIVE_POOL_DGRAD_DSRC }; /* out: [n][h][w] pixels; neither ddst nor src */

/* NULL, or what is wrong with the desc. */
const char *kohl_adaptive_pool_check(const kohl_adaptive_pool_desc *d);

/* Runs reduce over every window; a unit of work is one output row of 64 channels, so that one picture's global
 * pooling has work for several threads too. */
void kohl_adaptive_pool_run(const kohl_adaptive_pool_desc *d, const kohl_args *args, kohl_threads *threads,
                            kohl_pool_reduce *reduce);

/* Clears dsrc and runs spread over every window; a unit of work is 64 channels of a picture. */
void kohl_adaptive_pool_dgrad(const kohl_adaptive_pool_desc *d, const kohl_args *args, kohl_threads *threads,
                              kohl_pool_spread *spread);

extern const kohl_op kohl_adaptive_pool_op;

#endif
