/* One entry of "weights" in the JSON of a TF.js model: what a tensor is called and how its numbers lie; and small steps
 * of reading that JSON. */
#ifndef KOHL_CONVERT_TFJS_ENTRY_H
#define KOHL_CONVERT_TFJS_ENTRY_H

#include "convert/tfjs/manifest.h"

enum { KOHL_TFJS_WORD = 64 };

/* Begins as zeros; a text that is not there is "". */
typedef struct kohl_tfjs_entry {
  char name[KOHL_SAFETENSORS_NAME + 1], dtype[KOHL_TFJS_WORD], group[KOHL_TFJS_WORD];
  char packed[KOHL_TFJS_WORD]; /* dtype of the quantisation */
  bool has_shape, quantised, has_scale, has_min;
  double scale, min;
  int dims;
  int64_t shape[KOHL_SAFETENSORS_DIMS];
} kohl_tfjs_entry;

/* Reads the object whose beginning is the current event.  Fields that are not known are passed over. */
kohl_status kohl_tfjs_entry_read(kohl_json *json, kohl_tfjs_entry *entry);

/* The tensor that an entry describes, its bytes counted, without name and layer; place without its offset.
 * KOHL_BAD_INPUT names the field. */
kohl_status kohl_tfjs_entry_check(kohl_context *ctx, const kohl_tfjs_entry *entry, kohl_source_tensor *tensor,
                                  kohl_tfjs_place *place);

/* The text of 1 to room - 1 bytes that comes next, or null, which leaves out as it was: "".  A text that is there
 * already is refused. */
kohl_status kohl_tfjs_take_text(kohl_json *json, const char *field, char *out, size_t room);

/* What a loop over an object's keys ends with: status, or whether the object really ended. */
kohl_status kohl_tfjs_object_end(kohl_json *json, kohl_status status);

#endif
