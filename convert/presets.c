/* The table of presets and the search in it. */
#include "convert/presets.h"

#include <stdio.h>
#include <string.h>

#define THREE(a, b, c) \
  { a, b, c }
#define IMAGENET_MEAN THREE(0.485f, 0.456f, 0.406f)
#define IMAGENET_STD THREE(0.229f, 0.224f, 0.225f)
#define STRETCH .mode = KOHL_FIT_STRETCH, .resize = 256, .fraction = 0.875
#define CROP(side) .mode = KOHL_FIT_CROP, .resize = side, .fraction = 0.875
#define FRACTION(share) .mode = KOHL_FIT_FRACTION, .resize = 256, .fraction = share
#define OPTIONS(count_padding_, ceil_pools_, epsilon_, gamma_, dropout_)                            \
  .count_padding = count_padding_, .ceil_pools = ceil_pools_, .epsilon = epsilon_, .gamma = gamma_, \
  .dropout = dropout_, .torch_statistics = count_padding_
#define ADAPTIVE(epsilon_, gamma_, dropout_) \
  .adaptive_pool = true, .epsilon = epsilon_, .gamma = gamma_, .dropout = dropout_, .torch_statistics = true
#define RESNET(epsilon_, keras_) \
  .epsilon = epsilon_, .gamma = true, .conv_bias = keras_, .stride_first = keras_, .torch_statistics = !keras_
#define SLIM_RESNET .epsilon = 1e-5f, .gamma = true, .stride_last = true, .momentum = 0.997f
#define HEAD(...) \
  { __VA_ARGS__ }
#define RATES(...) .head_rates = {__VA_ARGS__}
#define NONE .head_rates = {0}

static const kohl_preset presets[] = {
#define PRESET(name, archs, order_, scale_, mean_, std_, size, fit_, filter_, options_, classes_, background_, head, \
               rates, transform_)                                                                                    \
  {name,                                                                                                             \
   archs,                                                                                                            \
   {.decode = {.background = {255, 255, 255}},                                                                       \
    .fit = {fit_, .filter = KOHL_FILTER_##filter_, .w = size, .h = size, .background = {255, 255, 255}},             \
    .order = KOHL_CHANNELS_##order_,                                                                                 \
    .scale = (float)(scale_),                                                                                        \
    .mean = mean_,                                                                                                   \
    .std = std_},                                                                                                    \
   {options_, .classes = classes_, .height = size, .width = size, rates},                                            \
   background_,                                                                                                      \
   head,                                                                                                             \
   transform_},
#include "convert/presets.def"
#undef PRESET
};

enum { PRESET_COUNT = sizeof presets / sizeof presets[0] };

/* Whether arch is one of the words. */
static bool belongs(const kohl_preset *preset, const char *arch) {
  size_t length;
  for (const char *at = preset->archs; *at; at += length + (at[length] == ' ')) {
    length = strcspn(at, " ");
    if (strlen(arch) == length && strncmp(at, arch, length) == 0) return true;
  }
  return false;
}

int kohl_preset_head_count(const kohl_preset *preset) {
  int count = 0;
  while (preset->head[count]) count++;
  return count;
}

void kohl_preset_list(const char *arch, int layers, char *text, size_t bytes) {
  size_t length = 0;
  text[0] = 0;
  for (size_t i = 0; i < PRESET_COUNT && length < bytes; i++)
    if (belongs(&presets[i], arch) && (layers == 0 || kohl_preset_head_count(&presets[i]) == layers))
      length += (size_t)snprintf(text + length, bytes - length, "%s%s", length ? ", " : "", presets[i].name);
}

kohl_status kohl_preset_find(kohl_context *ctx, const char *arch, const char *name, const kohl_preset **out) {
  for (size_t i = 0; i < PRESET_COUNT; i++) {
    if (!belongs(&presets[i], arch) || (name && strcmp(presets[i].name, name) != 0)) continue;
    *out = &presets[i];
    return KOHL_OK;
  }
  char list[256];
  kohl_preset_list(arch, 0, list, sizeof list);
  if (!list[0]) return kohl_fail(ctx, KOHL_USAGE, "%s: no published weights of this architecture are known", arch);
  return kohl_fail(ctx, KOHL_USAGE, "%s has no preset '%s', expected one of %s", arch, name ? name : "", list);
}

const kohl_preset *kohl_preset_any(const char *name) {
  for (size_t i = 0; i < PRESET_COUNT; i++)
    if (strcmp(presets[i].name, name) == 0) return &presets[i];
  return NULL;
}

kohl_preprocessing kohl_preset_preprocessing(const kohl_preset *preset, int size) {
  kohl_preprocessing result = preset->preprocessing;
  if (size == 0 || size == result.fit.w) return result;
  if (result.fit.mode == KOHL_FIT_CROP)
    result.fit.resize = (int)(((int64_t)result.fit.resize * size + result.fit.w / 2) / result.fit.w);
  result.fit.w = result.fit.h = size;
  return result;
}
