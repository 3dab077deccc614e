/* Values of foreign tensors, block of rows by block of rows, so that the largest tensor (VGG's first dense layer,
 * 411 MB) needs no copy of its own.
 *
 * Our layouts are Keras's with the last axis (output channel) first: r,s,c,k to k,r,s,c and in,out to out,in.  Both are
 * one transposition of a matrix of rows x columns. */
#include "convert/values.h"

#include <math.h>
#include <string.h>

#include "nn/json.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

typedef struct scaling {
  double scale, min;
} scaling;

/* One JSON number; the reader does not depend on the locale. */
static bool read_number(kohl_context *ctx, const char *text, size_t length, double *out) {
  kohl_json json;
  kohl_json_open(&json, ctx, text, length);
  bool good = kohl_json_next(&json) == KOHL_JSON_NUMBER_VALUE && kohl_json_get_double(&json, out) == KOHL_OK &&
              kohl_json_next(&json) == KOHL_JSON_END;
  kohl_json_close(&json);
  return good;
}

static kohl_status read_scaling(kohl_context *ctx, const kohl_values *values, scaling *out) {
  const char *name = values->info->name;
  char key[KOHL_SAFETENSORS_NAME + 8] = "q:";
  strncat(key, name, KOHL_SAFETENSORS_NAME);
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(values->source->safetensors, key);
  if (!text)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': dtype U8 without metadata 'q:%s', expected \"scale min\"",
                     values->path, QUOTE(name), QUOTE(name));
  const char *space = memchr(text->text, ' ', text->length);
  size_t first = space ? (size_t)(space - text->text) : 0;
  if (space && read_number(ctx, text->text, first, &out->scale) &&
      read_number(ctx, space + 1, text->length - first - 1, &out->min))
    return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: metadata 'q:%s': value '%s', expected two numbers \"scale min\"",
                   values->path, QUOTE(name), kohl_quote(text->text, text->length).text);
}

static kohl_status check(kohl_context *ctx, const kohl_values *values, const float *data, size_t count, size_t first) {
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(data[i]))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %g, expected a finite number", values->path,
                       QUOTE(values->info->name), first + i, (double)data[i]);
    if (!(data[i] > values->least))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %g, expected more than %g", values->path,
                       QUOTE(values->info->name), first + i, (double)data[i], (double)values->least);
  }
  return KOHL_OK;
}

/* dst[column][row]; columns outside, so that a block of rows is written as short runs. */
static void transpose(const kohl_values *values, const float *src, size_t first, size_t rows, size_t all_rows,
                      size_t columns) {
  for (size_t k = values->drop; k < columns; k++) {
    float *dst = values->dst + (k - values->drop) * all_rows + first;
    for (size_t r = 0; r < rows; r++) dst[r] = src[r * columns + k];
  }
}

kohl_status kohl_values_read(kohl_context *ctx, const kohl_values *values, float *buffer, size_t buffer_count) {
  const kohl_tensor_info *info = values->info;
  scaling q = {1.0, 0.0};
  if (info->dtype == KOHL_SAFETENSORS_U8) {
    kohl_status status = read_scaling(ctx, values, &q);
    if (status) return status;
  }
  size_t columns = (size_t)info->shape[info->dims - 1], step = kohl_source_step(values->source, info);
  size_t all_rows = info->bytes / kohl_safetensors_dtype_bytes(info->dtype) / columns;
  size_t block = buffer_count / step * (step / columns); /* rows */
  for (size_t first = 0; first < all_rows; first += block) {
    size_t rows = all_rows - first < block ? all_rows - first : block, count = rows * columns;
    kohl_status status = kohl_source_read(ctx, values->source, info, first * columns, count, buffer);
    for (size_t i = 0; i < count && !status && info->dtype == KOHL_SAFETENSORS_U8; i++)
      buffer[i] = (float)((double)buffer[i] * q.scale + q.min);
    if (!status) status = check(ctx, values, buffer, count, first * columns);
    if (status) return status;
    transpose(values, buffer, first, rows, all_rows, columns);
  }
  return KOHL_OK;
}
