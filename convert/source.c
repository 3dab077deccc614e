/* Which reader a file asks for, and the reader of safetensors; see source.h. */
#include "convert/source.h"

#include <string.h>

#include "convert/container/map.h"
#include "convert/recognise.h"

kohl_status kohl_source_open(kohl_context *ctx, const char *path, kohl_source *source) {
  kohl_format format;
  kohl_status status = kohl_format_recognise(ctx, path, &format);
  if (status) return status;
  source->path = path;
  return format.reader ? format.reader(ctx, path, source)
                       : kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is %s; %s", path, format.what, format.help);
}

void kohl_source_close(kohl_context *ctx, kohl_source *source) {
  if (source->call) source->call->close(ctx, source);
  *source = (kohl_source){0};
}

bool kohl_source_measure(kohl_tensor_info *info) {
  size_t bytes = kohl_safetensors_dtype_bytes(info->dtype);
  if (info->dims < 0 || info->dims > KOHL_SAFETENSORS_DIMS) return false;
  for (int i = 0; i < info->dims; i++) {
    if (info->shape[i] < 0 || (uint64_t)info->shape[i] > SIZE_MAX) return false;
    if (!kohl_mul_size(bytes, (size_t)info->shape[i], &bytes)) return false;
  }
  info->bytes = bytes;
  return true;
}

kohl_status kohl_source_values(kohl_context *ctx, const char *path, const kohl_tensor_info *info, const void *bytes,
                               size_t count, float *out) {
  kohl_tensor_info part = *info;
  part.dims = 1;
  part.shape[0] = (int64_t)count;
  part.data = bytes;
  part.bytes = count * kohl_safetensors_dtype_bytes(info->dtype);
  return kohl_tensor_read(ctx, path, &part, out, count);
}

static kohl_status read_safetensors(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count,
                                    float *out) {
  const kohl_tensor_info *info = &source->tensors[index].info;
  size_t element = kohl_safetensors_dtype_bytes(info->dtype);
  const char *bytes = (const char *)info->data + first * element;
  kohl_status status = kohl_source_values(ctx, source->path, info, bytes, count, out);
  kohl_map_forget(&(kohl_map){info->data, info->bytes}, bytes, count * element);
  return status;
}

static void close_safetensors(kohl_context *ctx, kohl_source *source) {
  kohl_safetensors_close(ctx, source->state);
  kohl_free(ctx, source->tensors);
}

/* One JSON number; the reader does not depend on the locale. */
static bool read_number(kohl_context *ctx, const char *text, size_t length, double *out) {
  kohl_json json;
  kohl_json_open(&json, ctx, text, length);
  bool good = kohl_json_next(&json) == KOHL_JSON_NUMBER_VALUE && kohl_json_get_double(&json, out) == KOHL_OK &&
              kohl_json_next(&json) == KOHL_JSON_END;
  kohl_json_close(&json);
  return good;
}

/* Bytes are weights where metadata "q:<tensor>" says "scale min". */
static kohl_status read_scaling(kohl_context *ctx, const kohl_source *source, kohl_source_tensor *tensor) {
  const char *name = tensor->info.name;
  char key[KOHL_SAFETENSORS_NAME + 8] = "q:";
  strncat(key, name, KOHL_SAFETENSORS_NAME);
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(source->state, key);
  if (!text) return KOHL_OK;
  const char *space = memchr(text->text, ' ', text->length);
  size_t first = space ? (size_t)(space - text->text) : 0;
  tensor->quantised = space && read_number(ctx, text->text, first, &tensor->scale) &&
                      read_number(ctx, space + 1, text->length - first - 1, &tensor->min);
  if (tensor->quantised) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: metadata 'q:%s': value '%s', expected two numbers \"scale min\"",
                   source->path, kohl_quote(name, strlen(name)).text, kohl_quote(text->text, text->length).text);
}

kohl_status kohl_safetensors_source(kohl_context *ctx, const char *path, kohl_source *source) {
  static const kohl_source_calls calls = {.read = read_safetensors, .close = close_safetensors};
  kohl_safetensors *file;
  kohl_status status = kohl_safetensors_open(ctx, path, &file);
  if (status) return status;
  source->state = file;
  source->call = &calls;
  source->format = "a safetensors file";
  source->count = kohl_safetensors_count(file);
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(file, "source");
  source->source_text = text ? text->text : NULL;
  status = kohl_alloc(ctx, source->count, sizeof *source->tensors, "the file's tensors", &source->tensors);
  if (status) source->count = 0;
  if (!status && kohl_safetensors_metadata_find(file, "kohl"))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is already a kohl model", path);
  for (size_t i = 0; i < source->count && !status; i++) {
    kohl_source_tensor *tensor = &source->tensors[i];
    tensor->info = *kohl_safetensors_tensor(file, i);
    tensor->step = 1;
    if (tensor->info.dtype == KOHL_SAFETENSORS_U8) status = read_scaling(ctx, source, tensor);
  }
  return status;
}
