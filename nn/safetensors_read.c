/* The header of a safetensors file: parsing and every check of the format.
 *
 * One pass over the JSON collects tensors and metadata; then names are sorted (unique?), tensors are sorted by offset
 * (do they tile the data?), and the CRC of the header is compared.  Byte offsets in messages count from the header's
 * first byte, the ninth of the file. */
#include <stdio.h>
#include <string.h>

#include "nn/json.h"
#include "nn/safetensors_file.h"

/* Copies the current text with a zero into the pool.  It fits: the text as written had two quotes, and decoding never
 * makes it longer. */
static const char *pool_text(kohl_safetensors *file, const kohl_json *json) {
  char *text = file->pool + file->pool_used;
  memcpy(text, json->text, json->text_length);
  text[json->text_length] = 0;
  file->pool_used += json->text_length + 1;
  return text;
}

static kohl_status read_dtype(kohl_json *json, kohl_tensor_info *info) {
  if (kohl_json_expect(json, KOHL_JSON_STRING) != KOHL_OK) return json->status;
  if (kohl_safetensors_dtype_find(json->text, json->text_length, &info->dtype)) return KOHL_OK;
  return kohl_json_fail(json,
                        "dtype '%s' is not supported, expected BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, F64, "
                        "I64 or U64",
                        kohl_quote(json->text, json->text_length).text);
}

/* Reads an array of whole numbers, at most limit of them. */
static kohl_status read_numbers(kohl_json *json, const char *what, int limit, int64_t *out, int *count) {
  if (kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN) != KOHL_OK) return json->status;
  for (*count = 0; kohl_json_next(json) != KOHL_JSON_ARRAY_END; ++*count) {
    uint64_t value = 0;
    if (kohl_json_get_uint64(json, &value) != KOHL_OK) return json->status;
    if (value > INT64_MAX) {
      return kohl_json_fail(json, "value %llu in %s, expected less than 2^63", (unsigned long long)value, what);
    }
    if (*count == limit) return kohl_json_fail(json, "more than %d numbers in %s, expected at most that", limit, what);
    out[*count] = (int64_t)value;
  }
  return json->status;
}

static kohl_status read_offsets(kohl_json *json, tensor_entry *entry) {
  int64_t offsets[2] = {0, 0};
  int count = 0;
  if (read_numbers(json, "data_offsets", 2, offsets, &count) != KOHL_OK) return json->status;
  if (count != 2) return kohl_json_fail(json, "%d numbers in data_offsets, expected 2", count);
  entry->begin = (size_t)offsets[0];
  entry->end = (size_t)offsets[1];
  if (entry->begin <= entry->end) return KOHL_OK;
  return kohl_json_fail(json, "data_offsets [%zu,%zu], expected the first to be no greater than the second",
                        entry->begin, entry->end);
}

/* Do shape, dtype, offsets and the data's length agree? */
static kohl_status check_size(kohl_json *json, const kohl_safetensors *file, tensor_entry *entry) {
  kohl_tensor_info *info = &entry->info;
  kohl_shape_text shape = kohl_safetensors_shape_text(info->dtype, info->dims, info->shape);
  if (!kohl_safetensors_bytes(info->dtype, info->dims, info->shape, &info->bytes)) {
    return kohl_json_fail(json, "%s has more bytes than this machine can address", shape.text);
  }
  if (entry->end - entry->begin != info->bytes) {
    return kohl_json_fail(json, "data_offsets [%zu,%zu] hold %zu bytes, expected %zu for %s", entry->begin, entry->end,
                          entry->end - entry->begin, info->bytes, shape.text);
  }
  if (entry->end > file->data_length) {
    return kohl_json_fail(json, "data_offsets [%zu,%zu], but only %zu bytes follow the header", entry->begin,
                          entry->end, file->data_length);
  }
  info->data = file->data + entry->begin;
  return KOHL_OK;
}

static kohl_status read_fields(kohl_json *json, tensor_entry *entry) {
  static const char *const fields[] = {"dtype", "shape", "data_offsets"};
  bool seen[3] = {false, false, false};
  if (kohl_json_expect(json, KOHL_JSON_OBJECT_BEGIN) != KOHL_OK) return json->status;
  while (kohl_json_next(json) == KOHL_JSON_KEY) {
    int field = 0;
    while (field < 3 && !kohl_json_is(json, fields[field])) field++;
    if (field == 3) {
      return kohl_json_fail(json, "unknown key '%s', expected dtype, shape or data_offsets",
                            kohl_quote(json->text, json->text_length).text);
    }
    if (seen[field]) return kohl_json_fail(json, "key '%s' for the second time, expected once", fields[field]);
    seen[field] = true;
    if (field == 0) read_dtype(json, &entry->info);
    if (field == 1) read_numbers(json, "shape", KOHL_SAFETENSORS_DIMS, entry->info.shape, &entry->info.dims);
    if (field == 2) read_offsets(json, entry);
    if (json->status != KOHL_OK) return json->status;
  }
  for (int field = 0; field < 3; field++) {
    if (!seen[field]) return kohl_json_fail(json, "key '%s' is missing", fields[field]);
  }
  return json->status;
}

/* The current key is a tensor's name. */
static kohl_status read_tensor(kohl_json *json, kohl_safetensors *file) {
  kohl_context *ctx = json->ctx;
  size_t length = json->text_length;
  if (length > KOHL_SAFETENSORS_NAME) {
    return kohl_json_fail(json, "tensor name of %zu bytes, expected at most %d", length, KOHL_SAFETENSORS_NAME);
  }
  if (memchr(json->text, 0, length)) {
    return kohl_json_fail(json, "tensor name '%s' contains a zero byte", kohl_quote(json->text, length).text);
  }
  if (file->count == KOHL_SAFETENSORS_COUNT) {
    return kohl_json_fail(json, "more than %d tensors, expected at most that", KOHL_SAFETENSORS_COUNT);
  }
  kohl_status status =
      kohl_grow(ctx, &file->tensors, &file->capacity, file->count + 1, sizeof *file->tensors, "a list of tensors");
  if (status != KOHL_OK) return status;
  tensor_entry *entry = &file->tensors[file->count++];
  entry->at = json->token;
  entry->info.name = pool_text(file, json);
  if (read_fields(json, entry) != KOHL_OK || check_size(json, file, entry) != KOHL_OK) {
    kohl_fail_prefix(ctx, "tensor '%s'", kohl_quote(entry->info.name, length).text);
    return json->status;
  }
  return KOHL_OK;
}

static bool key_is(const kohl_safetensors_text *entry, const char *word) {
  return entry->key_length == strlen(word) && memcmp(entry->key, word, entry->key_length) == 0;
}

/* A CRC field must be found again in the header, so it may not be written with escapes. */
static kohl_status note_crc(kohl_json *json, const kohl_safetensors_text *entry, kohl_safetensors *file) {
  bool crcs = key_is(entry, KOHL_SAFETENSORS_CRC_KEY);
  if (!crcs && !key_is(entry, KOHL_SAFETENSORS_HEADER_CRC_KEY)) return KOHL_OK;
  size_t digits = 0;
  while (digits < json->text_length && json->text[digits] && strchr("0123456789abcdef", json->text[digits])) digits++;
  if (digits < json->text_length || json->text != json->bytes + json->token + 1) {
    return kohl_json_fail(json, "value '%s', expected digits 0-9a-f", kohl_quote(json->text, json->text_length).text);
  }
  if (crcs) {
    file->crcs = json->text;
    file->crcs_length = digits;
  } else {
    file->header_crc = json->text;
    file->header_crc_length = digits;
  }
  return KOHL_OK;
}

static kohl_status read_metadata(kohl_json *json, kohl_safetensors *file) {
  kohl_context *ctx = json->ctx;
  if (kohl_json_expect(json, KOHL_JSON_OBJECT_BEGIN) != KOHL_OK) return json->status;
  while (kohl_json_next(json) == KOHL_JSON_KEY) {
    if (file->metadata_count == KOHL_SAFETENSORS_COUNT) {
      return kohl_json_fail(json, "more than %d entries, expected at most that", KOHL_SAFETENSORS_COUNT);
    }
    kohl_status status = kohl_grow(ctx, &file->metadata, &file->metadata_capacity, file->metadata_count + 1,
                                   sizeof *file->metadata, "a list of metadata");
    if (status != KOHL_OK) return status;
    kohl_safetensors_text *entry = &file->metadata[file->metadata_count++];
    entry->key_length = json->text_length;
    entry->key = pool_text(file, json);
    if (kohl_json_expect(json, KOHL_JSON_STRING) != KOHL_OK || note_crc(json, entry, file) != KOHL_OK) {
      kohl_fail_prefix(ctx, "key '%s'", kohl_quote(entry->key, entry->key_length).text);
      return json->status;
    }
    entry->length = json->text_length;
    entry->text = pool_text(file, json);
  }
  return json->status;
}

static kohl_status read_header(kohl_json *json, kohl_safetensors *file) {
  bool metadata = false;
  if (kohl_json_expect(json, KOHL_JSON_OBJECT_BEGIN) != KOHL_OK) return json->status;
  while (kohl_json_next(json) == KOHL_JSON_KEY) {
    kohl_status status;
    if (!kohl_json_is(json, "__metadata__")) {
      status = read_tensor(json, file);
    } else if (metadata) {
      status = kohl_json_fail(json, "key '__metadata__' for the second time, expected once");
    } else {
      metadata = true;
      status = read_metadata(json, file);
      if (status != KOHL_OK) kohl_fail_prefix(json->ctx, "__metadata__");
    }
    if (status != KOHL_OK) return status;
  }
  if (json->status != KOHL_OK) return json->status;
  return kohl_json_expect(json, KOHL_JSON_END);
}

static int compare_offsets(const void *a, const void *b) {
  const tensor_entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  if (x->end != y->end) return x->end < y->end ? -1 : 1; /* empty tensors before the one they begin with */
  return x->at < y->at ? -1 : x->at > y->at;
}

/* The tensors, sorted by their place in the data, must cover it without holes and overlaps. */
static kohl_status check_tiling(kohl_context *ctx, const kohl_safetensors *file) {
  size_t expected = 0;
  for (size_t i = 0; i < file->count; i++) {
    const tensor_entry *entry = &file->tensors[i];
    if (entry->begin != expected) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': its data begins at %zu, expected %zu: %s",
                       kohl_quote(entry->info.name, strlen(entry->info.name)).text, entry->begin, expected,
                       entry->begin > expected ? "a hole" : "an overlap with another tensor");
    }
    expected = entry->end;
  }
  if (expected == file->data_length) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "the tensors end at byte %zu of the data, expected its end, %zu", expected,
                   file->data_length);
}

static kohl_status check_names(kohl_context *ctx, kohl_safetensors *file) {
  kohl_status status = kohl_alloc(ctx, file->count, sizeof *file->names, "a list of names", &file->names);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < file->count; i++) {
    const char *name = file->tensors[i].info.name;
    file->names[i] = (kohl_key){name, strlen(name), i};
  }
  kohl_keys_sort(file->names, file->count);
  const kohl_key *twice = kohl_keys_duplicate(file->names, file->count);
  if (twice) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s' is there twice, expected once",
                     kohl_quote(twice->text, twice->length).text);
  }
  status = kohl_alloc(ctx, file->metadata_count, sizeof *file->metadata_keys, "a list of keys", &file->metadata_keys);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < file->metadata_count; i++) {
    file->metadata_keys[i] = (kohl_key){file->metadata[i].key, file->metadata[i].key_length, i};
  }
  kohl_keys_sort(file->metadata_keys, file->metadata_count);
  twice = kohl_keys_duplicate(file->metadata_keys, file->metadata_count);
  if (!twice) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "__metadata__: key '%s' is there twice, expected once",
                   kohl_quote(twice->text, twice->length).text);
}

static kohl_status check_header_crc(kohl_context *ctx, const kohl_safetensors *file) {
  if (!file->crcs && !file->header_crc) return KOHL_OK;
  if (!file->crcs || !file->header_crc) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "__metadata__: key '%s' is missing, expected with '%s'",
                     file->crcs ? KOHL_SAFETENSORS_HEADER_CRC_KEY : KOHL_SAFETENSORS_CRC_KEY,
                     file->crcs ? KOHL_SAFETENSORS_CRC_KEY : KOHL_SAFETENSORS_HEADER_CRC_KEY);
  }
  if (file->header_crc_length != 8 || file->crcs_length != 8 * file->count) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "__metadata__: %s has %zu and %s %zu digits, expected 8 and %zu",
                     KOHL_SAFETENSORS_HEADER_CRC_KEY, file->header_crc_length, KOHL_SAFETENSORS_CRC_KEY,
                     file->crcs_length, 8 * file->count);
  }
  uint32_t found = kohl_safetensors_header_crc(file->header, file->header_length, (size_t)(file->crcs - file->header),
                                               file->crcs_length, (size_t)(file->header_crc - file->header), 8);
  char digits[16];
  snprintf(digits, sizeof digits, "%08x", (unsigned)found);
  if (memcmp(digits, file->header_crc, 8) == 0) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "CRC32C of the header is %s, expected %.8s: the file is damaged", digits,
                   file->header_crc);
}

kohl_status kohl_safetensors_parse(kohl_context *ctx, kohl_safetensors *file) {
  if (file->header_length == 0 || file->header[0] != '{') {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "header: expected '{' as its first byte, found %s",
                     file->header_length ? kohl_quote(file->header, 1).text : "no byte");
  }
  kohl_status status = kohl_alloc(ctx, file->header_length, 1, "the names of a safetensors file", &file->pool);
  if (status != KOHL_OK) return status;
  kohl_json json;
  kohl_json_open(&json, ctx, file->header, file->header_length);
  status = read_header(&json, file);
  kohl_json_close(&json);
  if (status == KOHL_OK) {
    kohl_heap_sort(file->tensors, file->count, sizeof *file->tensors, compare_offsets);
    status = check_names(ctx, file);
  }
  if (status == KOHL_OK) status = check_tiling(ctx, file);
  if (status == KOHL_OK) status = check_header_crc(ctx, file);
  if (status != KOHL_OK) kohl_fail_prefix(ctx, "header");
  return status;
}
