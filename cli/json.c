/* Members of JSON objects. */
#include "cli/json.h"

void cli_json_text(kohl_json_writer *w, const char *key, const char *value) {
  kohl_json_write_key(w, key);
  kohl_json_write_string(w, value);
}

void cli_json_count(kohl_json_writer *w, const char *key, uint64_t value) {
  kohl_json_write_key(w, key);
  kohl_json_write_uint64(w, value);
}

void cli_json_number(kohl_json_writer *w, const char *key, double value) {
  kohl_json_write_key(w, key);
  kohl_json_write_double(w, value);
}

void cli_json_floats(kohl_json_writer *w, const char *key, const float *values, size_t count) {
  kohl_json_write_key(w, key);
  kohl_json_write_array_begin(w);
  for (size_t i = 0; i < count; i++) kohl_json_write_float(w, values[i]);
  kohl_json_write_array_end(w);
}

void cli_json_shape(kohl_json_writer *w, const char *key, kohl_shape shape) {
  kohl_json_write_key(w, key);
  kohl_json_write_array_begin(w);
  kohl_json_write_int64(w, shape.h);
  kohl_json_write_int64(w, shape.w);
  kohl_json_write_int64(w, shape.c);
  kohl_json_write_array_end(w);
}
