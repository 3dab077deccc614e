/* How training pictures are changed at random: rotated, shifted, zoomed, sheared, flipped, cropped, brightened.
 *
 * Plain data that a recipe stores; it stands here for the reason that preprocessing.h gives.  The draw of one picture's
 * numbers is in datasets/augment_draw.h, the arithmetic in kernels/warp/ and kernels/colour/.  Names and meanings are
 * those of Keras's ImageDataGenerator, and of torchvision where Keras has none (contrast, saturation, crop). */
#ifndef KOHL_KERNELS_PICTURE_AUGMENTATION_H
#define KOHL_KERNELS_PICTURE_AUGMENTATION_H

#include <stdbool.h>
#include <string.h>

/* What lies around a picture, as scipy.ndimage (and so Keras) names and defines it. */
typedef enum kohl_fill {
  KOHL_FILL_NEAREST,  /* a a a | a b c d | d d d */
  KOHL_FILL_CONSTANT, /* the colour, beyond the centres of the outermost pixels; nothing is blended */
  KOHL_FILL_REFLECT,  /* c b a | a b c d | d c b */
  KOHL_FILL_WRAP,     /* b c | a b c d | b c: with a period of one less than the side, scipy's "wrap" */
} kohl_fill;
enum { KOHL_FILLS = 4 };

/* A range from [0] to [1], both alike where nothing is drawn. */
typedef struct kohl_augmentation {
  double rotation;                                  /* degrees: drawn from -rotation .. rotation; 0 to 180 */
  double width_shift, height_shift;                 /* share of the side: drawn from -x .. x; 0 to 1 */
  double zoom[2];                                   /* of each side on its own; below 1 enlarges; 0.01 to 100 */
  double shear;                                     /* degrees: drawn from -shear .. shear; 0 to 89 */
  bool horizontal_flip, vertical_flip;              /* with probability 1/2 */
  double brightness[2], contrast[2], saturation[2]; /* factors, 1 leaves a picture as it is; 0 to 100 */
  int crop; /* 0, or both sides of the fitted picture, out of which a random window is cut */
  kohl_fill fill;
  float colour[3]; /* of KOHL_FILL_CONSTANT: grey levels 0 to 255, RGB */
} kohl_augmentation;

static inline kohl_augmentation kohl_augmentation_none(void) {
  kohl_augmentation none;
  memset(&none, 0, sizeof none);
  for (int i = 0; i < 2; i++) none.zoom[i] = none.brightness[i] = none.contrast[i] = none.saturation[i] = 1.0;
  return none;
}

static inline const char *kohl_augmentation_factors_check(const kohl_augmentation *a) {
  const double *ranges[] = {a->zoom, a->brightness, a->contrast, a->saturation};
  for (int i = 0; i < 4; i++) {
    if (!(ranges[i][0] >= (i == 0 ? 0.01 : 0.0) && ranges[i][0] <= ranges[i][1] && ranges[i][1] <= 100.0)) {
      return i == 0 ? "`zoom` is not a range within 0.01 to 100" : "a factor is not a range within 0 to 100";
    }
  }
  return NULL;
}

/* NULL, or what is wrong with the numbers. */
static inline const char *kohl_augmentation_check(const kohl_augmentation *a) {
  if (!(a->rotation >= 0.0 && a->rotation <= 180.0)) return "`rotation` is not 0 to 180 degrees";
  if (!(a->width_shift >= 0.0 && a->width_shift <= 1.0)) return "`width_shift` is not 0 to 1";
  if (!(a->height_shift >= 0.0 && a->height_shift <= 1.0)) return "`height_shift` is not 0 to 1";
  if (!(a->shear >= 0.0 && a->shear <= 89.0)) return "`shear` is not 0 to 89 degrees";
  if (a->crop < 0 || a->crop > 32768) return "`crop` is not 0 to 32768";
  if ((int)a->fill < 0 || a->fill >= (kohl_fill)KOHL_FILLS) return "no such fill";
  for (int c = 0; c < 3; c++) {
    if (!(a->colour[c] >= 0.0f && a->colour[c] <= 255.0f)) return "`colour` is not within 0 to 255";
  }
  return kohl_augmentation_factors_check(a);
}

/* The words of recipes, and the value of a word; false when it is none, *out is untouched then. */
static inline const char *kohl_fill_name(kohl_fill fill) {
  static const char *const names[KOHL_FILLS] = {"nearest", "constant", "reflect", "wrap"};
  return names[fill];
}

static inline bool kohl_fill_find(const char *name, kohl_fill *out) {
  for (int i = 0; i < KOHL_FILLS; i++) {
    if (strcmp(name, kohl_fill_name((kohl_fill)i)) == 0) {
      *out = (kohl_fill)i;
      return true;
    }
  }
  return false;
}

#endif
