/* Augmentations as text, for options and recipes: "rotation=20,zoom=0.9:1.1,horizontal_flip=1".
 *
 * Keys are the members of kohl_augmentation; what a text does not name stays as it is.
 *   rotation, shear              degrees, drawn from -x .. x
 *   width_shift, height_shift    share of the side, drawn from -x .. x
 *   zoom, brightness, contrast, saturation   LOW:HIGH
 *   horizontal_flip, vertical_flip           0 or 1
 *   crop                         pixels per side of the picture that a window is cut from; 0: none
 *   fill                         nearest, constant, reflect or wrap
 *   colour                       #rrggbb, what constant fills with */
#ifndef KOHL_DATASETS_AUGMENT_TEXT_H
#define KOHL_DATASETS_AUGMENT_TEXT_H

#include "kernels/core/context.h"
#include "kernels/picture/augmentation.h"

/* Changes *a as text says; an empty text changes nothing.  where begins the error text, which names key, value and what
 * was expected; *a is unchanged then.  KOHL_USAGE. */
kohl_status kohl_augmentation_parse(kohl_context *ctx, const char *where, const char *text, kohl_augmentation *a);

#endif
