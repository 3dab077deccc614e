/* Members of JSON objects in one call each. */
#ifndef KOHL_CLI_JSON_H
#define KOHL_CLI_JSON_H

#include "nn/graph.h"
#include "nn/json.h"

void cli_json_text(kohl_json_writer *w, const char *key, const char *value);
void cli_json_count(kohl_json_writer *w, const char *key, uint64_t value);
void cli_json_number(kohl_json_writer *w, const char *key, double value);
void cli_json_floats(kohl_json_writer *w, const char *key, const float *values, size_t count);
void cli_json_shape(kohl_json_writer *w, const char *key, kohl_shape shape); /* [h,w,c] */

#endif
