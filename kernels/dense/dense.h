/* dense: a fully connected layer, all three directions.  Weights are stored [k][c], output features first.
 *
 *   fwd    dst[n,k]  = act( sum_c src[n,c] * wei[k,c] + bia[k] )
 *   dgrad  dsrc[n,c] = sum_k ddst[n,k] * wei[k,c]
 *   wgrad  dwei[k,c] = sum_n ddst[n,k] * src[n,c],   dbia[k] = sum_n ddst[n,k]
 *
 * Accuracy class CHAIN: every sum is acc = 0, then acc = fma(x, y, acc) with its index ascending (dbia: acc + x).
 * fwd then adds bia (when there is one) and applies the activation.  The gradients know no activation: ddst is
 * the gradient before it, the caller has multiplied it by the activation's derivative.  wgrad overwrites its
 * outputs; with an empty batch they are zeros. */
#ifndef KOHL_KERNELS_DENSE_DENSE_H
#define KOHL_KERNELS_DENSE_DENSE_H

#include "kernels/core/activation.h"
#include "kernels/core/kernel.h"

typedef struct kohl_dense_desc {
  int n;                      /* rows: the batch; 0 is allowed */
  int c, k;                   /* input and output features, at least 1 */
  int src_stride;             /* floats from one row of src or dsrc to the next, >= c */
  int dst_stride;             /* the same of dst or ddst, >= k */
  bool bias;                  /* fwd adds bia, wgrad writes dbia */
  kohl_activation activation; /* of fwd alone */
} kohl_dense_desc;

/* Large weights are packed by several workers, a piece at a time: the packed weights of a fwd kernel are those of every
 * so many outputs one behind the other, each as pack makes them for a desc of these outputs alone. */
enum { KOHL_DENSE_PACK_BLOCK = 32 };

/* kohl_args of fwd: src [n][c], wei as pack made it (or [k][c] for kernels without pack), bia [k] or NULL. */
enum kohl_dense_fwd_in { DENSE_SRC, DENSE_WEI, DENSE_BIA };
enum kohl_dense_fwd_out { DENSE_DST };

/* kohl_args of dgrad: ddst [n][k], wei [k][c] as it is stored; dsrc [n][c]. */
enum kohl_dense_dgrad_in { DENSE_DGRAD_DDST, DENSE_DGRAD_WEI };
enum kohl_dense_dgrad_out { DENSE_DGRAD_DSRC };

/* kohl_args of wgrad: src [n][c], ddst [n][k]; dwei [k][c], dbia [k] (NULL where bias is false). */
enum kohl_dense_wgrad_in { DENSE_WGRAD_SRC, DENSE_WGRAD_DDST };
enum kohl_dense_wgrad_out { DENSE_WGRAD_DWEI, DENSE_WGRAD_DBIA };

/* NULL, or what is wrong with the desc.  Every kernel's accepts is this. */
const char *kohl_dense_check(const void *desc);

/* Multiply-add pairs times two, the same for each direction: 2*n*c*k. */
double kohl_dense_flops(const kohl_dense_desc *d);

/* The dbia part of wgrad, one definition for every kernel; nothing where bias is false. */
void kohl_dense_dbia(const kohl_dense_desc *d, const kohl_args *args, kohl_threads *threads);

extern const kohl_op kohl_dense_op;

#endif
