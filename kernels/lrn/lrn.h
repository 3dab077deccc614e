/* lrn: local response normalisation across channels (Krizhevsky et al., 2012).
 *
 *   dst[pixel, c] = src[pixel, c] * (bias + alpha * sum_{j = c - size/2 .. c + size/2} src[pixel, j]^2)^-beta
 *
 * Channels outside 0 .. c-1 do not count.  alpha is applied as it stands: Caffe and PyTorch divide theirs by size
 * first, TensorFlow does not, and whoever makes the desc has done so where it is due.
 *
 * Accuracy class CHAIN: sum = 0, then sum = fma(src, src, sum), j ascending; base = fma(alpha, sum, bias);
 * dst = src * kohl_powf(base, -beta).
 *
 * dgrad: dsrc_c = ddst_c base_c^-beta - 2 alpha beta src_c sum_j ddst_j src_j base_j^(-beta - 1), over the j whose
 * window holds c, which are those of c's window.  In the order: base and power = kohl_powf(base, -beta) as above; t_j =
 * ((ddst_j * src_j) * power_j) / base_j; sum = 0, then sum = sum + t_j, j ascending; factor = (2 * alpha) * beta;
 * dsrc = fma(-(factor * src), sum, ddst * power). */
#ifndef KOHL_KERNELS_LRN_LRN_H
#define KOHL_KERNELS_LRN_LRN_H

#include "kernels/core/pixels.h"

typedef struct kohl_lrn_desc {
  int n, pixels, c;           /* n pictures of pixels = h*w pixels with c channels */
  int src_stride, dst_stride; /* floats from one pixel to the next, >= c */
  int size;                   /* channels of a window, odd */
  float alpha, beta, bias;    /* bias is k of the paper */
} kohl_lrn_desc;

/* kohl_args of fwd */
enum { LRN_SRC }; /* in: pixels */
enum { LRN_DST }; /* out: pixels; not src */

/* kohl_args of dgrad.  In: the forward's input (stride src_stride) and its output's gradient (dst_stride). */
enum { LRN_DGRAD_SRC, LRN_DGRAD_DDST };
enum { LRN_DGRAD_DSRC }; /* out: pixels of stride src_stride; neither src nor ddst */

/* NULL, or what is wrong with the desc. */
const char *kohl_lrn_check(const kohl_lrn_desc *d);

/* Channels on each side of a window that can be there at all. */
int kohl_lrn_half(const kohl_lrn_desc *d);

/* Floats of a row that holds the channels between two margins of half a window, and a register more; a multiple of 16.
 */
size_t kohl_lrn_row(const kohl_lrn_desc *d);

/* Hands blocks of pixels to the workers, each with `floats` floats of the workspace for itself. */
typedef void (*kohl_lrn_work)(const kohl_lrn_desc *d, const kohl_args *args, float *scratch, size_t first,
                              size_t count);
void kohl_lrn_run(const kohl_lrn_desc *d, const kohl_args *args, kohl_threads *threads, kohl_lrn_work work,
                  size_t floats);

extern const kohl_op kohl_lrn_op;

#endif
