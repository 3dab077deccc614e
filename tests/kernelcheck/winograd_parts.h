/* What the bounds of all directions of a Winograd convolution are made from: matrices, and what a patch becomes.  The
 * derivation is in winograd.h.  Sums of squares are in units of u^2/3. */
#ifndef KOHL_TESTS_KERNELCHECK_WINOGRAD_PARTS_H
#define KOHL_TESTS_KERNELCHECK_WINOGRAD_PARTS_H

#include "kernels/conv2d/conv2d.h"

enum { WINOGRAD_SIDE = 6, WINOGRAD_POSITIONS = 36 };

#define WINOGRAD_FLOOR 0x1p-126               /* of magnitudes: u times it is half a denormal step */
#define WINOGRAD_ROOT 0x1.6a09e6p0            /* sqrt(2) in f32 */
#define WINOGRAD_HALF 0x1.6a09e6p-1           /* its half in f32 */
#define WINOGRAD_THIRD 0.47140452079103168293 /* sqrt(2) / 3 */

/* The matrices of either m, with sqrt(2) as f32 has it in B^T and A^T. */
typedef struct winograd_matrices {
  double b[WINOGRAD_SIDE][WINOGRAD_SIDE], g[WINOGRAD_SIDE][3], a[4][WINOGRAD_SIDE];
  double roundings; /* of both transforms and U */
  double constants; /* u times Mag that they are off by at most */
} winograd_matrices;

/* The forward convolution that fwd and dgrad are, or whose weights' gradient wgrad is (m = 2 or 4), and where its
 * tensors are. */
typedef struct winograd_problem {
  const winograd_matrices *t;
  int m, side;
  int n, h, w, c, k, p, q, pad_top, pad_left, pool;
  const float *src, *wei, *bia, *add;
  int src_stride, add_stride;
  size_t filter, channel, tap; /* floats of wei from one to the next */
  bool turned, relu;
} winograd_problem;

/* One channel of one tile: what its patch becomes. */
typedef struct winograd_patch {
  double v[WINOGRAD_POSITIONS], v_squares[WINOGRAD_POSITIONS], v_size[WINOGRAD_POSITIONS];
  double column[WINOGRAD_POSITIONS],
      column_squares[WINOGRAD_POSITIONS]; /* of (x, j): after the lines down the columns */
} winograd_patch;

winograd_problem winograd_problem_of(const kohl_conv2d_desc *d, kohl_direction direction, const kohl_args *args, int m);
void winograd_patch_make(const winograd_problem *p, size_t tile, int c, winograd_patch *out);

#endif
