/* The index of a bundle and its shards; see bundle.h. */
#include "convert/tensorflow/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/json.h"

enum { MOST_SHARDS = 1 << 16, EXAMPLES = 3 };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static const char object[] = "/.ATTRIBUTES/VARIABLE_VALUE", ending[] = ".index";

static kohl_status read_header(kohl_context *ctx, kohl_tensorflow *file) {
  kohl_proto header = kohl_proto_open(file->table.value);
  uint64_t shards = 0, endianness = 0;
  kohl_status status = KOHL_OK;
  while (!status && kohl_proto_next(&header)) {
    if (kohl_proto_is(&header, 1, KOHL_PROTO_VARINT)) shards = header.number;
    if (kohl_proto_is(&header, 2, KOHL_PROTO_VARINT)) endianness = header.number;
    if (kohl_proto_is(&header, 3, KOHL_PROTO_BYTES)) status = kohl_tensorflow_version(ctx, file, header.bytes);
  }
  if (status) return status;
  if (header.damaged) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the header of the index is damaged", file->path);
  if (endianness != 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: endianness %" PRIu64 ", expected 0: numbers of big-endian machines are not read", file->path,
                     endianness);
  if (shards < 1 || shards > MOST_SHARDS)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %" PRIu64 " shards, expected 1 to %d", file->path, shards, MOST_SHARDS);
  status = kohl_alloc(ctx, (size_t)shards, sizeof *file->shards, "the shards", (void *)&file->shards);
  if (!status) file->shard_count = (size_t)shards;
  return status;
}

/* A part of a tensor: its key is a zero, the tensor's name, and where the part lies in it. */
static kohl_status refuse_pieces(kohl_context *ctx, const kohl_tensorflow *file, kohl_proto_bytes name) {
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: tensor '%s' is stored in pieces (a partitioned variable), expected whole tensors", file->path,
                   kohl_quote((const char *)name.at, name.length).text);
}

static kohl_status read_entry(kohl_context *ctx, kohl_tensorflow *file) {
  kohl_proto_bytes key = file->table.key, shape = {0};
  kohl_tensorflow_record *record;
  if (key.length > 1 && key.at[0] == 0) {
    const uint8_t *end = memchr(key.at + 1, 0, key.length - 1);
    return refuse_pieces(ctx, file, (kohl_proto_bytes){key.at + 1, end ? (size_t)(end - key.at) - 1 : key.length - 1});
  }
  kohl_status status = kohl_tensorflow_add(ctx, file, key, &record);
  if (status) return status;
  kohl_proto entry = kohl_proto_open(file->table.value);
  uint64_t type = 0;
  while (kohl_proto_next(&entry)) {
    if (kohl_proto_is(&entry, 1, KOHL_PROTO_VARINT)) type = entry.number;
    if (kohl_proto_is(&entry, 2, KOHL_PROTO_BYTES)) shape = entry.bytes;
    if (kohl_proto_is(&entry, 3, KOHL_PROTO_VARINT)) record->shard = entry.number;
    if (kohl_proto_is(&entry, 4, KOHL_PROTO_VARINT)) record->offset = entry.number;
    if (kohl_proto_is(&entry, 5, KOHL_PROTO_VARINT)) record->size = entry.number;
    if (kohl_proto_is(&entry, 6, KOHL_PROTO_FIXED32)) record->crc = (uint32_t)entry.number;
    if (kohl_proto_is(&entry, 7, KOHL_PROTO_BYTES)) return refuse_pieces(ctx, file, key);
  }
  if (entry.damaged)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': its entry is damaged", file->path,
                     QUOTE(record->info.name));
  status = kohl_tensorflow_type(ctx, file, type, record);
  return status ? status : kohl_tensorflow_shape(ctx, file, shape, record);
}

/* Checkpoints of tf.train.Checkpoint and Keras: their keys are paths through objects. */
static kohl_status refuse_objects(kohl_context *ctx, const kohl_tensorflow *file) {
  char text[EXAMPLES * (sizeof(kohl_quoted) + 4)] = "";
  size_t found = 0, length = 0;
  for (size_t i = 0; i < file->count; i++) {
    const char *name = file->records[i].info.name;
    size_t n = strlen(name), tail = sizeof object - 1;
    if (n < tail || strcmp(name + n - tail, object) != 0) continue;
    if (found++ < EXAMPLES)
      length += (size_t)snprintf(text + length, sizeof text - length, "%s'%s'", length ? ", " : "",
                                 kohl_quote(name, n - tail).text);
  }
  if (!found) return KOHL_OK;
  return kohl_fail(
      ctx, KOHL_BAD_INPUT,
      "%s: is a checkpoint of TensorFlow 2's objects, %zu variables with keys such as %s that say no layer; "
      "expected variables saved by name: load it in Keras and write it with model.save('FILE.h5') or "
      "model.save('FILE.keras')",
      file->path, found, text);
}

/* Opens shard `index` unless it is open. */
static kohl_status open_shard(kohl_context *ctx, kohl_tensorflow *file, size_t index) {
  static const char form[] = "%.*s.data-%05zu-of-%05zu";
  size_t length = strlen(file->path), tail = sizeof ending - 1;
  if (file->shards[index].bytes) return KOHL_OK;
  if (length <= tail || strcmp(file->path + length - tail, ending) != 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: is the index of a TensorFlow checkpoint, expected its name to end in .index and the files "
                     ".data-00000-of-%05zu and so on to lie beside it",
                     file->path, file->shard_count);
  char *path;
  kohl_status status = kohl_alloc(ctx, length + 64, 1, "the name of a shard", &path);
  if (status) return status;
  snprintf(path, length + 64, form, (int)(length - tail), file->path, index, file->shard_count);
  status = kohl_map_open(ctx, path, &file->shards[index]);
  if (status) kohl_fail_prefix(ctx, "%s: a file that it needs", file->path);
  kohl_free(ctx, path);
  return status;
}

static kohl_status find_values(kohl_context *ctx, kohl_tensorflow *file, kohl_tensorflow_record *record) {
  const char *name = record->info.name;
  if (record->shard >= file->shard_count)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': shard %" PRIu64 ", expected less than %zu", file->path,
                     QUOTE(name), record->shard, file->shard_count);
  if (record->size != record->info.bytes)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': %" PRIu64 " bytes, expected %zu by its shape", file->path,
                     QUOTE(name), record->size, record->info.bytes);
  kohl_status status = open_shard(ctx, file, (size_t)record->shard);
  if (status) return status;
  const kohl_map *shard = &file->shards[record->shard];
  if (record->offset > shard->length || record->size > shard->length - record->offset)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: tensor '%s': %" PRIu64 " bytes at byte %" PRIu64 " of shard %" PRIu64
                     ", expected to lie in its %zu bytes",
                     file->path, QUOTE(name), record->size, record->offset, record->shard, shard->length);
  record->map = shard;
  record->found = true;
  if (record->size) record->values = (kohl_proto_bytes){shard->bytes + record->offset, (size_t)record->size};
  return KOHL_OK;
}

/* Order of the bytes in the shards. */
static int by_place(const void *a, const void *b) {
  const kohl_tensorflow_record *x = *(kohl_tensorflow_record *const *)a, *y = *(kohl_tensorflow_record *const *)b;
  if (x->shard != y->shard) return x->shard < y->shard ? -1 : 1;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return (x->size > y->size) - (x->size < y->size);
}

/* No two tensors have a byte in common. */
static kohl_status check_overlaps(kohl_context *ctx, const kohl_tensorflow *file) {
  const kohl_tensorflow_record **order = NULL;
  kohl_status status = kohl_alloc(ctx, file->count, sizeof *order, "the order of the tensors", (void *)&order);
  if (status) return status;
  size_t count = 0;
  for (size_t i = 0; i < file->count; i++)
    if (file->records[i].found) order[count++] = &file->records[i];
  if (count) qsort(order, count, sizeof *order, by_place);
  for (size_t i = 1; i < count && !status; i++) {
    const kohl_tensorflow_record *a = order[i - 1], *b = order[i];
    if (a->shard != b->shard || a->offset + a->size <= b->offset) continue;
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensors '%s' and '%s' overlap at byte %" PRIu64 " of shard %" PRIu64,
                       file->path, QUOTE(a->info.name), QUOTE(b->info.name), b->offset, b->shard);
  }
  kohl_free(ctx, order);
  return status;
}

kohl_status kohl_bundle_read(kohl_context *ctx, kohl_tensorflow *file) {
  bool more;
  kohl_status status = read_header(ctx, file);
  if (!status) status = kohl_sstable_next(ctx, &file->table, &more);
  while (!status && more) {
    status = read_entry(ctx, file);
    if (!status) status = kohl_sstable_next(ctx, &file->table, &more);
  }
  if (!status) status = refuse_objects(ctx, file);
  for (size_t i = 0; i < file->count && !status; i++)
    if (file->records[i].listed) status = find_values(ctx, file, &file->records[i]);
  return status ? status : check_overlaps(ctx, file);
}
