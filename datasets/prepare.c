/* Fit, then the normalise kernel. */
#include "datasets/prepare.h"

#include <math.h>

#include "kernels/core/alloc.h"

const char *kohl_preprocessing_check(const kohl_preprocessing *pre) {
  const char *wrong = kohl_fit_check(&pre->fit);
  if (wrong) return wrong;
  if ((int)pre->order < 0 || pre->order >= (kohl_channel_order)KOHL_CHANNEL_ORDERS) return "no such channel order";
  if (!isfinite(pre->scale)) return "scale is not finite";
  for (int c = 0; c < 3; c++) {
    if (!isfinite(pre->mean[c])) return "a mean is not finite";
    if (!(pre->std[c] > 0.0f) || !isfinite((float)(1.0 / (double)pre->std[c]))) return "a std is not above 0";
  }
  return NULL;
}

size_t kohl_prepare_floats(const kohl_preprocessing *pre) { return (size_t)pre->fit.h * (size_t)pre->fit.w * 3; }

kohl_normalise_desc kohl_prepare_normalise(const kohl_preprocessing *pre, int n) {
  kohl_normalise_desc d = {.n = n,
                           .pixels = pre->fit.w * pre->fit.h,
                           .scale = pre->scale,
                           .bgr = pre->order == KOHL_CHANNELS_BGR,
                           .dst_stride = 3};
  for (int c = 0; c < 3; c++) {
    d.mean[c] = pre->mean[c];
    d.inv_std[c] = (float)(1.0 / (double)pre->std[c]);
  }
  return d;
}

kohl_status kohl_prepare_fitted(kohl_context *ctx, const kohl_preprocessing *pre, const uint8_t *rgb, float *dst) {
  const kohl_normalise_desc d = kohl_prepare_normalise(pre, 1);
  const kohl_kernel *kernel = kohl_kernel_choose(ctx, &kohl_normalise_op, KOHL_FWD, &d);
  if (!kernel) return KOHL_USAGE;
  kohl_args args = {.in = {rgb}, .out = {dst}};
  const kohl_kernel_code *code = kernel->code;
  size_t bytes = code->workspace_size ? code->workspace_size(&d, kohl_threads_count(ctx->threads)) : 0;
  kohl_status status = kohl_alloc(ctx, bytes, 1, "normalising a picture", &args.workspace);
  if (status != KOHL_OK) return status;
  code->run(&d, &args, ctx->threads);
  kohl_free(ctx, args.workspace);
  return KOHL_OK;
}

kohl_status kohl_prepare(kohl_context *ctx, const kohl_preprocessing *pre, const kohl_picture *picture, float *dst) {
  const char *wrong = kohl_preprocessing_check(pre);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "preprocessing: %s", wrong);
  kohl_picture fitted;
  kohl_status status = kohl_picture_fit(ctx, picture, &pre->fit, &fitted);
  if (status == KOHL_OK) status = kohl_prepare_fitted(ctx, pre, fitted.rgb, dst);
  kohl_picture_free(ctx, &fitted);
  return status;
}

kohl_status kohl_prepare_file(kohl_context *ctx, const kohl_preprocessing *pre, const char *path, float *dst) {
  const char *wrong = kohl_preprocessing_check(pre);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "preprocessing: %s", wrong);
  kohl_decode_want want = kohl_fit_want(&pre->fit);
  kohl_picture picture;
  kohl_status status = kohl_picture_read_for(ctx, path, &pre->decode, &want, &picture);
  if (status == KOHL_OK) status = kohl_prepare(ctx, pre, &picture, dst);
  kohl_picture_free(ctx, &picture);
  return status;
}
