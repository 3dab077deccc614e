/* activation: an elementwise function that no epilogue could take, and its gradient.
 *
 *   fwd:   dst = f(src)
 *   dgrad: dsrc = ddst * f'(x), from the forward's output dst and not from its input, which need not be kept
 *
 * Accuracy class CHAIN.
 *   copy     fwd: src; dgrad: ddst.  The bits as they are.
 *   relu     fwd: kohl_relu, NaN goes through; dgrad: ddst when dst > 0, else +0 (for a NaN in dst as well).
 *   sigmoid  fwd: kohl_sigmoidf; dgrad: ddst * (dst * (1 - dst)), three roundings from the inside out. */
#ifndef KOHL_KERNELS_ACTIVATION_ACTIVATION_H
#define KOHL_KERNELS_ACTIVATION_ACTIVATION_H

#include "kernels/core/activation.h"
#include "kernels/core/pixels.h"
#include "kernels/core/stream.h"

typedef enum kohl_activation_function {
  KOHL_ACTIVATION_FUNCTION_COPY,
  KOHL_ACTIVATION_FUNCTION_RELU,
  KOHL_ACTIVATION_FUNCTION_SIGMOID,
} kohl_activation_function;

typedef struct kohl_activation_desc {
  int n, pixels, c; /* n pictures of pixels = h*w pixels with c channels */
  int src_stride;   /* floats from one pixel of src or dsrc to the next, >= c */
  int dst_stride;   /* the same of dst and ddst */
  kohl_activation_function function;
} kohl_activation_desc;

/* kohl_args of fwd */
enum { ACTIVATION_SRC }; /* in: pixels */
enum { ACTIVATION_DST }; /* out: pixels; may be src when the strides are equal */
/* kohl_args of dgrad */
enum { ACTIVATION_DGRAD_DST, ACTIVATION_DGRAD_DDST }; /* in: the forward's output and its gradient */
enum { ACTIVATION_DGRAD_DSRC };                       /* out: may be ddst when the strides are equal */

/* NULL, or what is wrong with the desc. */
const char *kohl_activation_check(const kohl_activation_desc *d);

/* Whether an output from `to` on goes past the caches (kohl_stream_pays).  Not in place: there its lines are in the
 * cache already. */
static inline bool kohl_activation_stream(const kohl_activation_desc *d, const float *from, const float *to,
                                          size_t stride) {
  return from != to && kohl_stream_pays(to, stride, (size_t)d->c, (size_t)d->n * d->pixels * d->c);
}

extern const kohl_op kohl_activation_op;

#endif
