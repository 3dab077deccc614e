/* The preprocessing as JSON and back. */
#include "nn/preprocessing_json.h"

#include <math.h>
#include <string.h>

static void write_floats(kohl_json_writer *writer, const char *key, const float v[3]) {
  kohl_json_write_key(writer, key);
  kohl_json_write_array_begin(writer);
  for (int i = 0; i < 3; i++) kohl_json_write_float(writer, v[i]);
  kohl_json_write_array_end(writer);
}

static void write_colour(kohl_json_writer *writer, const char *key, const uint8_t v[3]) {
  kohl_json_write_key(writer, key);
  kohl_json_write_array_begin(writer);
  for (int i = 0; i < 3; i++) kohl_json_write_int64(writer, v[i]);
  kohl_json_write_array_end(writer);
}

void kohl_preprocessing_write_json(const kohl_preprocessing *pre, kohl_json_writer *writer) {
  kohl_json_write_object_begin(writer);
  write_colour(writer, "background", pre->decode.background);
  kohl_json_write_key(writer, "orient");
  kohl_json_write_bool(writer, pre->decode.orient);
  kohl_json_write_key(writer, "decode");
  kohl_json_write_string(writer, pre->decode.fast ? "fast" : "exact");
  kohl_json_write_key(writer, "fit");
  kohl_json_write_string(writer, kohl_fit_mode_name(pre->fit.mode));
  kohl_json_write_key(writer, "filter");
  kohl_json_write_string(writer, kohl_filter_name(pre->fit.filter));
  kohl_json_write_key(writer, "width");
  kohl_json_write_int64(writer, pre->fit.w);
  kohl_json_write_key(writer, "height");
  kohl_json_write_int64(writer, pre->fit.h);
  kohl_json_write_key(writer, "resize");
  kohl_json_write_int64(writer, pre->fit.resize);
  kohl_json_write_key(writer, "fraction");
  kohl_json_write_double(writer, pre->fit.fraction);
  write_colour(writer, "fit_background", pre->fit.background);
  kohl_json_write_key(writer, "order");
  kohl_json_write_string(writer, kohl_channel_order_name(pre->order));
  kohl_json_write_key(writer, "scale");
  kohl_json_write_float(writer, pre->scale);
  write_floats(writer, "mean", pre->mean);
  write_floats(writer, "std", pre->std);
  kohl_json_write_object_end(writer);
}

static kohl_status read_number(kohl_json *json, double low, double high, double *out) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_NUMBER_VALUE);
  if (status == KOHL_OK) status = kohl_json_get_double(json, out);
  if (status != KOHL_OK) return status;
  if (!(*out >= low && *out <= high))
    return kohl_json_fail(json, "preprocessing: %g, expected %g to %g", *out, low, high);
  return KOHL_OK;
}

static kohl_status read_three(kohl_json *json, double low, double high, double out[3]) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  for (int i = 0; i < 3 && status == KOHL_OK; i++) status = read_number(json, low, high, &out[i]);
  return status == KOHL_OK ? kohl_json_expect(json, KOHL_JSON_ARRAY_END) : status;
}

static kohl_status read_colour(kohl_json *json, uint8_t out[3]) {
  double v[3];
  kohl_status status = read_three(json, 0, 255, v);
  for (int i = 0; i < 3 && status == KOHL_OK; i++) out[i] = (uint8_t)v[i];
  return status;
}

static kohl_status read_side(kohl_json *json, int *out) {
  double v;
  kohl_status status = read_number(json, 1, 32768, &v);
  if (status == KOHL_OK && v != floor(v))
    status = kohl_json_fail(json, "preprocessing: %g, expected a whole number", v);
  if (status == KOHL_OK) *out = (int)v;
  return status;
}

static kohl_status read_bool(kohl_json *json, bool *out) {
  kohl_json_event event = kohl_json_next(json);
  if (event == KOHL_JSON_ERROR) return json->status;
  if (event != KOHL_JSON_TRUE && event != KOHL_JSON_FALSE) {
    return kohl_json_fail(json, "preprocessing: %s, expected true or false", kohl_json_event_name(event));
  }
  *out = event == KOHL_JSON_TRUE;
  return KOHL_OK;
}

/* The current string with a zero at its end; words are short, longer text is no word. */
static const char *word(const kohl_json *json, char text[32]) {
  size_t n = json->text_length < 31 ? json->text_length : 31;
  for (size_t i = 0; i < n; i++) text[i] = json->text[i];
  text[n] = 0;
  return text;
}

static bool find_decode(const char *name, bool *fast) {
  bool exact = strcmp(name, "exact") == 0;
  if (!exact && strcmp(name, "fast") != 0) return false;
  *fast = !exact;
  return true;
}

static kohl_status read_word(kohl_json *json, kohl_preprocessing *pre, int which) {
  char text[32];
  kohl_status status = kohl_json_expect(json, KOHL_JSON_STRING);
  if (status != KOHL_OK) return status;
  word(json, text);
  bool found = which == 0   ? kohl_fit_mode_find(text, &pre->fit.mode)
               : which == 1 ? kohl_filter_find(text, &pre->fit.filter)
               : which == 2 ? kohl_channel_order_find(text, &pre->order)
                            : find_decode(text, &pre->decode.fast);
  return found ? KOHL_OK
               : kohl_json_fail(json, "preprocessing: '%s' is no known word", kohl_quote(text, strlen(text)).text);
}

static kohl_status read_floats(kohl_json *json, double low, float out[3]) {
  double v[3];
  kohl_status status = read_three(json, low, 1e6, v);
  for (int i = 0; i < 3 && status == KOHL_OK; i++) out[i] = (float)v[i];
  return status;
}

static kohl_status read_member(kohl_json *json, kohl_preprocessing *pre) {
  double v;
  kohl_status status;
  if (kohl_json_is(json, "background")) return read_colour(json, pre->decode.background);
  if (kohl_json_is(json, "fit_background")) return read_colour(json, pre->fit.background);
  if (kohl_json_is(json, "fit")) return read_word(json, pre, 0);
  if (kohl_json_is(json, "filter")) return read_word(json, pre, 1);
  if (kohl_json_is(json, "order")) return read_word(json, pre, 2);
  if (kohl_json_is(json, "decode")) return read_word(json, pre, 3);
  if (kohl_json_is(json, "orient")) return read_bool(json, &pre->decode.orient);
  if (kohl_json_is(json, "width")) return read_side(json, &pre->fit.w);
  if (kohl_json_is(json, "height")) return read_side(json, &pre->fit.h);
  if (kohl_json_is(json, "resize")) return read_side(json, &pre->fit.resize);
  if (kohl_json_is(json, "mean")) return read_floats(json, -1e6, pre->mean);
  if (kohl_json_is(json, "std")) return read_floats(json, 1e-6, pre->std);
  if (kohl_json_is(json, "fraction")) {
    status = read_number(json, 1e-3, 1, &v);
    if (status == KOHL_OK) pre->fit.fraction = v;
    return status;
  }
  if (kohl_json_is(json, "scale")) {
    status = read_number(json, 1e-6, 1e6, &v);
    if (status == KOHL_OK) pre->scale = (float)v;
    return status;
  }
  return kohl_json_fail(json, "preprocessing: unknown field '%s'", kohl_quote(json->text, json->text_length).text);
}

kohl_status kohl_preprocessing_read_json(kohl_json *json, kohl_preprocessing *pre) {
  *pre = kohl_preprocessing_default();
  kohl_status status = kohl_json_expect(json, KOHL_JSON_OBJECT_BEGIN);
  while (status == KOHL_OK && kohl_json_next(json) == KOHL_JSON_KEY) status = read_member(json, pre);
  if (status == KOHL_OK) status = json->status;
  if (status != KOHL_OK) return status;
  if (json->event != KOHL_JSON_OBJECT_END) return kohl_json_fail(json, "expected a field of the preprocessing");
  if (pre->fit.mode == KOHL_FIT_CROP && (pre->fit.resize < pre->fit.w || pre->fit.resize < pre->fit.h)) {
    return kohl_json_fail(json, "preprocessing: resize %d is less than the crop of %dx%d", pre->fit.resize, pre->fit.h,
                          pre->fit.w);
  }
  return KOHL_OK;
}
