/* A tensor's entry; see entry.h. */
#include "convert/tfjs/entry.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static const struct {
  const char *word;
  kohl_safetensors_dtype dtype;
} dtypes[] = {{"float32", KOHL_SAFETENSORS_F32}, {"int32", KOHL_SAFETENSORS_I32},  {"bool", KOHL_SAFETENSORS_BOOL},
              {"uint8", KOHL_SAFETENSORS_U8},    {"uint16", KOHL_SAFETENSORS_U16}, {"float16", KOHL_SAFETENSORS_F16}};

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static bool find_dtype(const char *word, kohl_safetensors_dtype *dtype) {
  for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
    if (strcmp(dtypes[i].word, word) == 0) {
      *dtype = dtypes[i].dtype;
      return true;
    }
  return false;
}

/* The text that comes next, which must not be there already. */
kohl_status kohl_tfjs_take_text(kohl_json *json, const char *field, char *out, size_t room) {
  if (out[0]) return kohl_json_fail(json, "field '%s' is there twice", field);
  kohl_json_next(json);
  if (json->event == KOHL_JSON_NULL) return KOHL_OK;
  if (json->event == KOHL_JSON_ERROR) return json->status;
  if (json->event != KOHL_JSON_STRING)
    return kohl_json_fail(json, "field '%s' is %s, expected a text", field, kohl_json_event_name(json->event));
  if (json->text_length == 0 || json->text_length >= room || memchr(json->text, 0, json->text_length))
    return kohl_json_fail(json, "field '%s': text of %zu bytes, expected 1 to %zu without zeros", field,
                          json->text_length, room - 1);
  memcpy(out, json->text, json->text_length);
  out[json->text_length] = 0;
  return KOHL_OK;
}

static kohl_status take_double(kohl_json *json, const char *field, bool *has, double *out) {
  if (*has) return kohl_json_fail(json, "field '%s' is there twice", field);
  *has = true;
  kohl_status status = kohl_json_expect(json, KOHL_JSON_NUMBER_VALUE);
  return status ? status : kohl_json_get_double(json, out);
}

kohl_status kohl_tfjs_object_end(kohl_json *json, kohl_status status) {
  if (status || json->event == KOHL_JSON_OBJECT_END) return status;
  return json->status ? json->status : kohl_json_fail(json, "expected the end of an object");
}

static kohl_status read_shape(kohl_json *json, kohl_tfjs_entry *e) {
  if (e->has_shape) return kohl_json_fail(json, "field 'shape' is there twice");
  e->has_shape = true;
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  while (!status && kohl_json_next(json) != KOHL_JSON_ARRAY_END) {
    if (json->event == KOHL_JSON_ERROR) return json->status;
    if (e->dims == KOHL_SAFETENSORS_DIMS)
      return kohl_json_fail(json, "field 'shape': more than %d dimensions", KOHL_SAFETENSORS_DIMS);
    status = kohl_json_get_int64(json, &e->shape[e->dims]);
    if (!status && e->shape[e->dims] < 0)
      return kohl_json_fail(json, "field 'shape': %lld, expected at least 0", (long long)e->shape[e->dims]);
    e->dims++;
  }
  return status;
}

static kohl_status read_quantisation(kohl_json *json, kohl_tfjs_entry *e) {
  if (e->quantised) return kohl_json_fail(json, "field 'quantization' is there twice");
  kohl_json_next(json);
  if (json->event == KOHL_JSON_NULL) return KOHL_OK;
  if (json->event != KOHL_JSON_OBJECT_BEGIN)
    return json->status ? json->status : kohl_json_fail(json, "field 'quantization': expected an object");
  e->quantised = true;
  kohl_status status = KOHL_OK;
  while (!status && kohl_json_next(json) == KOHL_JSON_KEY) {
    if (kohl_json_is(json, "dtype"))
      status = kohl_tfjs_take_text(json, "quantization.dtype", e->packed, sizeof e->packed);
    else if (kohl_json_is(json, "scale"))
      status = take_double(json, "quantization.scale", &e->has_scale, &e->scale);
    else if (kohl_json_is(json, "min"))
      status = take_double(json, "quantization.min", &e->has_min, &e->min);
    else
      status = kohl_json_skip(json);
  }
  return kohl_tfjs_object_end(json, status);
}

kohl_status kohl_tfjs_entry_read(kohl_json *json, kohl_tfjs_entry *e) {
  kohl_status status = KOHL_OK;
  if (json->event != KOHL_JSON_OBJECT_BEGIN)
    return json->status ? json->status : kohl_json_fail(json, "field 'weights': expected a list of objects");
  while (!status && kohl_json_next(json) == KOHL_JSON_KEY) {
    if (kohl_json_is(json, "name"))
      status = kohl_tfjs_take_text(json, "name", e->name, sizeof e->name);
    else if (kohl_json_is(json, "dtype"))
      status = kohl_tfjs_take_text(json, "dtype", e->dtype, sizeof e->dtype);
    else if (kohl_json_is(json, "group"))
      status = kohl_tfjs_take_text(json, "group", e->group, sizeof e->group);
    else if (kohl_json_is(json, "shape"))
      status = read_shape(json, e);
    else if (kohl_json_is(json, "quantization"))
      status = read_quantisation(json, e);
    else
      status = kohl_json_skip(json);
  }
  return kohl_tfjs_object_end(json, status);
}

/* dtype of the bytes; scale and min can be used. */
static kohl_status check_quantisation(kohl_context *ctx, const kohl_tfjs_entry *e, kohl_safetensors_dtype kind,
                                      kohl_safetensors_dtype *dtype) {
  if (!find_dtype(e->packed, dtype) ||
      (*dtype != KOHL_SAFETENSORS_U8 && *dtype != KOHL_SAFETENSORS_U16 && *dtype != KOHL_SAFETENSORS_F16))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'quantization.dtype': value '%s', expected uint8, uint16 or float16",
                     QUOTE(e->packed));
  bool half = *dtype == KOHL_SAFETENSORS_F16;
  if (kind != KOHL_SAFETENSORS_F32 && (half || kind != KOHL_SAFETENSORS_I32))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'quantization': of dtype '%s', expected float32%s", QUOTE(e->dtype),
                     half ? "" : " or int32");
  if (half) return KOHL_OK;
  if (!e->has_scale || !e->has_min)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'quantization': '%s' is missing", e->has_scale ? "min" : "scale");
  double most = *dtype == KOHL_SAFETENSORS_U8 ? UINT8_MAX : UINT16_MAX;
  double limit = kind == KOHL_SAFETENSORS_I32 ? (double)INT32_MAX : (double)FLT_MAX;
  if (!(fabs(e->min) <= limit) || !(fabs(most * e->scale + e->min) <= limit))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'quantization': scale %g and min %g give values beyond %g", e->scale,
                     e->min, limit);
  return KOHL_OK;
}

/* The tensor that an entry describes, its bytes counted; not kept yet. */
kohl_status kohl_tfjs_entry_check(kohl_context *ctx, const kohl_tfjs_entry *e, kohl_source_tensor *tensor,
                                  kohl_tfjs_place *place) {
  kohl_safetensors_dtype kind, dtype;
  if (strcmp(e->dtype, "string") == 0 || strcmp(e->dtype, "complex64") == 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'dtype': value '%s', expected numbers that a layer here has",
                     e->dtype);
  if (!find_dtype(e->dtype, &kind))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'dtype': value '%s', expected float32, int32, bool or uint8",
                     QUOTE(e->dtype));
  if (!e->has_shape) return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'shape' is missing");
  dtype = kind;
  kohl_status status = e->quantised ? check_quantisation(ctx, e, kind, &dtype) : KOHL_OK;
  if (status) return status;
  bool packed = e->quantised && dtype != KOHL_SAFETENSORS_F16;
  place->whole = packed && kind == KOHL_SAFETENSORS_I32;
  place->scale = e->scale;
  place->min = e->min;
  tensor->quantised = packed && !place->whole;
  tensor->scale = tensor->quantised ? e->scale : 0;
  tensor->min = tensor->quantised ? e->min : 0;
  tensor->step = 1;
  tensor->info.dtype = dtype;
  tensor->info.dims = e->dims;
  memcpy(tensor->info.shape, e->shape, sizeof e->shape);
  if (!kohl_source_measure(&tensor->info)) return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'shape': too large");
  return KOHL_OK;
}
