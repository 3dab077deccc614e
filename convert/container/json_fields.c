/* Look-ups in JSON text; see json_fields.h. */
#include "convert/container/json_fields.h"

#include <string.h>

enum { MOST_INT = 1 << 20 };

/* Reads to the end of the value whose first event is the current one. */
static kohl_status rest_of_value(kohl_json *json) {
  int depth = 0;
  for (;;) {
    kohl_json_event event = json->event;
    if (event == KOHL_JSON_ERROR || event == KOHL_JSON_END) return json->status ? json->status : KOHL_BAD_INPUT;
    if (event == KOHL_JSON_OBJECT_BEGIN || event == KOHL_JSON_ARRAY_BEGIN) depth++;
    if (event == KOHL_JSON_OBJECT_END || event == KOHL_JSON_ARRAY_END) depth--;
    if (depth == 0) return KOHL_OK;
    kohl_json_next(json);
  }
}

static kohl_status take(kohl_json *json, kohl_json_range *value) {
  size_t from = json->token;
  bool null = json->event == KOHL_JSON_NULL;
  kohl_status status = rest_of_value(json);
  *value = null || status ? (kohl_json_range){0} : (kohl_json_range){json->bytes + from, json->at - from};
  return status;
}

kohl_status kohl_json_field(kohl_context *ctx, kohl_json_range object, const char *key, kohl_json_range *value) {
  kohl_json json;
  kohl_json_open(&json, ctx, object.text, object.length);
  *value = (kohl_json_range){0};
  kohl_status status = kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (!status && kohl_json_next(&json) == KOHL_JSON_KEY) {
    kohl_json_range one;
    bool mine = kohl_json_is(&json, key);
    kohl_json_next(&json);
    status = take(&json, &one);
    if (mine) *value = one;
  }
  if (!status) status = json.status;
  kohl_json_close(&json);
  return status;
}

kohl_status kohl_json_element(kohl_json *json, kohl_json_range *value, bool *more) {
  *value = (kohl_json_range){0};
  *more = kohl_json_next(json) != KOHL_JSON_ARRAY_END;
  return *more ? take(json, value) : KOHL_OK;
}

/* Finds a field and reads its first event. */
static kohl_status begin(kohl_context *ctx, kohl_json_range object, const char *key, kohl_json *json, bool *found) {
  kohl_json_range value;
  kohl_status status = kohl_json_field(ctx, object, key, &value);
  *found = !status && value.text;
  if (*found) {
    kohl_json_open(json, ctx, value.text, value.length);
    kohl_json_next(json);
  }
  return status;
}

static kohl_status end(kohl_context *ctx, kohl_json *json, bool good, const char *key, const char *expected) {
  kohl_status status = good ? KOHL_OK
                            : kohl_fail(ctx, KOHL_BAD_INPUT, "field '%s': value is %s, expected %s", key,
                                        kohl_json_event_name(json->event), expected);
  kohl_json_close(json);
  return status;
}

kohl_status kohl_json_field_text(kohl_context *ctx, kohl_json_range object, const char *key, char *out) {
  kohl_json json;
  bool found;
  kohl_status status = begin(ctx, object, key, &json, &found);
  if (status || !found) return status;
  bool good =
      json.event == KOHL_JSON_STRING && json.text_length < KOHL_JSON_WORD && !memchr(json.text, 0, json.text_length);
  if (good) {
    memcpy(out, json.text, json.text_length);
    out[json.text_length] = 0;
  }
  return end(ctx, &json, good, key, "a text of at most 255 bytes");
}

kohl_status kohl_json_field_bool(kohl_context *ctx, kohl_json_range object, const char *key, bool *out) {
  kohl_json json;
  bool found;
  kohl_status status = begin(ctx, object, key, &json, &found);
  if (status || !found) return status;
  bool good = json.event == KOHL_JSON_TRUE || json.event == KOHL_JSON_FALSE;
  if (good) *out = json.event == KOHL_JSON_TRUE;
  return end(ctx, &json, good, key, "true or false");
}

kohl_status kohl_json_field_double(kohl_context *ctx, kohl_json_range object, const char *key, double *out) {
  kohl_json json;
  bool found;
  kohl_status status = begin(ctx, object, key, &json, &found);
  if (status || !found) return status;
  bool good = json.event == KOHL_JSON_NUMBER_VALUE && kohl_json_get_double(&json, out) == KOHL_OK;
  return end(ctx, &json, good, key, "a number");
}

static bool get_int(kohl_json *json, int *out) {
  int64_t number;
  if (json->event != KOHL_JSON_NUMBER_VALUE || kohl_json_get_int64(json, &number) != KOHL_OK) return false;
  if (number < 0 || number > MOST_INT) return false;
  *out = (int)number;
  return true;
}

kohl_status kohl_json_field_pair(kohl_context *ctx, kohl_json_range object, const char *key, int out[2]) {
  kohl_json json;
  bool found, good = true;
  int pair[2];
  kohl_status status = begin(ctx, object, key, &json, &found);
  if (status || !found) return status;
  if (json.event == KOHL_JSON_ARRAY_BEGIN) {
    for (int i = 0; i < 2 && good; i++) {
      kohl_json_next(&json);
      good = get_int(&json, &pair[i]);
    }
    good = good && kohl_json_next(&json) == KOHL_JSON_ARRAY_END;
  } else {
    good = get_int(&json, &pair[0]);
    pair[1] = pair[0];
  }
  if (good) memcpy(out, pair, sizeof pair);
  return end(ctx, &json, good, key, "one or two whole numbers, 0 to 1048576");
}
