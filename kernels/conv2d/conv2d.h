/* conv2d: two-dimensional cross-correlation, NHWC activations, krsc filters.
 *
 *   dst[n,p,q,k] = act( sum_{r,s,c} src[n, p*stride_h - pad_top + r*dilation_h, q*stride_w - pad_left + s*dilation_w,
 *                                       g*C/groups + c] * wei[k,r,s,c]  + bia[k] + add[n,p,q,k] )
 *
 * Accuracy class CHAIN: acc = 0, then acc = fma(src, wei, acc) with r, s, c ascending (c fastest).  A tap outside
 * the picture takes part as a zero, so that every kernel may multiply by a zero instead of branching.  Then
 * acc + bia (when there is a bias), then + add (when there is one), then the activation: three roundings at most.
 *
 * Gradients.  ddst [n,p,q,k] is the gradient before the activation: the caller has multiplied it by the activation's
 * derivative.  Of the epilogue only `bias` counts: wgrad then writes dbia.  Outputs are overwritten.
 *
 *   dgrad  dsrc[n,y,x,c] = sum_{r,s,k} ddst[n,p,q,k] * wei[k,r,s,c],  with p*stride_h = y + pad_top - r*dilation_h and
 *          the same for q: acc = 0, then acc = fma(ddst, wei, acc) with r, s descending and k (of c's group) ascending,
 *          k fastest.  That is the order of a forward convolution of ddst with the filters turned round.  A tap for
 *          which the stride does not divide its side of the equation takes no part; one whose p or q is outside ddst
 *          takes part as a zero.  A pixel that no tap reaches is 0.
 *   wgrad  dwei[k,r,s,c] = sum_{n,p,q} ddst[n,p,q,k] * src[n, y, x, c], a tap outside the picture being a zero, and
 *          dbia[k] = sum_{n,p,q} ddst[n,p,q,k], both in blocks.  A block is kohl_conv2d_block_rows consecutive output
 *          rows (n, p), counted through the batch, the last one shorter.  Its sum is acc = 0, then
 *          acc = fma(ddst, src, acc) (dbia: acc + ddst) with n, p, q ascending; the result is the first block's sum,
 *          to which those of the others are added in ascending order.  An empty batch gives zeros. */
#ifndef KOHL_KERNELS_CONV2D_CONV2D_H
#define KOHL_KERNELS_CONV2D_CONV2D_H

#include "kernels/core/activation.h"
#include "kernels/core/kernel.h"

enum { KOHL_CONV2D_DSTS = 4 };

typedef struct kohl_conv2d_desc {
  int n, h, w, c;    /* src: n pictures of h x w pixels with c channels */
  int k, r, s, p, q; /* k filters of r x s; dst has p x q pixels */
  int stride_h, stride_w, dilation_h, dilation_w;
  int pad_top, pad_left, pad_bottom, pad_right;
  int groups;     /* divides c and k */
  int src_stride; /* floats from one src pixel to the next, >= c */
  /* Up to four destinations split by output channel (merged siblings, slices of a concat): destination i takes
   * dst_k[i] channels; the sum is k.  dst_stride[i] is the floats from one of its pixels to the next. */
  int dsts;
  int dst_k[KOHL_CONV2D_DSTS];
  int dst_stride[KOHL_CONV2D_DSTS];
  bool bias;
  bool add; /* needs dsts == 1; the addend has add_stride floats from pixel to pixel */
  int add_stride;
  kohl_activation activation;
  bool pool; /* a 2x2 stride 2 max-pool of the result is written instead; dst has p/2 x q/2 pixels */
} kohl_conv2d_desc;

/* kohl_args of fwd.  wei is what pack made, or krsc [k][r][s][c/groups] for kernels without pack. */
enum { CONV2D_SRC, CONV2D_WEI, CONV2D_BIA, CONV2D_ADD }; /* in */
enum { CONV2D_DST };                                     /* out: dsts pointers, each to its first channel */

/* kohl_args of dgrad: ddst with dst_stride[0], wei as for fwd but packed by dgrad's own pack; dsrc with src_stride. */
enum kohl_conv2d_dgrad_in { CONV2D_DGRAD_DDST, CONV2D_DGRAD_WEI };
enum kohl_conv2d_dgrad_out { CONV2D_DGRAD_DSRC };

/* kohl_args of wgrad: src with src_stride, ddst with dst_stride[0]; dwei krsc, dbia [k] (NULL where bias is false). */
enum kohl_conv2d_wgrad_in { CONV2D_WGRAD_SRC, CONV2D_WGRAD_DDST };
enum kohl_conv2d_wgrad_out { CONV2D_WGRAD_DWEI, CONV2D_WGRAD_DBIA };

/* NULL, or what is wrong with the desc (signs, sums, sizes that overflow).  Every kernel's accepts asks this first. */
const char *kohl_conv2d_check(const kohl_conv2d_desc *d);

/* The same for a kohl_conv2d_desc in dgrad or wgrad, which have one destination and no fused pool. */
const char *kohl_conv2d_gradient_check(const void *desc);

/* Output rows of one block of wgrad's sums: as many as have at most 256 pixels, at least 1. */
int kohl_conv2d_block_rows(const kohl_conv2d_desc *d);

/* Output size along one side: (in + pads - dilation*(filter-1) - 1) / stride + 1; 0 when the filter does not fit. */
int kohl_conv2d_out(int in, int filter, int stride, int dilation, int pad_before, int pad_after);

/* Multiply-add pairs times two: 2*n*p*q*k*r*s*c/groups, the same for each direction. */
double kohl_conv2d_flops(const kohl_conv2d_desc *d);

extern const kohl_op kohl_conv2d_op;

#endif
