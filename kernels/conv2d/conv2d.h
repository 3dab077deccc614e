/* conv2d: two-dimensional cross-correlation, NHWC activations, krsc filters.
 *
 *   dst[n,p,q,k] = act( sum_{r,s,c} src[n, p*stride_h - pad_top + r*dilation_h, q*stride_w - pad_left + s*dilation_w,
 *                                       g*C/groups + c] * wei[k,r,s,c]  + bia[k] + add[n,p,q,k] )
 *
 * Accuracy class CHAIN: acc = 0, then acc = fma(src, wei, acc) with r, s, c ascending (c fastest).  A tap outside
 * the picture takes part as a zero, so that every kernel may multiply by a zero instead of branching.  Then
 * acc + bia (when there is a bias), then + add (when there is one), then the activation: three roundings at most. */
#ifndef KOHL_KERNELS_CONV2D_CONV2D_H
#define KOHL_KERNELS_CONV2D_CONV2D_H

#include "kernels/core/activation.h"
#include "kernels/core/kernel.h"

enum { KOHL_CONV2D_DSTS = 4 };

typedef struct kohl_conv2d_desc {
  int n, h, w, c;             /* src: n pictures of h x w pixels with c channels */
  int k, r, s, p, q;          /* k filters of r x s; dst has p x q pixels */
  int stride_h, stride_w, dilation_h, dilation_w;
  int pad_top, pad_left, pad_bottom, pad_right;
  int groups;                 /* divides c and k */
  int src_stride;             /* floats from one src pixel to the next, >= c */
  /* Up to four destinations split by output channel (merged siblings, slices of a concat): destination i takes
   * dst_k[i] channels; the sum is k.  dst_stride[i] is the floats from one of its pixels to the next. */
  int dsts;
  int dst_k[KOHL_CONV2D_DSTS];
  int dst_stride[KOHL_CONV2D_DSTS];
  bool bias;
  bool add;                   /* needs dsts == 1; the addend has add_stride floats from pixel to pixel */
  int add_stride;
  kohl_activation activation;
  bool pool;                  /* a 2x2 stride 2 max-pool of the result is written instead; dst has p/2 x q/2 pixels */
} kohl_conv2d_desc;

/* kohl_args of fwd.  wei is what pack made, or krsc [k][r][s][c/groups] for kernels without pack. */
enum { CONV2D_SRC, CONV2D_WEI, CONV2D_BIA, CONV2D_ADD }; /* in */
enum { CONV2D_DST };                                     /* out: dsts pointers, each to its first channel */

/* NULL, or what is wrong with the desc (signs, sums, sizes that overflow).  Every kernel's accepts asks this first. */
const char *kohl_conv2d_check(const kohl_conv2d_desc *d);

/* Output size along one side: (in + pads - dilation*(filter-1) - 1) / stride + 1; 0 when the filter does not fit. */
int kohl_conv2d_out(int in, int filter, int stride, int dilation, int pad_before, int pad_after);

/* Multiply-add pairs times two: 2*n*p*q*k*r*s*c/groups. */
double kohl_conv2d_flops(const kohl_conv2d_desc *d);

extern const kohl_op kohl_conv2d_op;

#endif
