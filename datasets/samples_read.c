/* What is asked of a list of samples that is made: texts, columns, and the pictures themselves. */
#include <stdio.h>
#include <string.h>

#include "datasets/cifar.h"
#include "datasets/file.h"
#include "datasets/pack.h"
#include "datasets/source.h"
#include "kernels/core/alloc.h"

const char *kohl_split_name(kohl_split split) {
  static const char *const names[KOHL_SPLITS] = {"unset", "train", "validation", "test"};
  return names[split];
}

size_t kohl_samples_count(const kohl_samples *samples, kohl_split split) {
  size_t count = 0;
  for (size_t i = 0; i < samples->count; i++) count += samples->sample[i].split == split;
  return count;
}

void kohl_samples_free(kohl_context *ctx, kohl_samples *samples) {
  kohl_pack_close(ctx, samples->pack);
  for (size_t i = 0; samples->records && i < samples->folders.count; i++) {
    kohl_free(ctx, samples->records[i].text_begin);
  }
  for (size_t i = 0; i < samples->column_count; i++) kohl_free(ctx, samples->value[i]);
  kohl_free(ctx, samples->value);
  kohl_free(ctx, samples->value_capacity);
  kohl_free(ctx, samples->records);
  kohl_free(ctx, samples->packed);
  kohl_free(ctx, samples->weight);
  kohl_free(ctx, samples->group);
  kohl_free(ctx, samples->label_begin);
  kohl_free(ctx, samples->labels);
  kohl_free(ctx, samples->sample);
  kohl_text_table_free(ctx, &samples->folders);
  kohl_text_table_free(ctx, &samples->class_table);
  kohl_text_table_free(ctx, &samples->groups);
  kohl_text_store_free(ctx, &samples->texts);
  memset(samples, 0, sizeof *samples);
}

const char *kohl_sample_path(const kohl_samples *samples, size_t i, char buffer[KOHL_SAMPLE_PATH]) {
  const kohl_sample *s = &samples->sample[i];
  const char *folder = samples->folders.text[s->folder];
  if (samples->records) {
    snprintf(buffer, KOHL_SAMPLE_PATH, "%s#%u", folder, (unsigned)s->name);
  } else {
    snprintf(buffer, KOHL_SAMPLE_PATH, "%s%s", folder, kohl_text_at(&samples->texts, s->name));
  }
  return buffer;
}

const char *kohl_sample_name(const kohl_samples *samples, size_t i, char buffer[KOHL_SAMPLE_PATH]) {
  kohl_sample_path(samples, i, buffer);
  const char *slash = strrchr(buffer, '/');
  if (slash) memmove(buffer, slash + 1, strlen(slash));
  return buffer;
}

const int *kohl_sample_labels(const kohl_samples *samples, size_t i, size_t *count) {
  *count = 1;
  if (!samples->label_begin) return &samples->sample[i].label;
  *count = samples->label_begin[i + 1] - samples->label_begin[i];
  return samples->labels + samples->label_begin[i];
}

float kohl_sample_weight(const kohl_samples *samples, size_t i) { return samples->weight ? samples->weight[i] : 1.0f; }

const char *kohl_sample_group(const kohl_samples *samples, size_t i) {
  return samples->group ? samples->groups.text[samples->group[i]] : NULL;
}

const char *kohl_sample_value(const kohl_samples *samples, size_t i, size_t column) {
  if (column >= samples->column_count || !samples->value[column]) return NULL;
  return kohl_text_at(&samples->texts, samples->value[column][i]);
}

static size_t packed_bytes(const kohl_samples *samples) {
  const kohl_fit *fit = &kohl_pack_about(samples->pack)->fit;
  return (size_t)fit->w * (size_t)fit->h * 3;
}

bool kohl_sample_pixels(const kohl_samples *samples, size_t i, int *w, int *h, size_t *bytes) {
  if (samples->pack) {
    *w = kohl_pack_about(samples->pack)->fit.w;
    *h = kohl_pack_about(samples->pack)->fit.h;
    *bytes = packed_bytes(samples);
    return true;
  }
  if (!samples->records) return false;
  const kohl_record_file *file = &samples->records[samples->sample[i].folder];
  *w = *h = file->side;
  *bytes = kohl_record_pixels(file);
  return true;
}

kohl_status kohl_sample_load(kohl_context *ctx, const kohl_samples *samples, size_t i, uint8_t **out, size_t *length) {
  const kohl_sample *s = &samples->sample[i];
  if (samples->records) {
    return kohl_record_load(ctx, &samples->records[s->folder], samples->folders.text[s->folder], s->name, out, length);
  }
  char path[KOHL_SAMPLE_PATH];
  if (samples->pack) {
    const uint8_t *rgb;
    *out = NULL;
    *length = packed_bytes(samples);
    kohl_status status = kohl_pack_picture(ctx, samples->pack, kohl_sample_packed(samples, i), &rgb);
    if (status == KOHL_OK) status = kohl_alloc(ctx, *length, 1, "a picture of a pack", out);
    if (status == KOHL_OK) memcpy(*out, rgb, *length);
    return status;
  }
  return kohl_file_load(ctx, kohl_sample_path(samples, i, path), KOHL_PICTURE_BYTES, out, length);
}

/* Pixels to pixels: those of a pack. */
static kohl_status copy_pixels(kohl_context *ctx, const kohl_fit *fit, const uint8_t *rgb, kohl_picture *out) {
  *out = (kohl_picture){fit->w, fit->h, NULL, "pack RGB"};
  size_t bytes = (size_t)fit->w * (size_t)fit->h * 3;
  kohl_status status = kohl_alloc(ctx, bytes, 1, "a picture of a pack", &out->rgb);
  if (status == KOHL_OK) memcpy(out->rgb, rgb, bytes);
  if (status != KOHL_OK) memset(out, 0, sizeof *out);
  return status;
}

/* Planes of red, green and blue to pixels. */
static kohl_status interleave(kohl_context *ctx, const char *path, const uint8_t *planes, int side, kohl_picture *out) {
  size_t pixels = (size_t)side * (size_t)side;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_alloc(ctx, pixels, 3, path, &out->rgb);
  if (status != KOHL_OK) return status;
  out->w = out->h = side;
  out->mode = "record RGB";
  for (size_t p = 0; p < pixels; p++) {
    for (size_t c = 0; c < 3; c++) out->rgb[3 * p + c] = planes[c * pixels + p];
  }
  return KOHL_OK;
}

kohl_status kohl_sample_decode(kohl_context *ctx, const kohl_samples *samples, size_t i, const uint8_t *bytes,
                               size_t length, const kohl_decode_options *options, kohl_picture *out) {
  char path[KOHL_SAMPLE_PATH];
  kohl_sample_path(samples, i, path);
  if (samples->pack) return copy_pixels(ctx, &kohl_pack_about(samples->pack)->fit, bytes, out);
  if (!samples->records) return kohl_picture_decode(ctx, path, bytes, length, options, out);
  return interleave(ctx, path, bytes, samples->records[samples->sample[i].folder].side, out);
}

kohl_status kohl_sample_picture(kohl_context *ctx, const kohl_samples *samples, size_t i,
                                const kohl_decode_options *options, kohl_picture *out) {
  uint8_t *bytes;
  size_t length;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_sample_load(ctx, samples, i, &bytes, &length);
  if (status == KOHL_OK) status = kohl_sample_decode(ctx, samples, i, bytes, length, options, out);
  kohl_free(ctx, bytes);
  return status;
}
