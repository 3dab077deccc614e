/* The numbers by which one draw of an epoch is augmented.
 *
 * Every number is a pure function of (seed, epoch, draw) and of what it is for: each has its own element of the draw's
 * random sequence, so that switching one off moves none of the others, and neither order nor batch size nor the number
 * of workers matters.  Nothing here knows a picture's size: shifts and windows are shares. */
#ifndef KOHL_DATASETS_AUGMENT_DRAW_H
#define KOHL_DATASETS_AUGMENT_DRAW_H

#include <stdint.h>

#include "kernels/picture/augmentation.h"

/* Philox's `op` of augmentation: no layer and nothing else that draws has it. */
enum { KOHL_DRAWS_AUGMENT = 0x6175676d };

typedef struct kohl_augment_params {
  double rotation, shear;           /* degrees */
  double height_shift, width_shift; /* share of the side; positive moves the picture up, to the left */
  double zoom_height, zoom_width;   /* below 1 enlarges */
  double crop_top, crop_left;       /* which of all windows of a larger picture: 0 the first, towards 1 the last */
  bool horizontal_flip, vertical_flip;
  float brightness, contrast, saturation; /* factors */
} kohl_augment_params;

/* What leaves a picture as it is; of a larger one it takes the middle. */
kohl_augment_params kohl_augment_params_none(void);

/* The numbers of draw `draw` of an epoch; a was found right by kohl_augmentation_check.  A range from x to x gives x
 * itself; with crop 0 the window is the middle one.  No other number of the recipe has an influence. */
void kohl_augment_draw(const kohl_augmentation *a, uint64_t seed, uint32_t epoch, uint64_t draw,
                       kohl_augment_params *out);

#endif
