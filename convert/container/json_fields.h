/* Values of a JSON text by key, for configurations that are read out of order.  A range is one JSON value as text; no
 * tree is made, every look-up reads the object again. */
#ifndef KOHL_CONVERT_CONTAINER_JSON_FIELDS_H
#define KOHL_CONVERT_CONTAINER_JSON_FIELDS_H

#include "nn/json.h"

typedef struct kohl_json_range {
  const char *text; /* NULL: there is no such value, or it is null */
  size_t length;
} kohl_json_range;

/* The value of a key in an object; the last one of equal keys, as Python takes it. */
kohl_status kohl_json_field(kohl_context *ctx, kohl_json_range object, const char *key, kohl_json_range *value);

/* The next element of an array, from a reader that stands inside it; *more is false at its end. */
kohl_status kohl_json_element(kohl_json *json, kohl_json_range *value, bool *more);

/* The value of a key as text of less than KOHL_JSON_WORD bytes, truth, number or one or two whole numbers 0 to 2^20
 * (one counts for both).  A key that is not there, or null, leaves *out as it was; another type is KOHL_BAD_INPUT
 * "field 'strides': ..., expected ...". */
enum { KOHL_JSON_WORD = 256 };
kohl_status kohl_json_field_text(kohl_context *ctx, kohl_json_range object, const char *key, char *out);
kohl_status kohl_json_field_bool(kohl_context *ctx, kohl_json_range object, const char *key, bool *out);
kohl_status kohl_json_field_double(kohl_context *ctx, kohl_json_range object, const char *key, double *out);
kohl_status kohl_json_field_pair(kohl_context *ctx, kohl_json_range object, const char *key, int out[2]);

#endif
