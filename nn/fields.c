/* The table of layer parameters, made of nn/fields.def, and its checks. */
#include "nn/fields.h"

static const char *const padding_words[] = {"valid", "same_upper", "explicit", NULL};
static const char *const activation_words[] = {"none", "relu", NULL};

#define MEMBER(member) offsetof(kohl_params, member)
#define INTS(layer, name, member, count, low, high) \
  {KOHL_LAYER_##layer, name, KOHL_FIELD_INT, MEMBER(member), count, low, high, NULL},
#define FLOAT(layer, name, member, low, high) \
  {KOHL_LAYER_##layer, name, KOHL_FIELD_FLOAT, MEMBER(member), 1, low, high, NULL},
#define BOOL(layer, name, member) {KOHL_LAYER_##layer, name, KOHL_FIELD_BOOL, MEMBER(member), 1, 0, 1, NULL},
#define WORD(layer, name, member, words) {KOHL_LAYER_##layer, name, KOHL_FIELD_WORD, MEMBER(member), 1, 0, 0, words},

/* Sides stay far below 2^15 and channels below 2^20, so that products of a few of them fit in 64 bits. */
enum { SIDE = 32768, CHANNELS = 1 << 20, KERNEL = 1024 };

const kohl_field kohl_fields[] = {
#include "nn/fields.def"
    {KOHL_LAYER_COUNT, NULL, KOHL_FIELD_INT, 0, 0, 0, 0, NULL},
};

static const char *bad_number(const kohl_field *field, const kohl_params *params, double *value) {
  const char *at = (const char *)params + field->offset;
  for (int i = 0; i < field->count; i++) {
    *value = field->kind == KOHL_FIELD_FLOAT ? (double)((const float *)(const void *)at)[i]
                                             : (double)((const int *)(const void *)at)[i];
    if (!(*value >= field->low && *value <= field->high)) return field->name;
  }
  return NULL;
}

kohl_status kohl_fields_check(kohl_context *ctx, const char *name, kohl_layer layer, const kohl_params *params) {
  for (const kohl_field *field = kohl_fields; field->layer != KOHL_LAYER_COUNT; field++) {
    double value;
    if (field->layer != layer || (field->kind != KOHL_FIELD_INT && field->kind != KOHL_FIELD_FLOAT)) continue;
    if (bad_number(field, params, &value)) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s' (%s): %s is %g, expected %g to %g", name,
                       kohl_layer_name(layer), field->name, value, field->low, field->high);
    }
  }
  if (layer == KOHL_LAYER_lrn && params->window % 2 == 0) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s' (lrn): window is %d, expected an odd number", name,
                     params->window);
  }
  return KOHL_OK;
}
