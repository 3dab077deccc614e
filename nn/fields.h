/* Which parameters each layer has, their words in the model file and their ranges: one table (nn/fields.def) for reading,
 * writing and checking. */
#ifndef KOHL_NN_FIELDS_H
#define KOHL_NN_FIELDS_H

#include "nn/graph.h"

typedef enum kohl_field_kind { KOHL_FIELD_INT, KOHL_FIELD_FLOAT, KOHL_FIELD_BOOL, KOHL_FIELD_WORD } kohl_field_kind;

typedef struct kohl_field {
  kohl_layer layer;
  const char *name;
  kohl_field_kind kind;
  size_t offset;            /* in kohl_params */
  int count;                /* 1, or the length of an array of ints */
  double low, high;         /* inclusive range of numbers */
  const char *const *words; /* NULL-ended, for KOHL_FIELD_WORD: the enum's values in order */
} kohl_field;

/* The fields of a layer, NULL-ended by layer == KOHL_LAYER_COUNT; the table is ordered by layer. */
extern const kohl_field kohl_fields[];

/* Checks every field of params against its range; KOHL_BAD_INPUT names the layer, the field, the value, the range. */
kohl_status kohl_fields_check(kohl_context *ctx, const char *name, kohl_layer layer, const kohl_params *params);

/* The fields as members of a JSON object that is open. */
void kohl_fields_write_json(kohl_layer layer, const kohl_params *params, kohl_json_writer *writer);

#endif
