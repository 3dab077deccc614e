/* The safetensors writer: declarations, header, data.  The file itself is place.c's business.
 *
 * The header is built with its CRC digits as zeros and stays in memory; finish fills the digits in, here and in the
 * file, before the file gets its name. */
#include <string.h>

#include "kernels/core/crc32c.h"
#include "kernels/core/place.h"
#include "nn/json.h"
#include "nn/safetensors_file.h"

typedef struct declared {
  char *name;
  kohl_safetensors_dtype dtype;
  int dims;
  int64_t shape[KOHL_SAFETENSORS_DIMS];
  size_t bytes, number; /* number: of the declaration */
  uint32_t crc;         /* of what was written so far */
} declared;

typedef struct entry {
  char *key, *text;
  size_t length;
} entry;

struct kohl_safetensors_writer {
  kohl_context *ctx;
  kohl_file_place place;
  enum { DECLARING, WRITING, FAILED } state;
  declared *tensors; /* as declared; from lay on in the order of the data */
  size_t count, capacity;
  entry *metadata;
  size_t metadata_count, metadata_capacity;
  char *header; /* owned; N bytes, padding included */
  size_t header_length, crcs_at, header_crc_at;
  size_t current, done; /* the tensor being written and its bytes so far */
};

kohl_status kohl_safetensors_writer_begin(kohl_context *ctx, const char *path, kohl_safetensors_writer **out) {
  *out = NULL;
  kohl_safetensors_writer *writer;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *writer, "a safetensors writer", &writer);
  if (status != KOHL_OK) return status;
  writer->ctx = ctx;
  status = kohl_place_begin(ctx, path, &writer->place);
  if (status != KOHL_OK) {
    kohl_free(ctx, writer);
    return status;
  }
  *out = writer;
  return KOHL_OK;
}

void kohl_safetensors_writer_abandon(kohl_safetensors_writer *writer) {
  if (!writer) return;
  kohl_context *ctx = writer->ctx;
  kohl_place_end(ctx, &writer->place);
  for (size_t i = 0; i < writer->count; i++) kohl_free(ctx, writer->tensors[i].name);
  for (size_t i = 0; i < writer->metadata_count; i++) {
    kohl_free(ctx, writer->metadata[i].key);
    kohl_free(ctx, writer->metadata[i].text);
  }
  kohl_free(ctx, writer->tensors);
  kohl_free(ctx, writer->metadata);
  kohl_free(ctx, writer->header);
  kohl_free(ctx, writer);
}

static bool is_utf8(const char *text, size_t length) {
  for (size_t at = 0, n; at < length; at += n) {
    n = kohl_utf8_character(text + at, length - at);
    if (n == 0) return false;
  }
  return true;
}

static kohl_status usage(kohl_safetensors_writer *writer, const char *what, const char *name, const char *problem) {
  writer->state = FAILED;
  return kohl_fail(writer->ctx, KOHL_USAGE, "%s: %s '%s': %s", writer->place.path, what,
                   kohl_quote(name, strlen(name)).text, problem);
}

static kohl_status wrong_moment(kohl_safetensors_writer *writer, const char *call) {
  kohl_status status = kohl_fail(writer->ctx, KOHL_USAGE, "%s: %s %s", writer->place.path, call,
                                 writer->state == FAILED      ? "after an error"
                                 : writer->state == DECLARING ? "before the header was written"
                                                              : "after the header was written");
  writer->state = FAILED;
  return status;
}

kohl_status kohl_safetensors_writer_tensor(kohl_safetensors_writer *writer, const char *name,
                                           kohl_safetensors_dtype dtype, int dims, const int64_t *shape) {
  if (writer->state != DECLARING) return wrong_moment(writer, "declaring a tensor");
  size_t length = strlen(name), bytes;
  if (length > KOHL_SAFETENSORS_NAME) return usage(writer, "tensor", name, "a name of more than 512 bytes");
  if (!is_utf8(name, length)) return usage(writer, "tensor", name, "a name that is not UTF-8");
  if (strcmp(name, "__metadata__") == 0) return usage(writer, "tensor", name, "a name that the format uses itself");
  if (writer->count == KOHL_SAFETENSORS_COUNT) return usage(writer, "tensor", name, "more than 65536 tensors");
  if (dims < 0 || dims > KOHL_SAFETENSORS_DIMS) return usage(writer, "tensor", name, "not 0 to 8 dimensions");
  for (int i = 0; i < dims; i++) {
    if (shape[i] < 0) return usage(writer, "tensor", name, "a negative dimension");
  }
  if (!kohl_safetensors_bytes(dtype, dims, shape, &bytes) || bytes > INT64_MAX) {
    return usage(writer, "tensor", name, "more bytes than a file can hold");
  }
  kohl_status status = kohl_grow(writer->ctx, &writer->tensors, &writer->capacity, writer->count + 1,
                                 sizeof *writer->tensors, "a list of tensors");
  if (status != KOHL_OK) return status;
  declared *tensor = &writer->tensors[writer->count];
  status = kohl_strdup(writer->ctx, name, &tensor->name);
  if (status != KOHL_OK) return status;
  tensor->dtype = dtype;
  tensor->dims = dims;
  for (int i = 0; i < dims; i++) tensor->shape[i] = shape[i];
  tensor->bytes = bytes;
  tensor->number = writer->count++;
  return KOHL_OK;
}

kohl_status kohl_safetensors_writer_metadata(kohl_safetensors_writer *writer, const char *key, const char *text,
                                             size_t length) {
  if (writer->state != DECLARING) return wrong_moment(writer, "adding metadata");
  if (!is_utf8(key, strlen(key)) || !is_utf8(text, length)) return usage(writer, "metadata", key, "not UTF-8");
  if (strcmp(key, KOHL_SAFETENSORS_CRC_KEY) == 0 || strcmp(key, KOHL_SAFETENSORS_HEADER_CRC_KEY) == 0) {
    return usage(writer, "metadata", key, "a key that the writer uses itself");
  }
  if (writer->metadata_count == KOHL_SAFETENSORS_COUNT - 2) {
    return usage(writer, "metadata", key, "more than 65536 entries");
  }
  kohl_context *ctx = writer->ctx;
  kohl_status status = kohl_grow(ctx, &writer->metadata, &writer->metadata_capacity, writer->metadata_count + 1,
                                 sizeof *writer->metadata, "a list of metadata");
  if (status != KOHL_OK) return status;
  entry added = {NULL, NULL, length};
  status = kohl_strdup(ctx, key, &added.key);
  if (status == KOHL_OK) status = kohl_alloc(ctx, length, 1, "metadata", &added.text);
  if (status != KOHL_OK) {
    kohl_free(ctx, added.key);
    return status;
  }
  if (length) memcpy(added.text, text, length);
  writer->metadata[writer->metadata_count++] = added;
  return KOHL_OK;
}

static kohl_status check_unique(kohl_safetensors_writer *writer, const char *what, const kohl_key *sorted,
                                size_t count) {
  const kohl_key *twice = kohl_keys_duplicate(sorted, count);
  return twice ? usage(writer, what, twice->text, "declared twice") : KOHL_OK;
}

static kohl_status check_names(kohl_safetensors_writer *writer) {
  size_t most = writer->count > writer->metadata_count ? writer->count : writer->metadata_count;
  kohl_key *keys;
  kohl_status status = kohl_alloc(writer->ctx, most, sizeof *keys, "a list of names", &keys);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < writer->count; i++) {
    keys[i] = (kohl_key){writer->tensors[i].name, strlen(writer->tensors[i].name), i};
  }
  kohl_keys_sort(keys, writer->count);
  status = check_unique(writer, "tensor", keys, writer->count);
  for (size_t i = 0; status == KOHL_OK && i < writer->metadata_count; i++) {
    keys[i] = (kohl_key){writer->metadata[i].key, strlen(writer->metadata[i].key), i};
  }
  if (status == KOHL_OK) {
    kohl_keys_sort(keys, writer->metadata_count);
    status = check_unique(writer, "metadata", keys, writer->metadata_count);
  }
  kohl_free(writer->ctx, keys);
  return status;
}

/* Multiples of 64 bytes first, then by element size, so that nothing needs padding, which the format forbids. */
static int compare_places(const void *a, const void *b) {
  const declared *x = a, *y = b;
  bool x_block = x->bytes % 64 == 0, y_block = y->bytes % 64 == 0;
  if (x_block != y_block) return x_block ? -1 : 1;
  size_t x_size = kohl_safetensors_dtype_bytes(x->dtype), y_size = kohl_safetensors_dtype_bytes(y->dtype);
  if (!x_block && x_size != y_size) return x_size > y_size ? -1 : 1;
  return x->number < y->number ? -1 : x->number > y->number;
}

static kohl_status write_metadata(kohl_safetensors_writer *writer, kohl_json_writer *json) {
  char *zeros;
  kohl_status status = kohl_alloc(writer->ctx, 8 * writer->count, 1, "checksums", &zeros);
  if (status != KOHL_OK) return status;
  memset(zeros, '0', 8 * writer->count);
  kohl_json_write_key(json, "__metadata__");
  kohl_json_write_object_begin(json);
  kohl_json_write_key(json, KOHL_SAFETENSORS_CRC_KEY);
  writer->crcs_at = json->length + 1; /* behind the quote */
  kohl_json_write_string_n(json, zeros, 8 * writer->count);
  kohl_json_write_key(json, KOHL_SAFETENSORS_HEADER_CRC_KEY);
  writer->header_crc_at = json->length + 1;
  kohl_json_write_string(json, "00000000");
  for (size_t i = 0; i < writer->metadata_count; i++) {
    kohl_json_write_key(json, writer->metadata[i].key);
    kohl_json_write_string_n(json, writer->metadata[i].text, writer->metadata[i].length);
  }
  kohl_json_write_object_end(json);
  kohl_free(writer->ctx, zeros);
  return json->status;
}

static kohl_status write_header(kohl_safetensors_writer *writer, kohl_json_writer *json) {
  kohl_json_write_object_begin(json);
  kohl_status status = write_metadata(writer, json);
  if (status != KOHL_OK) return status;
  size_t begin = 0;
  for (size_t i = 0; i < writer->count; i++) {
    const declared *tensor = &writer->tensors[i];
    size_t end;
    if (!kohl_add_size(begin, tensor->bytes, &end) || end > INT64_MAX) {
      return usage(writer, "tensor", tensor->name, "more bytes than a file can hold");
    }
    kohl_json_write_key(json, tensor->name);
    kohl_json_write_object_begin(json);
    kohl_json_write_key(json, "dtype");
    kohl_json_write_string(json, kohl_safetensors_dtype_name(tensor->dtype));
    kohl_json_write_key(json, "shape");
    kohl_json_write_array_begin(json);
    for (int k = 0; k < tensor->dims; k++) kohl_json_write_int64(json, tensor->shape[k]);
    kohl_json_write_array_end(json);
    kohl_json_write_key(json, "data_offsets");
    kohl_json_write_array_begin(json);
    kohl_json_write_uint64(json, begin);
    kohl_json_write_uint64(json, end);
    kohl_json_write_array_end(json);
    kohl_json_write_object_end(json);
    begin = end;
  }
  kohl_json_write_object_end(json);
  return kohl_json_write_end(json);
}

/* Copies the JSON and pads it with spaces so that the data begins at a multiple of 64. */
static kohl_status keep_header(kohl_safetensors_writer *writer, const kohl_json_writer *json) {
  size_t length = (json->length + 8 + 63) / 64 * 64 - 8;
  if (length > KOHL_SAFETENSORS_HEADER) {
    return kohl_fail(writer->ctx, KOHL_USAGE, "%s: a header of %zu bytes, expected at most %d", writer->place.path,
                     length, KOHL_SAFETENSORS_HEADER);
  }
  kohl_status status = kohl_alloc(writer->ctx, length, 1, "a header", &writer->header);
  if (status != KOHL_OK) return status;
  memcpy(writer->header, json->text, json->length);
  memset(writer->header + json->length, ' ', length - json->length);
  writer->header_length = length;
  return KOHL_OK;
}

/* Moves on to the next tensor that still needs bytes. */
static void skip_complete(kohl_safetensors_writer *writer) {
  while (writer->current < writer->count && writer->done == writer->tensors[writer->current].bytes) {
    writer->current++;
    writer->done = 0;
  }
}

kohl_status kohl_safetensors_writer_lay(kohl_safetensors_writer *writer) {
  if (writer->state != DECLARING) return wrong_moment(writer, "writing the header");
  writer->state = FAILED; /* until all of this has succeeded */
  kohl_status status = check_names(writer);
  if (status != KOHL_OK) return status;
  kohl_heap_sort(writer->tensors, writer->count, sizeof *writer->tensors, compare_places);
  kohl_json_writer json;
  kohl_json_write_begin(&json, writer->ctx);
  status = write_header(writer, &json);
  if (status == KOHL_OK) status = keep_header(writer, &json);
  kohl_json_write_free(&json);
  if (status == KOHL_OK) status = kohl_place_create(writer->ctx, &writer->place);
  uint64_t n = writer->header_length;
  if (status == KOHL_OK) status = kohl_place_append(writer->ctx, &writer->place, &n, sizeof n);
  if (status == KOHL_OK) status = kohl_place_append(writer->ctx, &writer->place, writer->header, (size_t)n);
  if (status != KOHL_OK) return status;
  writer->state = WRITING;
  skip_complete(writer);
  return KOHL_OK;
}

size_t kohl_safetensors_writer_order(const kohl_safetensors_writer *writer, size_t i) {
  return writer->tensors[i].number;
}

kohl_status kohl_safetensors_write(kohl_safetensors_writer *writer, const void *bytes, size_t n) {
  if (writer->state != WRITING) return wrong_moment(writer, "writing data");
  const char *at = bytes;
  while (n > 0) {
    if (writer->current == writer->count) {
      writer->state = FAILED;
      return kohl_fail(writer->ctx, KOHL_USAGE, "%s: %zu bytes of data too many", writer->place.path, n);
    }
    declared *tensor = &writer->tensors[writer->current];
    size_t left = tensor->bytes - writer->done, part = n < left ? n : left;
    kohl_status status = kohl_place_append(writer->ctx, &writer->place, at, part);
    if (status != KOHL_OK) {
      writer->state = FAILED;
      return status;
    }
    tensor->crc = kohl_crc32c(tensor->crc, at, part);
    writer->done += part;
    at += part;
    n -= part;
    skip_complete(writer);
  }
  return KOHL_OK;
}

static void put_digits(char *at, uint32_t crc) {
  for (int i = 0; i < 8; i++) at[i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 15];
}

/* Fills the checksums in.  The header's own is taken while both fields are still zeros. */
static kohl_status patch_checksums(kohl_safetensors_writer *writer) {
  size_t length = 8 * writer->count;
  uint32_t crc = kohl_crc32c(0, writer->header, writer->header_length);
  for (size_t i = 0; i < writer->count; i++)
    put_digits(writer->header + writer->crcs_at + 8 * i, writer->tensors[i].crc);
  put_digits(writer->header + writer->header_crc_at, crc);
  const char *header = writer->header;
  kohl_status status =
      kohl_place_patch(writer->ctx, &writer->place, 8 + writer->crcs_at, header + writer->crcs_at, length);
  if (status != KOHL_OK) return status;
  return kohl_place_patch(writer->ctx, &writer->place, 8 + writer->header_crc_at, header + writer->header_crc_at, 8);
}

kohl_status kohl_safetensors_writer_finish(kohl_safetensors_writer *writer) {
  kohl_status status = KOHL_OK;
  if (writer->state != WRITING) {
    status = wrong_moment(writer, "finishing");
  } else if (writer->current < writer->count) {
    const declared *tensor = &writer->tensors[writer->current];
    status = kohl_fail(writer->ctx, KOHL_USAGE, "%s: tensor '%s': %zu bytes written, expected %zu", writer->place.path,
                       kohl_quote(tensor->name, strlen(tensor->name)).text, writer->done, tensor->bytes);
  }
  if (status == KOHL_OK) status = patch_checksums(writer);
  if (status == KOHL_OK) status = kohl_place_commit(writer->ctx, &writer->place);
  kohl_safetensors_writer_abandon(writer); /* frees; the temporary file is gone by now if all went well */
  return status;
}
