/* TensorProto: dims 1, data_type 2, segment 3, float_data 4, int32_data 5, int64_data 7, name 8, raw_data 9,
 * double_data 10, external_data 13, data_location 14.  See tensor.h. */
#include "convert/onnx/tensor.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/source.h"
#include "nn/json.h"

enum { LOCATION = 255 /* bytes of a file's name */ };

#define QUOTE(bytes_) kohl_quote((const char *)(bytes_).at, (bytes_).length).text

static const struct {
  kohl_onnx_type type;
  bool weights;
  kohl_safetensors_dtype dtype;
  uint32_t list; /* the field that has its numbers where raw_data has not */
} types[] = {{KOHL_ONNX_FLOAT, true, KOHL_SAFETENSORS_F32, 4},   {KOHL_ONNX_INT32, false, KOHL_SAFETENSORS_I32, 5},
             {KOHL_ONNX_INT64, false, KOHL_SAFETENSORS_I64, 7},  {KOHL_ONNX_FLOAT16, true, KOHL_SAFETENSORS_F16, 5},
             {KOHL_ONNX_DOUBLE, true, KOHL_SAFETENSORS_F64, 10}, {KOHL_ONNX_BFLOAT16, true, KOHL_SAFETENSORS_BF16, 5}};

static int find_type(const kohl_onnx_tensor *tensor) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (tensor->type == types[i].type) return (int)i;
  return -1;
}

bool kohl_onnx_tensor_dtype(const kohl_onnx_tensor *tensor, kohl_safetensors_dtype *dtype) {
  int type = find_type(tensor);
  if (type < 0 || !types[type].weights) return false;
  *dtype = types[type].dtype;
  return true;
}

static kohl_status refuse(kohl_context *ctx, const kohl_onnx_tensor *tensor, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': %s", QUOTE(tensor->name), what);
}

/* One dimension, or a packed list of them. */
static kohl_status add_dims(kohl_context *ctx, kohl_onnx_tensor *tensor, const kohl_proto *field) {
  kohl_proto_bytes packed = field->bytes;
  uint64_t number = field->number;
  bool damaged = false, one = field->wire == KOHL_PROTO_VARINT;
  while (one || kohl_proto_varint(&packed, &number, &damaged)) {
    one = false;
    if (tensor->dims == KOHL_SAFETENSORS_DIMS) return refuse(ctx, tensor, "more than 8 dimensions");
    if (number > INT64_MAX) return refuse(ctx, tensor, "a dimension below 0");
    tensor->shape[tensor->dims++] = (int64_t)number;
  }
  return damaged ? refuse(ctx, tensor, "its shape is cut off") : KOHL_OK;
}

static bool read_decimal(kohl_proto_bytes text, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.length; i++) {
    if (text.at[i] < '0' || text.at[i] > '9' || value > (UINT64_MAX >> 1) / 10 - 1) return false;
    value = value * 10 + (uint64_t)(text.at[i] - '0');
  }
  *out = value;
  return text.length > 0;
}

/* One entry of external_data: key 1, value 2. */
static kohl_status add_external(kohl_context *ctx, kohl_onnx_tensor *tensor, kohl_proto_bytes message) {
  kohl_proto entry = kohl_proto_open(message);
  kohl_proto_bytes key = {0}, value = {0};
  while (kohl_proto_next(&entry)) {
    if (kohl_proto_is(&entry, 1, KOHL_PROTO_BYTES)) key = entry.bytes;
    if (kohl_proto_is(&entry, 2, KOHL_PROTO_BYTES)) value = entry.bytes;
  }
  if (entry.damaged) return refuse(ctx, tensor, "its external data is damaged");
  if (kohl_proto_word(key, "location")) tensor->location = value;
  bool offset = kohl_proto_word(key, "offset");
  if (!offset && !kohl_proto_word(key, "length")) return KOHL_OK;
  if (read_decimal(value, offset ? &tensor->offset : &tensor->length)) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': external %s '%s', expected a number of bytes",
                   QUOTE(tensor->name), offset ? "offset" : "length", QUOTE(value));
}

static size_t count_varints(kohl_proto_bytes packed) {
  uint64_t number;
  bool damaged = false;
  size_t count = 0;
  while (kohl_proto_varint(&packed, &number, &damaged)) count++;
  return damaged ? SIZE_MAX : count;
}

/* Its numbers are as many as its shape says. */
static kohl_status check_data(kohl_context *ctx, kohl_onnx_tensor *tensor, const bool seen[16]) {
  int type = find_type(tensor), lists = 0;
  tensor->count = 1;
  for (int i = 0; i < tensor->dims; i++)
    if (!kohl_mul_size(tensor->count, (size_t)tensor->shape[i], &tensor->count))
      return refuse(ctx, tensor, "its shape has more elements than memory");
  for (int i = 0; i < 16; i++) lists += seen[i];
  if (lists > (tensor->storage != KOHL_ONNX_EXTERNAL)) return refuse(ctx, tensor, "its numbers are there twice");
  if (tensor->storage == KOHL_ONNX_EXTERNAL || type < 0) return KOHL_OK;
  size_t width = kohl_safetensors_dtype_bytes(types[type].dtype), bytes, have;
  if (lists && !seen[9] && !seen[types[type].list])
    return refuse(ctx, tensor, "its numbers are in a field of another type");
  if (!kohl_mul_size(tensor->count, width, &bytes))
    return refuse(ctx, tensor, "its shape has more elements than memory");
  if (lists && !seen[9] && types[type].list != 4 && types[type].list != 10) {
    tensor->storage = KOHL_ONNX_VARINTS;
    have = count_varints(tensor->data);
    bytes = tensor->count;
    width = 1;
  } else {
    tensor->storage = lists ? KOHL_ONNX_RAW : KOHL_ONNX_NOTHING;
    have = tensor->data.length;
  }
  if (have == bytes) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': %zu %s, its shape asks for %zu", QUOTE(tensor->name),
                   have == SIZE_MAX ? 0 : have, width == 1 ? "whole numbers" : "bytes", bytes);
}

static kohl_status add_list(kohl_context *ctx, kohl_onnx_tensor *tensor, const kohl_proto *field, bool seen[16]) {
  if (field->wire != KOHL_PROTO_BYTES) return refuse(ctx, tensor, "its numbers are not packed");
  if (!field->bytes.length) return KOHL_OK; /* nothing, written out */
  if (seen[field->field]) return refuse(ctx, tensor, "its numbers are there twice");
  seen[field->field] = true;
  tensor->data = field->bytes;
  return KOHL_OK;
}

kohl_status kohl_onnx_tensor_decode(kohl_context *ctx, kohl_proto_bytes message, kohl_onnx_tensor *tensor) {
  bool seen[16] = {false};
  kohl_status status = KOHL_OK;
  *tensor = (kohl_onnx_tensor){.length = UINT64_MAX};
  kohl_proto field = kohl_proto_open(message);
  while (kohl_proto_next(&field)) /* first, so that messages can name it */
    if (kohl_proto_is(&field, 8, KOHL_PROTO_BYTES)) tensor->name = field.bytes;
  if (field.damaged) return refuse(ctx, tensor, "its message is damaged");
  field = kohl_proto_open(message);
  while (!status && kohl_proto_next(&field)) {
    switch (field.field) {
      case 1:
        if (field.wire == KOHL_PROTO_VARINT || field.wire == KOHL_PROTO_BYTES) status = add_dims(ctx, tensor, &field);
        break;
      case 2:
        if (field.wire == KOHL_PROTO_VARINT) tensor->type = field.number;
        break;
      case 3: status = refuse(ctx, tensor, "is a segment of a larger one"); break;
      case 4:
      case 5:
      case 7:
      case 9:
      case 10: status = add_list(ctx, tensor, &field, seen); break;
      case 13:
        if (field.wire == KOHL_PROTO_BYTES) status = add_external(ctx, tensor, field.bytes);
        break;
      case 14:
        if (kohl_proto_is(&field, 14, KOHL_PROTO_VARINT) && field.number == 1) tensor->storage = KOHL_ONNX_EXTERNAL;
        break;
      default: break;
    }
  }
  return status ? status : check_data(ctx, tensor, seen);
}

/* The name of a file in the model's folder, and no way out of it. */
static bool plain_name(kohl_proto_bytes name) {
  if (!name.length || name.length > LOCATION || name.at[0] == '.') return false;
  for (size_t i = 0; i < name.length; i++)
    if (name.at[i] == '/' || name.at[i] == '\\' || name.at[i] < 32 || name.at[i] == 127) return false;
  return true;
}

static kohl_status open_file(kohl_context *ctx, kohl_onnx_files *files, kohl_proto_bytes name, kohl_map **out) {
  char *path;
  const char *slash = strrchr(files->path, '/');
  size_t folder = slash ? (size_t)(slash - files->path) + 1 : 0;
  struct stat info;
  if (files->count == KOHL_ONNX_FILES)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "external data in more than %d files", KOHL_ONNX_FILES);
  kohl_status status =
      kohl_grow(ctx, &files->file, &files->capacity, files->count + 1, sizeof *files->file, "the files of a model");
  if (!status) status = kohl_alloc(ctx, folder + name.length + 1, 1, "a file's name", &path);
  if (status) return status;
  memcpy(path, files->path, folder);
  memcpy(path + folder, name.at, name.length);
  if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "external data '%s' is a link, expected a file", QUOTE(name));
  else
    status = kohl_map_open(ctx, path, &files->file[files->count].map);
  kohl_free(ctx, path);
  if (status) return status;
  files->file[files->count].location = name;
  *out = &files->file[files->count++].map;
  return KOHL_OK;
}

void kohl_onnx_files_close(kohl_context *ctx, kohl_onnx_files *files) {
  for (size_t i = 0; i < files->count; i++) kohl_map_close(&files->file[i].map);
  kohl_free(ctx, files->file);
  *files = (kohl_onnx_files){0};
}

kohl_status kohl_onnx_tensor_find(kohl_context *ctx, kohl_onnx_files *files, kohl_onnx_tensor *tensor) {
  kohl_map *map = NULL;
  size_t bytes;
  int type = find_type(tensor);
  kohl_status status = KOHL_OK;
  if (tensor->storage != KOHL_ONNX_EXTERNAL) return KOHL_OK;
  if (!plain_name(tensor->location))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': external data in '%s', expected a file in the model's folder",
                     QUOTE(tensor->name), QUOTE(tensor->location));
  if (type < 0 || !kohl_mul_size(tensor->count, kohl_safetensors_dtype_bytes(types[type].dtype), &bytes))
    return refuse(ctx, tensor, "its external data is of a type that is not read");
  for (size_t i = 0; i < files->count && !map; i++)
    if (files->file[i].location.length == tensor->location.length &&
        memcmp(files->file[i].location.at, tensor->location.at, tensor->location.length) == 0)
      map = &files->file[i].map;
  if (!map) status = open_file(ctx, files, tensor->location, &map);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "tensor '%s'", QUOTE(tensor->name));
  if (status) return status;
  if (tensor->length != UINT64_MAX && tensor->length != bytes)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': external length %llu, its shape asks for %zu",
                     QUOTE(tensor->name), (unsigned long long)tensor->length, bytes);
  if (tensor->offset > map->length || bytes > map->length - tensor->offset)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': %zu bytes from %llu on, '%s' has %zu", QUOTE(tensor->name),
                     bytes, (unsigned long long)tensor->offset, QUOTE(tensor->location), map->length);
  tensor->data = (kohl_proto_bytes){bytes ? map->bytes + tensor->offset : NULL, bytes};
  tensor->storage = bytes ? KOHL_ONNX_RAW : KOHL_ONNX_NOTHING;
  return KOHL_OK;
}

static int64_t little_endian(const uint8_t *at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; i++) value |= (uint64_t)at[i] << 8 * i;
  return width == 4 ? (int64_t)(int32_t)(uint32_t)value : (int64_t)value;
}

bool kohl_onnx_tensor_ints(const kohl_onnx_tensor *tensor, int most, int64_t *out) {
  kohl_proto_bytes rest = tensor->data;
  uint64_t number;
  bool damaged = false;
  size_t width = tensor->type == KOHL_ONNX_INT32 ? 4 : 8;
  if ((tensor->type != KOHL_ONNX_INT64 && tensor->type != KOHL_ONNX_INT32) || tensor->count > (size_t)most ||
      tensor->storage == KOHL_ONNX_EXTERNAL)
    return false;
  for (size_t i = 0; i < tensor->count; i++) {
    if (tensor->storage == KOHL_ONNX_VARINTS)
      out[i] = kohl_proto_varint(&rest, &number, &damaged) ? (int64_t)number : 0;
    else
      out[i] = little_endian(tensor->data.at + i * width, width);
  }
  return true;
}

/* Bits of halves that are written as whole numbers. */
static kohl_status read_varints(kohl_context *ctx, const char *path, kohl_tensor_info *info,
                                const kohl_onnx_tensor *tensor, kohl_onnx_cursor *cursor, size_t first, size_t count,
                                float *out) {
  uint16_t bits[512];
  uint64_t number;
  bool damaged = false;
  kohl_status status = KOHL_OK;
  if (cursor->tensor != tensor || cursor->at > first) *cursor = (kohl_onnx_cursor){tensor, 0, tensor->data};
  while (cursor->at < first && kohl_proto_varint(&cursor->rest, &number, &damaged)) cursor->at++;
  for (size_t done = 0; done < count && !status;) {
    size_t n = count - done < 512 ? count - done : 512;
    for (size_t i = 0; i < n; i++, cursor->at++) {
      if (!kohl_proto_varint(&cursor->rest, &number, &damaged) || number > UINT16_MAX)
        return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %llu, expected 16 bits", path,
                         QUOTE(tensor->name), cursor->at, (unsigned long long)number);
      ((uint8_t *)&bits[i])[0] = (uint8_t)number;
      ((uint8_t *)&bits[i])[1] = (uint8_t)(number >> 8);
    }
    status = kohl_source_values(ctx, path, info, bits, n, out + done);
    done += n;
  }
  return status;
}

kohl_status kohl_onnx_tensor_read(kohl_context *ctx, const char *path, const kohl_onnx_tensor *tensor,
                                  kohl_onnx_cursor *cursor, size_t first, size_t count, float *out) {
  char name[KOHL_SAFETENSORS_NAME + 1];
  snprintf(name, sizeof name, "%s", QUOTE(tensor->name));
  kohl_tensor_info info = {.name = name};
  if (!count) return KOHL_OK;
  if (!kohl_onnx_tensor_dtype(tensor, &info.dtype) || first > tensor->count || count > tensor->count - first)
    return kohl_fail(ctx, KOHL_USAGE, "%s: tensor '%s': %zu values from %zu on, it has %zu", path, name, count, first,
                     tensor->count);
  if (tensor->storage == KOHL_ONNX_VARINTS) return read_varints(ctx, path, &info, tensor, cursor, first, count, out);
  size_t width = kohl_safetensors_dtype_bytes(info.dtype);
  const uint8_t *bytes = tensor->data.at + first * width;
  kohl_status status = kohl_source_values(ctx, path, &info, bytes, count, out);
  kohl_map_forget(&(kohl_map){tensor->data.at, tensor->data.length}, bytes, count * width);
  return status;
}
