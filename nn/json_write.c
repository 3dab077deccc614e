/* The JSON writer: appends to one growing text.  It knows where commas belong and refuses what is not JSON; it does
 * not look for duplicate keys. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/json_scan.h"

void kohl_json_write_begin(kohl_json_writer *writer, kohl_context *ctx) {
  memset(writer, 0, sizeof *writer);
  writer->ctx = ctx;
}

void kohl_json_write_free(kohl_json_writer *writer) {
  kohl_free(writer->ctx, writer->text);
  writer->text = NULL;
  writer->length = writer->capacity = 0;
}

static void put(kohl_json_writer *writer, const char *bytes, size_t length) {
  if (writer->status != KOHL_OK) return;
  size_t need;
  if (!kohl_add_size(writer->length, length, &need)) {
    writer->status = kohl_fail(writer->ctx, KOHL_NO_RESOURCE, "JSON text of more than %zu bytes", SIZE_MAX);
    return;
  }
  writer->status = kohl_grow(writer->ctx, &writer->text, &writer->capacity, need, 1, "a JSON text");
  if (writer->status != KOHL_OK) return;
  memcpy(writer->text + writer->length, bytes, length);
  writer->length = need;
}

static bool in_object(const kohl_json_writer *writer) {
  return writer->depth > 0 && writer->open[writer->depth - 1] == '{';
}

static void misuse(kohl_json_writer *writer, const char *what) {
  if (writer->status == KOHL_OK) {
    writer->status = kohl_fail(writer->ctx, KOHL_USAGE, "writing JSON, after %zu bytes: %s", writer->length, what);
  }
}

/* What must stand before a value; false when no value may stand here. */
static bool before_value(kohl_json_writer *writer) {
  if (in_object(writer) && !writer->has_key) {
    misuse(writer, "a value without a key");
  } else if (writer->depth == 0 && writer->length > 0) {
    misuse(writer, "a second value");
  } else if (writer->comma && !writer->has_key) {
    put(writer, ",", 1);
  }
  writer->comma = true;
  writer->has_key = false;
  return writer->status == KOHL_OK;
}

static void open_bracket(kohl_json_writer *writer, char bracket) {
  if (!before_value(writer)) return;
  if (writer->depth == KOHL_JSON_DEPTH) {
    misuse(writer, "more than 64 brackets inside each other");
    return;
  }
  writer->open[writer->depth++] = bracket;
  writer->comma = false;
  put(writer, &bracket, 1);
}

static void close_bracket(kohl_json_writer *writer, char opening, const char *closing) {
  if (writer->status != KOHL_OK) return;
  if (writer->depth == 0 || writer->open[writer->depth - 1] != opening || writer->has_key) {
    misuse(writer, "a closing bracket that does not fit");
    return;
  }
  writer->depth--;
  writer->comma = true;
  put(writer, closing, 1);
}

void kohl_json_write_object_begin(kohl_json_writer *writer) { open_bracket(writer, '{'); }
void kohl_json_write_object_end(kohl_json_writer *writer) { close_bracket(writer, '{', "}"); }
void kohl_json_write_array_begin(kohl_json_writer *writer) { open_bracket(writer, '['); }
void kohl_json_write_array_end(kohl_json_writer *writer) { close_bracket(writer, '[', "]"); }

static void put_escaped(kohl_json_writer *writer, unsigned char byte) {
  static const char values[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
  const char *value = byte ? strchr(values, byte) : NULL;
  char escape[8];
  int n = value ? snprintf(escape, sizeof escape, "\\%c", names[value - values])
                : snprintf(escape, sizeof escape, "\\u%04x", (unsigned)byte);
  put(writer, escape, (size_t)n);
}

static void put_string(kohl_json_writer *writer, const char *text, size_t length) {
  put(writer, "\"", 1);
  size_t from = 0, at = 0; /* [from, at) needs no escape and is written in one piece */
  while (at < length) {
    size_t bytes = kohl_utf8_character(text + at, length - at);
    unsigned char byte = (unsigned char)text[at];
    if (bytes && byte >= 0x20 && byte != '"' && byte != '\\') {
      at += bytes;
      continue;
    }
    put(writer, text + from, at - from);
    if (bytes) {
      put_escaped(writer, byte);
    } else {
      put(writer, "\xEF\xBF\xBD", 3);
    }
    from = ++at;
  }
  put(writer, text + from, at - from);
  put(writer, "\"", 1);
}

void kohl_json_write_key_n(kohl_json_writer *writer, const char *key, size_t length) {
  if (writer->status != KOHL_OK) return;
  if (!in_object(writer) || writer->has_key) {
    misuse(writer, "a key where none may stand");
    return;
  }
  if (writer->comma) put(writer, ",", 1);
  put_string(writer, key, length);
  put(writer, ":", 1);
  writer->has_key = true;
}

void kohl_json_write_string_n(kohl_json_writer *writer, const char *text, size_t length) {
  if (before_value(writer)) put_string(writer, text, length);
}

void kohl_json_write_key(kohl_json_writer *writer, const char *key) { kohl_json_write_key_n(writer, key, strlen(key)); }
void kohl_json_write_string(kohl_json_writer *writer, const char *text) {
  kohl_json_write_string_n(writer, text, strlen(text));
}

static void put_value(kohl_json_writer *writer, const char *text) {
  if (before_value(writer)) put(writer, text, strlen(text));
}

void kohl_json_write_int64(kohl_json_writer *writer, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, value);
  put_value(writer, text);
}

void kohl_json_write_uint64(kohl_json_writer *writer, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, value);
  put_value(writer, text);
}

/* Puts '.' in the place of the locale's decimal point. */
static void use_point(char *text) {
  char point[8];
  kohl_decimal_point(point);
  char *found = strstr(text, point);
  if (!found) return;
  size_t n = strlen(point);
  *found = '.';
  memmove(found + 1, found + n, strlen(found + n) + 1);
}

void kohl_json_write_double(kohl_json_writer *writer, double value) {
  char text[48] = "null";
  if (isfinite(value)) {
    for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, value);
      if (strtod(text, NULL) == value) break;
    }
    use_point(text);
  }
  put_value(writer, text);
}

void kohl_json_write_float(kohl_json_writer *writer, float value) {
  char text[48] = "null";
  if (isfinite(value)) {
    for (int digits = 6; digits <= 9; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, (double)value);
      if (strtof(text, NULL) == value) break;
    }
    use_point(text);
  }
  put_value(writer, text);
}

void kohl_json_write_bool(kohl_json_writer *writer, bool value) { put_value(writer, value ? "true" : "false"); }
void kohl_json_write_raw(kohl_json_writer *writer, const char *json) { put_value(writer, json); }
void kohl_json_write_null(kohl_json_writer *writer) { put_value(writer, "null"); }

kohl_status kohl_json_write_end(kohl_json_writer *writer) {
  if (writer->depth > 0 || writer->length == 0) misuse(writer, "the value is not complete");
  put(writer, "", 1);
  if (writer->status == KOHL_OK) writer->length--;
  return writer->status;
}
