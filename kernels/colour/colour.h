/* colour: brightness, contrast and saturation of pictures of floats in grey levels (0 to 255), in this order.
 *
 * Each blends a picture with a plainer one, as Pillow's ImageEnhance does: brightness with black, contrast with the
 * mean grey of the (brightened) picture, saturation with the pixel's own grey.  A factor of 1 changes nothing, 0 gives
 * the plainer picture, above 1 moves away from it.  Unlike Pillow's bytes, grey, mean and results keep their fractions.
 *
 * Accuracy class CHAIN; clip(x) is 0 below 0, 255 above 255, else x (a NaN goes through):
 *   v = clip(v * brightness)
 *   contrast, unless it is 1:    v = clip(fma(contrast, v - mean, mean))
 *   saturation, unless it is 1:  v = clip(fma(saturation, v - grey, grey))
 *   grey = fma(0.114, blue, fma(0.587, green, 0.299 * red))
 * mean is (float)((double)sum / (65536 * (double)pixels)), sum the integers trunc(grey * 65536) of all pixels added up,
 * a NaN counting as 0: whole numbers have the same sum in any order, on any device.  It is at most 2^-16 too small. */
#ifndef KOHL_KERNELS_COLOUR_COLOUR_H
#define KOHL_KERNELS_COLOUR_COLOUR_H

#include "kernels/core/kernel.h"

enum { KOHL_COLOUR_PIXELS = 1 << 28 }; /* of a picture, at most: the sum stays below 2^53, exact as a double */

typedef struct kohl_colour_desc {
  int n, pixels; /* n pictures of that many pixels with 3 channels, RGB, each */
} kohl_colour_desc;

/* kohl_args of fwd: src f32 [n][pixels][3], factors f32 [n][3] (brightness, contrast, saturation), dst as src.  dst may
 * be src. */
enum { COLOUR_SRC, COLOUR_FACTORS }; /* in */
enum { COLOUR_DST };                 /* out */

/* NULL, or what is wrong with the desc. */
const char *kohl_colour_check(const void *desc);

/* What a picture's pixels are changed by. */
typedef struct kohl_colour_change {
  float brightness, contrast, saturation, mean;
} kohl_colour_change;

/* The sum of trunc(grey * 65536) over the brightened pixels. */
typedef uint64_t (*kohl_colour_sum)(const float *src, float brightness, size_t pixels);
/* dst = src changed. */
typedef void (*kohl_colour_apply)(const kohl_colour_change *change, const float *src, float *dst, size_t pixels);

size_t kohl_colour_workspace(const void *desc, size_t workers);

/* Both passes with a kernel's two loops: sums of blocks of pixels, then the change. */
void kohl_colour_run(const void *desc, const kohl_args *args, kohl_threads *threads, kohl_colour_sum sum,
                     kohl_colour_apply apply);

extern const kohl_op kohl_colour_op;

#endif
