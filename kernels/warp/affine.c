/* Affine maps: Keras's matrix, composition, fixed point. */
#include "kernels/warp/affine.h"

#include <math.h>
#include <stddef.h>

static const double pi = 3.14159265358979323846;

kohl_affine kohl_affine_move(double rows, double columns) { return (kohl_affine){{1, 0, rows, 0, 1, columns}}; }

kohl_affine kohl_affine_after(const kohl_affine *inner, const kohl_affine *outer) {
  const double *a = outer->m, *b = inner->m;
  kohl_affine map;
  for (int i = 0; i < 6; i += 3) {
    for (int j = 0; j < 3; j++) map.m[i + j] = a[i] * b[j] + a[i + 1] * b[3 + j];
    map.m[i + 2] += a[i + 2];
  }
  return map;
}

kohl_affine kohl_affine_keras(const kohl_affine_keras_params *params, int h, int w) {
  const double theta = params->theta / 180.0 * pi, shear = params->shear / 180.0 * pi;
  const double row = h / 2.0 + 0.5, column = w / 2.0 + 0.5;
  kohl_affine flip = {{params->flip_vertical ? -1 : 1, 0, params->flip_vertical ? h - 1 : 0, 0,
                       params->flip_horizontal ? -1 : 1, params->flip_horizontal ? w - 1 : 0}};
  const kohl_affine steps[] = {
      kohl_affine_move(-row, -column),
      {{params->zx, 0, 0, 0, params->zy, 0}},
      {{1, -sin(shear), 0, 0, cos(shear), 0}},
      kohl_affine_move(params->tx, params->ty),
      {{cos(theta), -sin(theta), 0, sin(theta), cos(theta), 0}},
      kohl_affine_move(row, column),
  };
  kohl_affine map = flip;
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) map = kohl_affine_after(&map, &steps[i]);
  return map;
}

bool kohl_affine_fixed(const kohl_affine *map, int64_t out[6]) {
  for (int i = 0; i < 6; i++) {
    if (!(fabs(map->m[i]) <= (i % 3 == 2 ? 0x1p30 : 0x1p14))) return false;
  }
  for (int i = 0; i < 6; i++) out[i] = (int64_t)floor(map->m[i] * 0x1p32 + 0.5);
  return true;
}
