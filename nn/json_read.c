/* The JSON reader's machine: brackets, commas and colons.  Strings and numbers are scanned in json_text.c.
 *
 * The state says what may come next; a bracket pushes or pops json->open.  Every byte is looked at once. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nn/json_scan.h"

enum {
  STATE_VALUE,       /* a value */
  STATE_FIRST_ITEM,  /* a value or ] */
  STATE_FIRST_KEY,   /* a key or } */
  STATE_AFTER_VALUE, /* a comma or the closing bracket */
  STATE_DONE         /* white space */
};

void kohl_json_open(kohl_json *json, kohl_context *ctx, const char *bytes, size_t length) {
  memset(json, 0, sizeof *json);
  json->ctx = ctx;
  json->bytes = bytes;
  json->length = length;
  json->state = STATE_VALUE;
}

void kohl_json_close(kohl_json *json) {
  kohl_free(json->ctx, json->buffer);
  json->buffer = NULL;
  json->capacity = 0;
}

const char *kohl_json_event_name(kohl_json_event event) {
  switch (event) {
    case KOHL_JSON_OBJECT_BEGIN: return "an object";
    case KOHL_JSON_OBJECT_END: return "the end of an object";
    case KOHL_JSON_ARRAY_BEGIN: return "an array";
    case KOHL_JSON_ARRAY_END: return "the end of an array";
    case KOHL_JSON_KEY: return "a key";
    case KOHL_JSON_STRING: return "a string";
    case KOHL_JSON_NUMBER_VALUE: return "a number";
    case KOHL_JSON_TRUE: return "true";
    case KOHL_JSON_FALSE: return "false";
    case KOHL_JSON_NULL: return "null";
    case KOHL_JSON_END: return "the end of the text";
    case KOHL_JSON_ERROR: return "an error";
  }
  return "nothing";
}

kohl_status kohl_json_fail(kohl_json *json, const char *format, ...) {
  if (json->status != KOHL_OK) return json->status; /* the first error stays */
  char text[KOHL_ERROR_TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  json->event = KOHL_JSON_ERROR;
  json->status = kohl_fail(json->ctx, KOHL_BAD_INPUT, "byte %zu: %.*s", json->token, KOHL_ERROR_TEXT - 32, text);
  return json->status;
}

kohl_json_event kohl_json_error_at(kohl_json *json, size_t at, const char *expected) {
  json->token = at;
  if (at >= json->length) {
    kohl_json_fail(json, "expected %s, found the end of the text", expected);
  } else {
    unsigned char byte = (unsigned char)json->bytes[at];
    if (byte > 0x20 && byte < 0x7f) {
      kohl_json_fail(json, "expected %s, found '%c'", expected, byte);
    } else {
      kohl_json_fail(json, "expected %s, found the byte 0x%02x", expected, (unsigned)byte);
    }
  }
  return KOHL_JSON_ERROR;
}

static void skip_space(kohl_json *json) {
  while (json->at < json->length) {
    char byte = json->bytes[json->at];
    if (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t') return;
    json->at++;
  }
}

static bool word_is_next(const kohl_json *json, const char *word) {
  size_t n = strlen(word);
  return json->length - json->at >= n && memcmp(json->bytes + json->at, word, n) == 0;
}

static void after_value(kohl_json *json) { json->state = json->depth ? STATE_AFTER_VALUE : STATE_DONE; }

static kohl_json_event open_bracket(kohl_json *json, char bracket) {
  if (json->depth == KOHL_JSON_DEPTH) {
    kohl_json_fail(json, "more than %d brackets inside each other, expected at most %d", KOHL_JSON_DEPTH,
                   KOHL_JSON_DEPTH);
    return KOHL_JSON_ERROR;
  }
  json->open[json->depth++] = bracket;
  json->at++;
  json->state = bracket == '{' ? STATE_FIRST_KEY : STATE_FIRST_ITEM;
  return bracket == '{' ? KOHL_JSON_OBJECT_BEGIN : KOHL_JSON_ARRAY_BEGIN;
}

static kohl_json_event close_bracket(kohl_json *json) {
  char bracket = json->open[--json->depth];
  json->at++;
  after_value(json);
  return bracket == '{' ? KOHL_JSON_OBJECT_END : KOHL_JSON_ARRAY_END;
}

static kohl_json_event read_word(kohl_json *json, const char *word, kohl_json_event event) {
  if (!word_is_next(json, word)) return kohl_json_error_at(json, json->at, "a value");
  json->at += strlen(word);
  after_value(json);
  return event;
}

/* The end of a text reads as byte 0, which no value begins with. */
static char peek(const kohl_json *json) { return json->at < json->length ? json->bytes[json->at] : 0; }

static kohl_json_event read_value(kohl_json *json) {
  char byte = peek(json);
  switch (byte) {
    case '{':
    case '[': return open_bracket(json, byte);
    case 't': return read_word(json, "true", KOHL_JSON_TRUE);
    case 'f': return read_word(json, "false", KOHL_JSON_FALSE);
    case 'n': return read_word(json, "null", KOHL_JSON_NULL);
    case '"':
      if (!kohl_json_scan_string(json)) return KOHL_JSON_ERROR;
      after_value(json);
      return KOHL_JSON_STRING;
    default: break;
  }
  if (byte != '-' && (byte < '0' || byte > '9')) return kohl_json_error_at(json, json->at, "a value");
  if (!kohl_json_scan_number(json)) return KOHL_JSON_ERROR;
  after_value(json);
  return KOHL_JSON_NUMBER_VALUE;
}

static kohl_json_event read_key(kohl_json *json, const char *expected) {
  if (peek(json) != '"') return kohl_json_error_at(json, json->at, expected);
  if (!kohl_json_scan_string(json)) return KOHL_JSON_ERROR;
  skip_space(json);
  if (peek(json) != ':') return kohl_json_error_at(json, json->at, "':' after a key");
  json->at++;
  json->state = STATE_VALUE;
  return KOHL_JSON_KEY;
}

static kohl_json_event read_after_value(kohl_json *json) {
  bool object = json->open[json->depth - 1] == '{';
  char byte = peek(json);
  if (byte == (object ? '}' : ']')) return close_bracket(json);
  if (byte != ',') return kohl_json_error_at(json, json->at, object ? "',' or '}'" : "',' or ']'");
  json->at++;
  skip_space(json);
  json->token = json->at;
  return object ? read_key(json, "a key") : read_value(json);
}

kohl_json_event kohl_json_next(kohl_json *json) {
  if (json->status != KOHL_OK) return KOHL_JSON_ERROR;
  json->text = "";
  json->text_length = 0;
  skip_space(json);
  json->token = json->at;
  kohl_json_event event = KOHL_JSON_END;
  switch (json->state) {
    case STATE_VALUE: event = read_value(json); break;
    case STATE_FIRST_ITEM: event = peek(json) == ']' ? close_bracket(json) : read_value(json); break;
    case STATE_FIRST_KEY: event = peek(json) == '}' ? close_bracket(json) : read_key(json, "a key or '}'"); break;
    case STATE_AFTER_VALUE: event = read_after_value(json); break;
    case STATE_DONE:
      if (json->at < json->length) event = kohl_json_error_at(json, json->at, "nothing after the value");
      break;
    default: break;
  }
  json->event = event;
  return event;
}

kohl_status kohl_json_expect(kohl_json *json, kohl_json_event event) {
  kohl_json_event found = kohl_json_next(json);
  if (json->status != KOHL_OK || found == event) return json->status;
  return kohl_json_fail(json, "expected %s, found %s", kohl_json_event_name(event), kohl_json_event_name(found));
}

kohl_status kohl_json_skip(kohl_json *json) {
  int depth = 0;
  do {
    switch (kohl_json_next(json)) {
      case KOHL_JSON_OBJECT_BEGIN:
      case KOHL_JSON_ARRAY_BEGIN: depth++; break;
      case KOHL_JSON_OBJECT_END:
      case KOHL_JSON_ARRAY_END:
        if (--depth < 0) return kohl_json_fail(json, "expected a value, found %s", kohl_json_event_name(json->event));
        break;
      case KOHL_JSON_KEY:
        if (depth == 0) return kohl_json_fail(json, "expected a value, found a key");
        break;
      case KOHL_JSON_END: return kohl_json_fail(json, "expected a value, found the end of the text");
      default: break;
    }
    if (json->status != KOHL_OK) return json->status;
  } while (depth > 0);
  return KOHL_OK;
}
