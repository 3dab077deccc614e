/* Pictures of any shape made w x h.
 *
 * STRETCH    resize to w x h.
 * LETTERBOX  Pillow's ImageOps.pad: with wide = picture.w / picture.h > w / h, the size is w x
 *            max(1, round(picture.h / picture.w * w)), else max(1, round(picture.w / picture.h * h)) x h; it is put
 *            at round(half of what is left), the rest is the background.  (Pillow fails where a side rounds to 0.)
 * CROP       torchvision's Resize(resize) and CenterCrop((h, w)): the shorter side becomes `resize`, the longer one
 *            trunc(resize * longer / shorter); the window starts at round(half of what is left).  Only the window
 *            is worked out.
 * FRACTION   TensorFlow's central_crop: trunc((side - side * fraction) / 2) pixels go from each end, then STRETCH.
 *
 * All divisions in double; round is to the nearest, halves to even. */
#ifndef KOHL_DATASETS_FIT_H
#define KOHL_DATASETS_FIT_H

#include "datasets/decode.h"
#include "kernels/picture/preprocessing.h"

struct kohl_fit_room;

/* NULL, or what is wrong with the numbers of a fit. */
const char *kohl_fit_check(const kohl_fit *fit);

/* What the fit needs of a picture that the decoder may scale (decode.h, `fast`): sides from which it still makes its
 * result smaller, never larger.  The fit then works on the scaled picture as on any other. */
kohl_decode_want kohl_fit_want(const kohl_fit *fit);

/* *out = src fitted, the caller's until kohl_picture_free; src is only read.  KOHL_USAGE when kohl_fit_check
 * objects; out is empty on failure.  Runs on the context's threads. */
kohl_status kohl_picture_fit(kohl_context *ctx, const kohl_picture *src, const kohl_fit *fit, kohl_picture *out);

/* The same into rgb[fit->h][fit->w][3], the caller's, which holds anything when it fails.  room (fit_room.h) keeps what
 * the next picture of this shape can use; NULL: nothing is kept. */
kohl_status kohl_picture_fit_to(kohl_context *ctx, const kohl_picture *src, const kohl_fit *fit,
                                struct kohl_fit_room *room, uint8_t *rgb);

#endif
