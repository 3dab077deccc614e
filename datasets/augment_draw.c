/* Drawing by counter: the place of a parameter in the list below is its element, for good. */
#include "datasets/augment_draw.h"

#include "kernels/core/philox.h"

/* New parameters go to the end: a number that moves changes every run that was ever recorded. */
enum {
  ROTATION,
  HEIGHT_SHIFT,
  WIDTH_SHIFT,
  SHEAR,
  ZOOM_HEIGHT,
  ZOOM_WIDTH,
  HORIZONTAL_FLIP,
  VERTICAL_FLIP,
  BRIGHTNESS,
  CONTRAST,
  SATURATION,
  CROP_TOP,
  CROP_LEFT,
};

kohl_augment_params kohl_augment_params_none(void) {
  return (kohl_augment_params){.zoom_height = 1,
                               .zoom_width = 1,
                               .crop_top = 0.5,
                               .crop_left = 0.5,
                               .brightness = 1,
                               .contrast = 1,
                               .saturation = 1};
}

typedef struct {
  kohl_random_key key;
  uint64_t draw;
} source;

static double unit(const source *s, uint64_t element) {
  return (double)kohl_random_to_unit(kohl_random_at(s->key, s->draw, element));
}

static double within(const source *s, uint64_t element, double low, double high) {
  return low == high ? low : low + (high - low) * unit(s, element);
}

/* The reach of nothing is nothing: within would give -0. */
static double around(const source *s, uint64_t element, double reach) {
  return reach > 0.0 ? within(s, element, -reach, reach) : 0.0;
}

void kohl_augment_draw(const kohl_augmentation *a, uint64_t seed, uint32_t epoch, uint64_t draw,
                       kohl_augment_params *out) {
  const source s = {kohl_random_key_make(seed, epoch, KOHL_DRAWS_AUGMENT), draw};
  *out = kohl_augment_params_none();
  out->rotation = around(&s, ROTATION, a->rotation);
  out->height_shift = around(&s, HEIGHT_SHIFT, a->height_shift);
  out->width_shift = around(&s, WIDTH_SHIFT, a->width_shift);
  out->shear = around(&s, SHEAR, a->shear);
  out->zoom_height = within(&s, ZOOM_HEIGHT, a->zoom[0], a->zoom[1]);
  out->zoom_width = within(&s, ZOOM_WIDTH, a->zoom[0], a->zoom[1]);
  out->horizontal_flip = a->horizontal_flip && unit(&s, HORIZONTAL_FLIP) < 0.5;
  out->vertical_flip = a->vertical_flip && unit(&s, VERTICAL_FLIP) < 0.5;
  out->brightness = (float)within(&s, BRIGHTNESS, a->brightness[0], a->brightness[1]);
  out->contrast = (float)within(&s, CONTRAST, a->contrast[0], a->contrast[1]);
  out->saturation = (float)within(&s, SATURATION, a->saturation[0], a->saturation[1]);
  if (a->crop) {
    out->crop_top = unit(&s, CROP_TOP);
    out->crop_left = unit(&s, CROP_LEFT);
  }
}
