/* How a picture becomes the numbers that a network reads: decode, fit, normalise.
 *
 * Plain data that a model file stores and that datasets/prepare.h carries out.  It stands here, below nn and
 * datasets, because nn writes and reads it and datasets executes it, and neither may include the other.  It is
 * not a kernel: the arithmetic is in kernels/resize/ and kernels/normalise/. */
#ifndef KOHL_KERNELS_PICTURE_PREPROCESSING_H
#define KOHL_KERNELS_PICTURE_PREPROCESSING_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Resampling filters; all but nearest are antialiased when they make a picture smaller. */
typedef enum kohl_filter {
  KOHL_FILTER_NEAREST,
  KOHL_FILTER_BOX,
  KOHL_FILTER_BILINEAR,
  KOHL_FILTER_BICUBIC,
  KOHL_FILTER_LANCZOS,
} kohl_filter;
enum { KOHL_FILTERS = 5 };

/* How a picture of any shape becomes w x h; the arithmetic of each is in datasets/fit.h. */
typedef enum kohl_fit_mode {
  KOHL_FIT_STRETCH,   /* both sides scaled on their own */
  KOHL_FIT_LETTERBOX, /* scaled with its aspect ratio kept, centred on the background colour */
  KOHL_FIT_CROP,      /* the shorter side scaled to `resize`, then the centre w x h cut out */
  KOHL_FIT_FRACTION,  /* the central `fraction` of each side cut out, then stretched */
} kohl_fit_mode;
enum { KOHL_FIT_MODES = 4 };

typedef enum kohl_channel_order { KOHL_CHANNELS_RGB, KOHL_CHANNELS_BGR } kohl_channel_order;
enum { KOHL_CHANNEL_ORDERS = 2 };

/* Both switches change pixels, which is why they stand in the model file; the rules are in datasets/decode.h. */
typedef struct kohl_decode_options {
  uint8_t background[3]; /* RGB; what a transparent picture is laid over */
  bool orient;           /* turn and mirror the picture as its EXIF orientation says */
  bool fast;             /* a JPEG much larger than the fit is decoded at 1/2, 1/4 or 1/8 of its size */
} kohl_decode_options;

typedef struct kohl_fit {
  kohl_fit_mode mode;
  kohl_filter filter;
  int w, h;              /* the result, 1 to 32,768 pixels a side */
  int resize;            /* CROP: what the shorter side becomes, >= w and >= h; else unused */
  double fraction;       /* FRACTION: more than 0, at most 1; else unused */
  uint8_t background[3]; /* LETTERBOX: RGB around the picture */
} kohl_fit;

/* dst[c] = (src[order(c)] * scale - mean[c]) / std[c]; mean and std are in the units after scale and in the
 * order of the output channels: for BGR, mean[0] is blue's. */
typedef struct kohl_preprocessing {
  kohl_decode_options decode;
  kohl_fit fit;
  kohl_channel_order order;
  float scale, mean[3], std[3];
} kohl_preprocessing;

/* 224 x 224, bilinear, stretched, RGB / 255, transparent pictures on white, EXIF ignored, every pixel decoded. */
static inline kohl_preprocessing kohl_preprocessing_default(void) {
  const kohl_preprocessing p = {
      .decode = {.background = {255, 255, 255}, .orient = false, .fast = false},
      .fit = {KOHL_FIT_STRETCH, KOHL_FILTER_BILINEAR, 224, 224, 256, 0.875, {255, 255, 255}},
      .order = KOHL_CHANNELS_RGB,
      .scale = (float)(1.0 / 255.0),
      .mean = {0.0f, 0.0f, 0.0f},
      .std = {1.0f, 1.0f, 1.0f},
  };
  return p;
}

/* The words of model files and recipes. */
static inline const char *kohl_filter_name(kohl_filter filter) {
  static const char *const names[KOHL_FILTERS] = {"nearest", "box", "bilinear", "bicubic", "lanczos"};
  return names[filter];
}

static inline const char *kohl_fit_mode_name(kohl_fit_mode mode) {
  static const char *const names[KOHL_FIT_MODES] = {"stretch", "letterbox", "crop", "fraction"};
  return names[mode];
}

static inline const char *kohl_channel_order_name(kohl_channel_order order) {
  return order == KOHL_CHANNELS_BGR ? "bgr" : "rgb";
}

/* The value of a word; false when it is none, *out is untouched then. */
static inline bool kohl_filter_find(const char *name, kohl_filter *out) {
  for (int i = 0; i < KOHL_FILTERS; i++) {
    if (strcmp(name, kohl_filter_name((kohl_filter)i)) == 0) {
      *out = (kohl_filter)i;
      return true;
    }
  }
  return false;
}

static inline bool kohl_fit_mode_find(const char *name, kohl_fit_mode *out) {
  for (int i = 0; i < KOHL_FIT_MODES; i++) {
    if (strcmp(name, kohl_fit_mode_name((kohl_fit_mode)i)) == 0) {
      *out = (kohl_fit_mode)i;
      return true;
    }
  }
  return false;
}

static inline bool kohl_channel_order_find(const char *name, kohl_channel_order *out) {
  for (int i = 0; i < KOHL_CHANNEL_ORDERS; i++) {
    if (strcmp(name, kohl_channel_order_name((kohl_channel_order)i)) == 0) {
      *out = (kohl_channel_order)i;
      return true;
    }
  }
  return false;
}

#endif
