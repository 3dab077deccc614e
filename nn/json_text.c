/* The JSON reader's strings and numbers: UTF-8, escapes, grammar of numbers, conversion.
 *
 * A string is scanned once to find its end; only one with escapes is copied, into a buffer that is as long as the
 * string as written, because no escape is shorter than what it stands for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/json_scan.h"

size_t kohl_utf8_character(const char *text, size_t n) {
  const unsigned char *byte = (const unsigned char *)text;
  if (n == 0) return 0;
  if (byte[0] < 0x80) return 1;
  size_t length = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : 2;
  if (byte[0] < 0xC2 || byte[0] > 0xF4 || n < length) return 0;
  /* The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
  unsigned low = byte[0] == 0xE0 ? 0xA0 : byte[0] == 0xF0 ? 0x90 : 0x80;
  unsigned high = byte[0] == 0xED ? 0x9F : byte[0] == 0xF4 ? 0x8F : 0xBF;
  if (byte[1] < low || byte[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if ((byte[i] & 0xC0) != 0x80) return 0;
  }
  return length;
}

kohl_quoted kohl_quote(const char *text, size_t length) {
  kohl_quoted quoted;
  size_t n = 0, at = 0;
  while (at < length) {
    size_t bytes = kohl_utf8_character(text + at, length - at);
    if (n + (bytes ? bytes : 1) > sizeof quoted.text - 4) break;
    bool plain = bytes > 1 || (bytes == 1 && (unsigned char)text[at] >= 0x20 && text[at] != 0x7f);
    if (plain) {
      memcpy(quoted.text + n, text + at, bytes);
      n += bytes;
    } else {
      quoted.text[n++] = '?';
    }
    at += bytes ? bytes : 1;
  }
  strcpy(quoted.text + n, at < length ? "..." : "");
  return quoted;
}

/* Four hexadecimal digits at `at`, or -1. */
static long hex4(const kohl_json *json, size_t at) {
  if (json->length - at < 4) return -1;
  long value = 0;
  for (size_t i = at; i < at + 4; i++) {
    char c = json->bytes[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* Writes a code point as UTF-8; returns its bytes. */
static size_t put_utf8(char *out, unsigned long code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (size_t i = length - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3F));
  out[0] = (char)(lead[length] | code);
  return length;
}

/* Decodes the escape at `at` (its backslash) to out.  Returns the bytes of the escape, or 0 after an error. */
static size_t read_escape(kohl_json *json, size_t at, char *out, size_t *out_length) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  char kind = at + 1 < json->length ? json->bytes[at + 1] : 0;
  const char *name = kind ? strchr(names, kind) : NULL;
  if (name) {
    *out = values[name - names];
    *out_length = 1;
    return 2;
  }
  if (kind != 'u') return kohl_json_error_at(json, at + 1, "one of \"\\/bfnrtu after a backslash"), (size_t)0;
  long code = hex4(json, at + 2);
  size_t bytes = 6;
  if (code >= 0xD800 && code <= 0xDBFF && json->length - at >= 12 && json->bytes[at + 6] == '\\' &&
      json->bytes[at + 7] == 'u') {
    long low = hex4(json, at + 8);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      bytes = 12;
    }
  }
  json->token = at;
  if (code < 0) return kohl_json_fail(json, "expected four hexadecimal digits after \\u"), (size_t)0;
  if (code >= 0xD800 && code <= 0xDFFF) {
    return kohl_json_fail(json, "\\u%04lx is half a surrogate pair, expected both halves", (unsigned long)code),
           (size_t)0;
  }
  *out_length = put_utf8(out, (unsigned long)code);
  return bytes;
}

/* Finds the closing quote of the string whose text begins at `at`; false after an error. */
static bool find_quote(kohl_json *json, size_t at, size_t *quote, bool *escaped) {
  *escaped = false;
  while (at < json->length && json->bytes[at] != '"') {
    unsigned char byte = (unsigned char)json->bytes[at];
    if (byte < 0x20) return kohl_json_error_at(json, at, "control characters as \\u escapes"), false;
    if (byte == '\\') {
      *escaped = true;
      at += 2; /* the escape is checked when it is decoded; an escaped quote must not end the string */
      continue;
    }
    size_t bytes = kohl_utf8_character(json->bytes + at, json->length - at);
    if (bytes == 0) return kohl_json_error_at(json, at, "UTF-8"), false;
    at += bytes;
  }
  if (at >= json->length) return kohl_json_error_at(json, json->length, "'\"' at the end of a string"), false;
  *quote = at;
  return true;
}

bool kohl_json_scan_string(kohl_json *json) {
  size_t at = json->at + 1, quote, start = json->token;
  bool escaped;
  if (!find_quote(json, at, &quote, &escaped)) return false;
  json->text = json->bytes + at;
  json->text_length = quote - at;
  json->at = quote + 1;
  if (!escaped) return true;
  kohl_status status = kohl_grow(json->ctx, &json->buffer, &json->capacity, quote - at, 1, "a JSON string");
  if (status != KOHL_OK) {
    json->status = status;
    return false;
  }
  size_t n = 0;
  while (at < quote) {
    if (json->bytes[at] != '\\') {
      json->buffer[n++] = json->bytes[at++];
      continue;
    }
    size_t decoded = 0, used = read_escape(json, at, json->buffer + n, &decoded);
    if (used == 0) return false;
    at += used;
    n += decoded;
  }
  json->token = start;
  json->text = json->buffer;
  json->text_length = n;
  return true;
}

/* Moves over digits, of which there must be one at least. */
static bool scan_digits(kohl_json *json, size_t *at) {
  size_t first = *at;
  while (*at < json->length && json->bytes[*at] >= '0' && json->bytes[*at] <= '9') ++*at;
  if (*at == first) kohl_json_error_at(json, *at, "a digit");
  return *at > first;
}

bool kohl_json_scan_number(kohl_json *json) {
  const char *bytes = json->bytes;
  size_t at = json->at;
  if (bytes[at] == '-') at++;
  size_t first = at;
  if (!scan_digits(json, &at)) return false;
  if (bytes[first] == '0' && at > first + 1)
    return kohl_json_error_at(json, first + 1, "no digit after a leading 0"), false;
  if (at < json->length && bytes[at] == '.') {
    at++;
    if (!scan_digits(json, &at)) return false;
  }
  if (at < json->length && (bytes[at] == 'e' || bytes[at] == 'E')) {
    at++;
    if (at < json->length && (bytes[at] == '+' || bytes[at] == '-')) at++;
    if (!scan_digits(json, &at)) return false;
  }
  if (at - json->at > KOHL_JSON_NUMBER) {
    return kohl_json_fail(json, "a number of %zu bytes, expected at most %d", at - json->at, KOHL_JSON_NUMBER), false;
  }
  json->text = bytes + json->at;
  json->text_length = at - json->at;
  json->at = at;
  return true;
}

/* The current number's digits as a whole number without its sign; false when it has a fraction or is too big. */
static bool whole_number(const kohl_json *json, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = json->text[0] == '-'; i < json->text_length; i++) {
    char c = json->text[i];
    if (c < '0' || c > '9') return false;
    if (__builtin_mul_overflow(value, (uint64_t)10, &value)) return false;
    if (__builtin_add_overflow(value, (uint64_t)(c - '0'), &value)) return false;
  }
  *out = value;
  return true;
}

static kohl_status expect_number(kohl_json *json, const char *what) {
  if (json->status != KOHL_OK || json->event == KOHL_JSON_NUMBER_VALUE) return json->status;
  return kohl_json_fail(json, "expected %s, found %s", what, kohl_json_event_name(json->event));
}

static kohl_status number_refused(kohl_json *json, const char *expected) {
  return kohl_json_fail(json, "value %s, expected %s", kohl_quote(json->text, json->text_length).text, expected);
}

kohl_status kohl_json_get_int64(kohl_json *json, int64_t *out) {
  kohl_status status = expect_number(json, "a whole number");
  if (status != KOHL_OK) return status;
  bool negative = json->text[0] == '-';
  uint64_t value, limit = (uint64_t)INT64_MAX + negative;
  if (!whole_number(json, &value) || value > limit) return number_refused(json, "a whole number of at most 64 bits");
  *out = !negative ? (int64_t)value : value == limit ? INT64_MIN : -(int64_t)value;
  return KOHL_OK;
}

kohl_status kohl_json_get_uint64(kohl_json *json, uint64_t *out) {
  kohl_status status = expect_number(json, "a whole number");
  if (status != KOHL_OK) return status;
  uint64_t value;
  if (json->text[0] == '-' || !whole_number(json, &value)) {
    return number_refused(json, "a whole number from 0 to 18446744073709551615");
  }
  *out = value;
  return KOHL_OK;
}

void kohl_decimal_point(char point[8]) {
  char sample[16]; /* "1<point>5" */
  int n = snprintf(sample, sizeof sample, "%.1f", 1.5);
  size_t length = n > 2 && n < 10 ? (size_t)n - 2 : 0;
  memcpy(point, length ? sample + 1 : ".", length ? length : 1);
  point[length ? length : 1] = 0;
}

kohl_status kohl_json_get_double(kohl_json *json, double *out) {
  kohl_status status = expect_number(json, "a number");
  if (status != KOHL_OK) return status;
  /* strtod wants the locale's decimal point. */
  char number[KOHL_JSON_NUMBER + 8], point[8];
  kohl_decimal_point(point);
  size_t n = 0;
  for (size_t i = 0; i < json->text_length; i++) {
    if (json->text[i] != '.') {
      number[n++] = json->text[i];
    } else {
      memcpy(number + n, point, strlen(point));
      n += strlen(point);
    }
  }
  number[n] = 0;
  double value = strtod(number, NULL);
  if (!isfinite(value)) return number_refused(json, "a number of at most 1.8e308");
  *out = value;
  return KOHL_OK;
}

bool kohl_json_is(const kohl_json *json, const char *word) {
  return (json->event == KOHL_JSON_KEY || json->event == KOHL_JSON_STRING) && strlen(word) == json->text_length &&
         memcmp(json->text, word, json->text_length) == 0;
}

kohl_status kohl_json_copy_text(kohl_json *json, char **out) {
  *out = NULL;
  if (json->status != KOHL_OK) return json->status;
  if (json->event != KOHL_JSON_KEY && json->event != KOHL_JSON_STRING) {
    return kohl_json_fail(json, "expected a string, found %s", kohl_json_event_name(json->event));
  }
  if (memchr(json->text, 0, json->text_length)) {
    return kohl_json_fail(json, "text '%s' contains a zero byte", kohl_quote(json->text, json->text_length).text);
  }
  kohl_status status = kohl_alloc(json->ctx, json->text_length + 1, 1, "a JSON string", out);
  if (status == KOHL_OK) memcpy(*out, json->text, json->text_length);
  return status;
}
