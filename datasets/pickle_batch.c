/* A batch of CIFAR out of its pickle. */
#include <string.h>

#include "datasets/decode.h"
#include "datasets/pickle.h"
#include "kernels/core/alloc.h"

const kohl_pickle_value *kohl_pickle_find(const kohl_pickle *pickle, const kohl_pickle_value *dict, const char *key) {
  if (dict->kind != KOHL_PICKLE_DICT) return NULL;
  const kohl_pickle_object *o = kohl_pickle_items(pickle, dict);
  for (size_t i = 0; i + 1 < o->count; i += 2) {
    const kohl_pickle_value *k = &o->item[i];
    /* A key of CIFAR is ASCII: text, bytes and LATIN look the same. */
    if (k->kind != KOHL_PICKLE_BYTES && k->kind != KOHL_PICKLE_TEXT && k->kind != KOHL_PICKLE_LATIN) continue;
    if (k->length == strlen(key) && memcmp(pickle->bytes + k->at, key, k->length) == 0) return &o->item[i + 1];
  }
  return NULL;
}

/* [n][3 * side * side] out of a shape. */
static kohl_status read_shape(kohl_context *ctx, const kohl_pickle *p, const kohl_pickle_value *shape,
                              kohl_pickle_batch *out) {
  const kohl_pickle_object *o = kohl_pickle_items(p, shape);
  for (size_t i = 0; i < 2 && o->count == 2; i++) {
    if (o->item[i].kind != KOHL_PICKLE_INT || o->item[i].number < 1 || o->item[i].number > 1 << 30) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: 'data': dimension %zu, expected 1 to 1073741824", p->name, i);
    }
  }
  if (o->count != 2) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: 'data': %zu dimensions, expected [pictures][3 * side * side]", p->name,
                     o->count);
  }
  int64_t values = o->item[1].number, side = 1;
  while (side < KOHL_PICTURE_SIDE && 3 * side * side < values) side++;
  if (3 * side * side != values || side < 2 || side * side > KOHL_PICTURE_PIXELS) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: 'data': %lld values a picture, expected 3 * side * side with a side of 2 or more", p->name,
                     (long long)values);
  }
  out->count = (uint32_t)o->item[0].number;
  out->side = (int)side;
  return KOHL_OK;
}

/* Where each record begins among characters of one or two bytes. */
static kohl_status index_latin(kohl_context *ctx, const kohl_pickle *p, const kohl_pickle_value *data,
                               kohl_pickle_batch *out) {
  size_t record = (size_t)out->side * (size_t)out->side * 3, at = data->at, end = data->at + data->length, seen = 0;
  kohl_status status = kohl_alloc(ctx, (size_t)out->count + 1, sizeof *out->text_begin, p->name, &out->text_begin);
  for (; status == KOHL_OK && at < end; seen++) {
    if (seen % record == 0 && seen / record < out->count) out->text_begin[seen / record] = at;
    uint8_t lead = p->bytes[at++];
    if (lead < 0x80) continue;
    if ((lead != 0xc2 && lead != 0xc3) || at == end || (p->bytes[at] & 0xc0) != 0x80) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: byte %zu: a character that is no byte", p->name, at - 1);
    }
    at++;
  }
  if (status != KOHL_OK) return status;
  out->text_begin[out->count] = end;
  if (seen == record * out->count) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: 'data': %zu bytes, expected %zu", p->name, seen, record * out->count);
}

static kohl_status read_data(kohl_context *ctx, const kohl_pickle *p, const kohl_pickle_value *root,
                             kohl_pickle_batch *out) {
  const kohl_pickle_value *data = kohl_pickle_find(p, root, "data");
  if (!data || data->kind != KOHL_PICKLE_ARRAY || kohl_pickle_items(p, data)->count != 2) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: expected a dict with an array 'data'", p->name);
  }
  const kohl_pickle_value *parts = kohl_pickle_items(p, data)->item;
  kohl_status status = read_shape(ctx, p, &parts[0], out);
  if (status != KOHL_OK) return status;
  size_t bytes;
  bool fits = kohl_mul_size((size_t)out->side * (size_t)out->side * 3, out->count, &bytes);
  /* A character takes a byte at least, so that this bounds the index of records by the file too. */
  if (!fits || bytes > parts[1].length || (parts[1].kind == KOHL_PICKLE_BYTES && bytes != parts[1].length)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: 'data': %llu bytes, expected %u pictures of %d x %d x 3", p->name,
                     (unsigned long long)parts[1].length, out->count, out->side, out->side);
  }
  out->begin = parts[1].at;
  return parts[1].kind == KOHL_PICKLE_LATIN ? index_latin(ctx, p, &parts[1], out) : KOHL_OK;
}

static kohl_status read_labels(kohl_context *ctx, const kohl_pickle *p, const kohl_pickle_value *root,
                               const char *const *keys, size_t key_count, kohl_pickle_batch *out) {
  const kohl_pickle_value *list = NULL;
  const char *key = "";
  for (size_t i = 0; i < key_count && !list; i++) list = kohl_pickle_find(p, root, key = keys[i]);
  if (!list || list->kind != KOHL_PICKLE_LIST) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: expected a dict with a list '%s'", p->name, keys[0]);
  }
  const kohl_pickle_object *o = kohl_pickle_items(p, list);
  if (o->count != out->count) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s': %zu labels, expected %u", p->name, key, o->count, out->count);
  }
  kohl_status status = kohl_alloc(ctx, out->count, 1, p->name, &out->label);
  for (size_t i = 0; status == KOHL_OK && i < o->count; i++) {
    if (o->item[i].kind != KOHL_PICKLE_INT || o->item[i].number < 0 || o->item[i].number > 255) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s': label %zu is not an int of 0 to 255", p->name, key, i);
    }
    out->label[i] = (uint8_t)o->item[i].number;
  }
  return status;
}

kohl_status kohl_pickle_batch_read(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                   const char *const *keys, size_t key_count, kohl_pickle_batch *out) {
  kohl_pickle pickle;
  kohl_pickle_value root;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_pickle_read(ctx, name, bytes, length, &pickle, &root);
  if (status == KOHL_OK) status = read_data(ctx, &pickle, &root, out);
  if (status == KOHL_OK) status = read_labels(ctx, &pickle, &root, keys, key_count, out);
  kohl_pickle_close(ctx, &pickle);
  if (status != KOHL_OK) kohl_pickle_batch_free(ctx, out);
  return status;
}

void kohl_pickle_batch_free(kohl_context *ctx, kohl_pickle_batch *batch) {
  kohl_free(ctx, batch->text_begin);
  kohl_free(ctx, batch->label);
  memset(batch, 0, sizeof *batch);
}
