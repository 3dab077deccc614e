/* Affine maps from output pixels to source pixels, in double, and the fixed-point matrices that the warp kernels read.
 *
 *   source row = m[0] * y + m[1] * x + m[2]      source column = m[3] * y + m[4] * x + m[5]
 *
 * Pixel (0, 0) has its centre at row 0, column 0.  Plain arithmetic; nothing here allocates or fails. */
#ifndef KOHL_KERNELS_WARP_AFFINE_H
#define KOHL_KERNELS_WARP_AFFINE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct kohl_affine {
  double m[6];
} kohl_affine;

/* The map that moves by whole or broken pixels: source = output + (rows, columns); (0, 0) is the identity. */
kohl_affine kohl_affine_move(double rows, double columns);

/* First `inner`, then `outer`: a picture warped by outer and its result warped by inner, at once. */
kohl_affine kohl_affine_after(const kohl_affine *inner, const kohl_affine *outer);

/* The parameters of Keras's apply_transform, under its names: x is the direction of rows, y of columns. */
typedef struct kohl_affine_keras_params {
  double theta;                        /* degrees; a positive one turns the picture clockwise */
  double tx, ty;                       /* pixels; a positive one moves the picture up, or to the left */
  double shear;                        /* degrees */
  double zx, zy;                       /* factors of rows and columns; below 1 enlarges */
  bool flip_horizontal, flip_vertical; /* of what the others made */
} kohl_affine_keras_params;

/* Keras's matrix for a picture of h x w pixels, as keras-preprocessing 1.1.2 (Keras 2) composes it in
 * apply_affine_transform: rotation, then shift, shear and zoom, each multiplied from the right,
 *
 *   [cos -sin] [1 0 tx] [1 -sin(shear)] [zx  0]
 *   [sin  cos] [0 1 ty] [0  cos(shear)] [ 0 zy]
 *
 * about the point (h / 2 + 0.5, w / 2 + 0.5), which is a pixel below and right of the picture's centre.  (Keras 3 has
 * (h / 2 - 0.5, w / 2 - 0.5) and swaps the axes.)  A flip alone is exact. */
kohl_affine kohl_affine_keras(const kohl_affine_keras_params *params, int h, int w);

/* The matrix in fixed point, each number rounded to 2^-32.  False, out untouched, when a number is not finite or too
 * large: coefficients to 2^14, offsets to 2^30, so that coordinates of pictures to 32,768 pixels a side stay in range.
 */
bool kohl_affine_fixed(const kohl_affine *map, int64_t out[6]);

#endif
