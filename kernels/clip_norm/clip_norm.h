/* clip_norm: scales a flat array of gradients down to a Euclidean norm of at most max_norm, in place.
 *
 *   norm = sqrt(sum g^2);  g = g max_norm / norm where norm > max_norm
 *
 * (TensorFlow's factor; PyTorch adds 1e-6 to the norm.)  A norm that is not finite leaves the gradients as they are: it
 * tells the caller to leave out the step.
 *
 * Accuracy class CHAIN.  The squares are added in double, where the square of a float is exact: blocks of 4,096
 * elements; in a block 16 partial sums, partial i adding elements with index mod 16 == i by fma(g, g, partial) from 0,
 * ascending, then joined by partial i += partial i + 8, then + 4, + 2, + 1; the blocks are added ascending from 0.
 * norm = sqrt of that, in double, given out rounded; factor = max_norm / norm in double, rounded once; g = g * factor.
 */
#ifndef KOHL_KERNELS_CLIP_NORM_CLIP_NORM_H
#define KOHL_KERNELS_CLIP_NORM_CLIP_NORM_H

#include "kernels/core/pixels.h"

typedef struct kohl_clip_norm_desc {
  int n;          /* 1: gradients have no batch any more */
  int64_t count;  /* weights */
  float max_norm; /* > 0; INFINITY only measures */
} kohl_clip_norm_desc;

/* kohl_args of fwd */
enum { CLIP_NORM_GRAD, CLIP_NORM_NORM }; /* out: [count], read and updated; [1], the norm before */

/* NULL, or what is wrong with the desc. */
const char *kohl_clip_norm_check(const void *desc);

enum { KOHL_CLIP_NORM_BLOCK = 4096 };

/* The parts that differ by level: the sum of squares of up to a block, and g = g * factor. */
typedef struct kohl_clip_norm_isa {
  double (*squares)(const float *grad, size_t count);
  void (*scale)(float *grad, size_t count, float factor);
} kohl_clip_norm_isa;

/* The op with the parts of one level, and its workspace. */
void kohl_clip_norm_run(const kohl_clip_norm_isa *isa, const kohl_clip_norm_desc *d, const kohl_args *args,
                        kohl_threads *threads);
size_t kohl_clip_norm_workspace(const void *desc, size_t workers);

extern const kohl_op kohl_clip_norm_op;

#endif
