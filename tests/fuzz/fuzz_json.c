/* Fuzz target: the JSON reader on any bytes.  Besides not crashing: every event stays within the bytes, brackets
 * match, and whatever is read and written again reads the same. */
#include <stdlib.h>
#include <string.h>

#include "nn/json.h"

static kohl_context *context; /* made once: starting a context per input would be most of the time */

static void require(bool holds) {
  if (!holds) abort();
}

/* Digits that fit an int64; not "-0", which as an integer would lose its sign. */
static bool is_whole(const kohl_json *json) {
  size_t at = json->text[0] == '-';
  if (json->text_length > 18 || (at && json->text[1] == '0')) return false;
  while (at < json->text_length && json->text[at] >= '0' && json->text[at] <= '9') at++;
  return at == json->text_length;
}

/* Writes the current event. */
static void copy_event(kohl_json *json, kohl_json_writer *writer) {
  double value;
  int64_t whole;
  switch (json->event) {
    case KOHL_JSON_OBJECT_BEGIN: kohl_json_write_object_begin(writer); break;
    case KOHL_JSON_OBJECT_END: kohl_json_write_object_end(writer); break;
    case KOHL_JSON_ARRAY_BEGIN: kohl_json_write_array_begin(writer); break;
    case KOHL_JSON_ARRAY_END: kohl_json_write_array_end(writer); break;
    case KOHL_JSON_KEY: kohl_json_write_key_n(writer, json->text, json->text_length); break;
    case KOHL_JSON_STRING: kohl_json_write_string_n(writer, json->text, json->text_length); break;
    case KOHL_JSON_NUMBER_VALUE:
      if (!is_whole(json)) {
        if (kohl_json_get_double(json, &value) == KOHL_OK) kohl_json_write_double(writer, value);
      } else {
        require(kohl_json_get_int64(json, &whole) == KOHL_OK);
        kohl_json_write_int64(writer, whole);
      }
      break;
    case KOHL_JSON_TRUE: kohl_json_write_bool(writer, true); break;
    case KOHL_JSON_FALSE: kohl_json_write_bool(writer, false); break;
    case KOHL_JSON_NULL: kohl_json_write_null(writer); break;
    default: break;
  }
}

/* Reads everything; true when it was well-formed. */
static bool read_all(const char *bytes, size_t length, kohl_json_writer *writer) {
  kohl_json json;
  kohl_json_open(&json, context, bytes, length);
  kohl_json_write_begin(writer, context);
  while (kohl_json_next(&json) < KOHL_JSON_END) {
    require(json.token < length && json.at <= length && json.text_length <= length);
    copy_event(&json, writer);
  }
  bool good = json.event == KOHL_JSON_END;
  require(good == (json.status == KOHL_OK));
  kohl_json_close(&json);
  return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!context) {
    kohl_context_options options = kohl_context_options_default();
    options.threads = 1;
    require(kohl_context_create(&options, &context) == KOHL_OK);
  }
  kohl_json json;
  kohl_json_open(&json, context, (const char *)data, size);
  bool skipped = kohl_json_skip(&json) == KOHL_OK && kohl_json_next(&json) == KOHL_JSON_END;
  kohl_json_close(&json);
  kohl_json_writer first, second;
  bool good = read_all((const char *)data, size, &first);
  require(!good || skipped);
  if (good) {
    require(kohl_json_write_end(&first) == KOHL_OK);
    require(read_all(first.text, first.length, &second));
    require(kohl_json_write_end(&second) == KOHL_OK);
    require(first.length == second.length && memcmp(first.text, second.text, first.length) == 0);
    kohl_json_write_free(&second);
  }
  kohl_json_write_free(&first);
  return 0;
}
