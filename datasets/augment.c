/* Parameters to a matrix and factors, and the two kernels. */
#include "datasets/augment.h"

#include <math.h>

#include "kernels/colour/colour.h"
#include "kernels/warp/affine.h"

kohl_warp_desc kohl_augment_warp(const kohl_augmentation *a, const kohl_augment_picture *picture) {
  return (kohl_warp_desc){.n = 1,
                          .h = picture->h,
                          .w = picture->w,
                          .p = picture->p,
                          .q = picture->q,
                          .src_row = picture->w * 3,
                          .fill = a->fill,
                          .colour = {a->colour[0], a->colour[1], a->colour[2]}};
}

/* The largest workspace of a list, whichever kernel of the CPU will be chosen. */
static size_t most_workspace(const kohl_op *op, const void *desc, size_t workers) {
  size_t most = 0;
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel_code *code = op->kernels[i].code;
    size_t bytes = code && code->workspace_size && !code->accepts(desc) ? code->workspace_size(desc, workers) : 0;
    if (bytes > most) most = bytes;
  }
  return most;
}

size_t kohl_augment_workspace(const kohl_context *ctx, int p, int q) {
  size_t workers = kohl_threads_count(ctx->threads);
  kohl_warp_desc warp = {.n = 1, .h = p, .w = q, .p = p, .q = q, .src_row = 3 * q};
  kohl_colour_desc colour = {1, p * q};
  size_t a = most_workspace(&kohl_warp_op, &warp, workers), b = most_workspace(&kohl_colour_op, &colour, workers);
  return a > b ? a : b;
}

/* Window number trunc(share * count) of the count = larger - side + 1 that there are. */
static int window(double share, int larger, int side) {
  int count = larger - side + 1, at = (int)(share * count);
  return at < count ? at : count - 1;
}

static bool matrix_of(const kohl_augment_params *params, const kohl_augment_picture *picture, int64_t matrix[6]) {
  kohl_affine_keras_params keras = {.theta = params->rotation,
                                    .tx = params->height_shift * picture->p,
                                    .ty = params->width_shift * picture->q,
                                    .shear = params->shear,
                                    .zx = params->zoom_height,
                                    .zy = params->zoom_width,
                                    .flip_horizontal = params->horizontal_flip,
                                    .flip_vertical = params->vertical_flip};
  if (!(params->crop_top >= 0.0 && params->crop_top <= 1.0)) return false;
  if (!(params->crop_left >= 0.0 && params->crop_left <= 1.0)) return false;
  kohl_affine map = kohl_affine_keras(&keras, picture->p, picture->q);
  kohl_affine move = kohl_affine_move(window(params->crop_top, picture->h, picture->p),
                                      window(params->crop_left, picture->w, picture->q));
  map = kohl_affine_after(&map, &move);
  return kohl_affine_fixed(&map, matrix);
}

static kohl_status run(kohl_context *ctx, const kohl_op *op, const void *desc, const kohl_args *args) {
  const kohl_kernel *kernel = kohl_kernel_choose(ctx, op, KOHL_FWD, desc);
  if (!kernel) return KOHL_USAGE;
  kernel->code->run(desc, args, ctx->threads);
  return KOHL_OK;
}

bool kohl_augment_numbers(const kohl_augment_params *params, const kohl_augment_picture *picture, int64_t matrix[6],
                          float factors[3]) {
  factors[0] = params->brightness;
  factors[1] = params->contrast;
  factors[2] = params->saturation;
  for (int i = 0; i < 3; i++) {
    if (!isfinite(factors[i])) return false;
  }
  return matrix_of(params, picture, matrix);
}

kohl_status kohl_augment_apply(kohl_context *ctx, const kohl_augmentation *a, const kohl_augment_params *params,
                               const kohl_augment_picture *picture, void *workspace) {
  int64_t matrix[6];
  float factors[3];
  if (picture->p < 1 || picture->q < 1 || picture->h < picture->p || picture->w < picture->q) {
    return kohl_fail(ctx, KOHL_USAGE, "augmentation: a picture of %d x %d pixels, expected at least %d x %d",
                     picture->w, picture->h, picture->q, picture->p);
  }
  kohl_warp_desc warp = kohl_augment_warp(a, picture);
  const char *wrong = kohl_warp_check(&warp);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "augmentation: %s", wrong);
  if (!kohl_augment_numbers(params, picture, matrix, factors)) {
    return kohl_fail(ctx, KOHL_USAGE, "augmentation: a parameter is not finite or too large");
  }
  kohl_args args = {.in = {picture->src, matrix}, .out = {picture->dst}, .workspace = workspace};
  kohl_status status = run(ctx, &kohl_warp_op, &warp, &args);
  if (status != KOHL_OK || (factors[0] == 1.0f && factors[1] == 1.0f && factors[2] == 1.0f)) return status;
  kohl_colour_desc colour = {1, picture->p * picture->q};
  args = (kohl_args){.in = {picture->dst, factors}, .out = {picture->dst}, .workspace = workspace};
  return run(ctx, &kohl_colour_op, &colour, &args);
}
