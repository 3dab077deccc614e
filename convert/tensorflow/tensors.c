/* What both versions of a checkpoint have in common; see tensors.h.  (Numbers of types and fields: TensorFlow's
 * core/framework/{types,tensor_shape,versions}.proto.) */
#include "convert/tensorflow/tensors.h"

#include <inttypes.h>
#include <string.h>

#include "kernels/core/crc32c.h"
#include "nn/json.h"

enum { LAST_TYPE = 32, READER = 1 /* the version of the format that this reader knows */ };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

/* The DataTypes that are ours. */
static const struct {
  int number;
  kohl_safetensors_dtype dtype;
} types[] = {{1, KOHL_SAFETENSORS_F32},  {2, KOHL_SAFETENSORS_F64},   {3, KOHL_SAFETENSORS_I32},
             {4, KOHL_SAFETENSORS_U8},   {5, KOHL_SAFETENSORS_I16},   {6, KOHL_SAFETENSORS_I8},
             {9, KOHL_SAFETENSORS_I64},  {10, KOHL_SAFETENSORS_BOOL}, {14, KOHL_SAFETENSORS_BF16},
             {17, KOHL_SAFETENSORS_U16}, {19, KOHL_SAFETENSORS_F16},  {22, KOHL_SAFETENSORS_U32},
             {23, KOHL_SAFETENSORS_U64}};

kohl_status kohl_tensorflow_add(kohl_context *ctx, kohl_tensorflow *file, kohl_proto_bytes name,
                                kohl_tensorflow_record **out) {
  char text[KOHL_SAFETENSORS_NAME + 1];
  kohl_quoted quoted = kohl_quote((const char *)name.at, name.length);
  if (name.length == 0 || name.length > KOHL_SAFETENSORS_NAME || memchr(name.at, 0, name.length))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': name of %zu bytes, expected 1 to %d without zeros",
                     file->path, quoted.text, name.length, KOHL_SAFETENSORS_NAME);
  if (file->count == KOHL_SAFETENSORS_COUNT)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %d tensors", file->path, KOHL_SAFETENSORS_COUNT);
  kohl_status status =
      kohl_grow(ctx, &file->records, &file->capacity, file->count + 1, sizeof *file->records, "the list of tensors");
  if (status) return status;
  memcpy(text, name.at, name.length);
  text[name.length] = 0;
  kohl_tensorflow_record *record = &file->records[file->count];
  char *copy;
  status = kohl_strdup(ctx, text, &copy);
  if (status) return status;
  *record = (kohl_tensorflow_record){.info.name = copy};
  file->count++;
  *out = record;
  return KOHL_OK;
}

kohl_status kohl_tensorflow_type(kohl_context *ctx, const kohl_tensorflow *file, uint64_t number,
                                 kohl_tensorflow_record *record) {
  record->listed = false;
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (number != (uint64_t)types[i].number) continue;
    record->info.dtype = types[i].dtype;
    record->listed = true;
  }
  if (number >= 1 && number <= LAST_TYPE) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': type %" PRIu64 ", expected 1 to %d", file->path,
                   QUOTE(record->info.name), number, LAST_TYPE);
}

/* A dimension's size; its name is not of interest. */
static bool read_dimension(kohl_proto_bytes message, uint64_t *size) {
  kohl_proto dimension = kohl_proto_open(message);
  *size = 0;
  while (kohl_proto_next(&dimension))
    if (kohl_proto_is(&dimension, 1, KOHL_PROTO_VARINT)) *size = dimension.number;
  return !dimension.damaged;
}

kohl_status kohl_tensorflow_shape(kohl_context *ctx, const kohl_tensorflow *file, kohl_proto_bytes bytes,
                                  kohl_tensorflow_record *record) {
  kohl_proto shape = kohl_proto_open(bytes);
  kohl_tensor_info *info = &record->info;
  bool good = true;
  while (good && kohl_proto_next(&shape)) {
    uint64_t size;
    if (kohl_proto_is(&shape, 3, KOHL_PROTO_VARINT) && shape.number)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' has no shape, expected one", file->path,
                       QUOTE(info->name));
    if (!kohl_proto_is(&shape, 2, KOHL_PROTO_BYTES)) continue;
    good = read_dimension(shape.bytes, &size);
    if (good && info->dims == KOHL_SAFETENSORS_DIMS)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' has more than %d dimensions", file->path,
                       QUOTE(info->name), KOHL_SAFETENSORS_DIMS);
    if (good && size > INT64_MAX)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': dimension %d is %" PRId64 ", expected 0 or more",
                       file->path, QUOTE(info->name), info->dims, (int64_t)size);
    if (good) info->shape[info->dims++] = (int64_t)size;
  }
  if (!good || shape.damaged)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': the shape is damaged", file->path, QUOTE(info->name));
  if (record->listed && !kohl_source_measure(info))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': the shape has more bytes than can be counted", file->path,
                     QUOTE(info->name));
  return KOHL_OK;
}

kohl_status kohl_tensorflow_version(kohl_context *ctx, const kohl_tensorflow *file, kohl_proto_bytes bytes) {
  kohl_proto version = kohl_proto_open(bytes);
  while (kohl_proto_next(&version))
    if (kohl_proto_is(&version, 2, KOHL_PROTO_VARINT) && version.number > READER)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: asks for a reader of version %" PRIu64 ", expected at most %d",
                       file->path, version.number, READER);
  if (version.damaged) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the version is damaged", file->path);
  return KOHL_OK;
}

bool kohl_tensorflow_bits(kohl_safetensors_dtype dtype, uint64_t number, uint64_t *bits) {
  size_t width = 8 * kohl_safetensors_dtype_bytes(dtype);
  uint64_t half = UINT64_C(1) << (width - 1); /* the first that a signed type of this width has not */
  *bits = width == 64 ? number : number & ((half << 1) - 1);
  switch (dtype) {
    case KOHL_SAFETENSORS_BOOL: return number <= 1;
    case KOHL_SAFETENSORS_I64:
    case KOHL_SAFETENSORS_U64: return true;
    case KOHL_SAFETENSORS_I8:
    case KOHL_SAFETENSORS_I16:
    case KOHL_SAFETENSORS_I32: return number + half < 2 * half; /* negative ones wrap around */
    default: return number < 2 * half;
  }
}

/* Before a tensor's first number is given: the bytes are what the file says. */
static kohl_status check_crc(kohl_context *ctx, const kohl_tensorflow *file, kohl_tensorflow_record *record) {
  enum { PART = 8 << 20 };
  uint32_t crc = 0;
  for (size_t at = 0; at < record->values.length; at += PART) {
    size_t left = record->values.length - at, part = left < PART ? left : PART;
    crc = kohl_crc32c(crc, record->values.at + at, part);
    if (part == PART) kohl_map_forget(record->map, record->values.at + at, part);
    kohl_status status = kohl_check_cancel(ctx);
    if (status) return status;
  }
  crc = kohl_sstable_mask(crc);
  if (crc != record->crc)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: tensor '%s' is damaged: bytes %" PRIu64 " to %" PRIu64 " of shard %" PRIu64
                     " have CRC %08x, expected %08x as the file says",
                     file->path, QUOTE(record->info.name), record->offset, record->offset + record->size, record->shard,
                     crc, record->crc);
  record->checked = true;
  return KOHL_OK;
}

/* Puts the bits of one number into bytes of its width, lowest first. */
static void put(uint8_t *at, uint64_t bits, size_t width) {
  for (size_t i = 0; i < width; i++) at[i] = (uint8_t)(bits >> 8 * i);
}

/* The next n numbers of a form that is not raw, as raw bytes.  The file's numbers have been counted and checked. */
static void unpack(kohl_tensorflow *file, const kohl_tensorflow_record *record, size_t first, size_t n, uint8_t *out) {
  size_t width = kohl_safetensors_dtype_bytes(record->info.dtype);
  if (record->form == KOHL_TENSORFLOW_TAGGED) {
    for (size_t i = 0; i < n; i++) memcpy(out + i * width, record->values.at + (first + i) * (width + 1) + 1, width);
    return;
  }
  size_t index = (size_t)(record - file->records);
  if (file->varint_record != index || first < file->varint_index || !file->varint_rest.at) {
    file->varint_record = index;
    file->varint_index = 0;
    file->varint_rest = record->values;
  }
  uint64_t number, bits;
  bool damaged = false;
  while (file->varint_index < first + n && kohl_proto_varint(&file->varint_rest, &number, &damaged)) {
    kohl_tensorflow_bits(record->info.dtype, number, &bits);
    if (file->varint_index >= first) put(out + (file->varint_index - first) * width, bits, width);
    file->varint_index++;
  }
}

static kohl_status read_values(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count,
                               float *out) {
  enum { BUFFER = 4096, WIDEST = 8 };
  uint8_t buffer[BUFFER];
  kohl_tensorflow *file = source->state;
  kohl_tensorflow_record *record = &file->records[index];
  kohl_status status = record->checked ? KOHL_OK : check_crc(ctx, file, record);
  if (status || !count) return status;
  size_t width = kohl_safetensors_dtype_bytes(record->info.dtype);
  if (record->form == KOHL_TENSORFLOW_RAW) {
    const uint8_t *from = record->values.at + first * width;
    status = kohl_source_values(ctx, file->path, &record->info, from, count, out);
    kohl_map_forget(record->map, from, count * width);
    return status;
  }
  for (size_t done = 0; done < count && !status;) {
    size_t n = count - done < BUFFER / WIDEST ? count - done : BUFFER / WIDEST;
    unpack(file, record, first + done, n, buffer);
    status = kohl_source_values(ctx, file->path, &record->info, buffer, n, out + done);
    done += n;
  }
  return status;
}

static void close_source(kohl_context *ctx, kohl_source *source) {
  kohl_tensorflow_destroy(ctx, source->state);
  source->state = NULL;
}

kohl_status kohl_tensorflow_finish(kohl_context *ctx, kohl_tensorflow *file, kohl_source *source) {
  static const kohl_source_calls calls = {.read = read_values, .close = close_source};
  size_t count = 0;
  for (size_t i = 0; i < file->count; i++) {
    if (file->records[i].listed)
      file->records[count++] = file->records[i];
    else
      kohl_free(ctx, (void *)(uintptr_t)file->records[i].info.name);
  }
  file->count = count;
  kohl_status status = kohl_alloc(ctx, count, sizeof *file->tensors, "the list of tensors", (void *)&file->tensors);
  if (status) return status;
  for (size_t i = 0; i < count; i++) file->tensors[i] = (kohl_source_tensor){.info = file->records[i].info, .step = 1};
  source->format = "a TensorFlow checkpoint";
  source->call = &calls;
  source->state = file;
  source->tensors = file->tensors;
  source->count = count;
  return KOHL_OK;
}

void kohl_tensorflow_destroy(kohl_context *ctx, kohl_tensorflow *file) {
  if (!file) return;
  for (size_t i = 0; i < file->count; i++) kohl_free(ctx, (void *)(uintptr_t)file->records[i].info.name);
  for (size_t i = 0; i < file->shard_count; i++) kohl_map_close(&file->shards[i]);
  kohl_free(ctx, file->shards);
  kohl_free(ctx, file->records);
  kohl_free(ctx, file->tensors);
  kohl_map_close(&file->map);
  kohl_free(ctx, file);
}
