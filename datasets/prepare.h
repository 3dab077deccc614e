/* A picture made into the numbers that a network reads, as its model file says (kernels/picture/preprocessing.h). */
#ifndef KOHL_DATASETS_PREPARE_H
#define KOHL_DATASETS_PREPARE_H

#include "datasets/fit.h"
#include "kernels/normalise/normalise.h"

/* NULL, or what is wrong: a fit that cannot be, a scale or mean that is not finite, a std that is 0 or less. */
const char *kohl_preprocessing_check(const kohl_preprocessing *pre);

/* Floats of one prepared picture: fit.h * fit.w * 3. */
size_t kohl_prepare_floats(const kohl_preprocessing *pre);

/* The normalising of n fitted pictures: bytes to dense pixels. */
kohl_normalise_desc kohl_prepare_normalise(const kohl_preprocessing *pre, int n);

/* dst[fit.h][fit.w][3] = the picture fitted and normalised.  KOHL_USAGE when the check objects. */
kohl_status kohl_prepare(kohl_context *ctx, const kohl_preprocessing *pre, const kohl_picture *picture, float *dst);

/* dst[fit.h][fit.w][3] = rgb[fit.h][fit.w][3], a picture that is fitted already, normalised.  The numbers of pre must
 * be good (kohl_preprocessing_check). */
kohl_status kohl_prepare_fitted(kohl_context *ctx, const kohl_preprocessing *pre, const uint8_t *rgb, float *dst);

/* kohl_prepare from a file; KOHL_BAD_INPUT with a text that begins with the path when it is no good picture. */
kohl_status kohl_prepare_file(kohl_context *ctx, const kohl_preprocessing *pre, const char *path, float *dst);

#endif
