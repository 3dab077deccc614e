/* The list of tensors and their numbers; see slices.h. */
#include "convert/tensorflow/slices.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nn/json.h"

enum { CONTENT = 4 /* TensorProto.tensor_content */ };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static kohl_status damaged(kohl_context *ctx, const kohl_tensorflow *file, const char *name, const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': %s is damaged", file->path, QUOTE(name), what);
}

static kohl_status refuse_piece(kohl_context *ctx, const kohl_tensorflow *file, const char *name) {
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: tensor '%s' is stored in pieces (a partitioned variable), expected whole tensors", file->path,
                   QUOTE(name));
}

/* A TensorSliceProto says for each dimension where it begins and how long it is; without a length it is all of it. */
static kohl_status check_whole(kohl_context *ctx, const kohl_tensorflow *file, const kohl_tensor_info *info,
                               kohl_proto_bytes bytes) {
  kohl_proto slice = kohl_proto_open(bytes);
  int dims = 0;
  while (kohl_proto_next(&slice)) {
    if (!kohl_proto_is(&slice, 1, KOHL_PROTO_BYTES)) continue;
    kohl_proto extent = kohl_proto_open(slice.bytes);
    bool whole = true;
    while (kohl_proto_next(&extent)) {
      if (kohl_proto_is(&extent, 1, KOHL_PROTO_VARINT)) whole &= extent.number == 0;
      if (kohl_proto_is(&extent, 2, KOHL_PROTO_VARINT))
        whole &= dims < info->dims && extent.number == (uint64_t)info->shape[dims];
    }
    if (extent.damaged) return damaged(ctx, file, info->name, "a slice");
    if (!whole) return refuse_piece(ctx, file, info->name);
    if (dims < info->dims) dims++;
  }
  return slice.damaged ? damaged(ctx, file, info->name, "a slice") : KOHL_OK;
}

/* SavedSliceMeta: a tensor of the list. */
static kohl_status read_listed(kohl_context *ctx, kohl_tensorflow *file, kohl_proto_bytes bytes) {
  kohl_proto meta = kohl_proto_open(bytes);
  kohl_proto_bytes name = {0}, shape = {0}, slice = {0};
  uint64_t type = 0;
  size_t slices = 0;
  while (kohl_proto_next(&meta)) {
    if (kohl_proto_is(&meta, 1, KOHL_PROTO_BYTES)) name = meta.bytes;
    if (kohl_proto_is(&meta, 2, KOHL_PROTO_BYTES)) shape = meta.bytes;
    if (kohl_proto_is(&meta, 3, KOHL_PROTO_VARINT)) type = meta.number;
    if (!kohl_proto_is(&meta, 4, KOHL_PROTO_BYTES)) continue;
    slice = meta.bytes;
    slices++;
  }
  if (meta.damaged)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor %zu of the list is damaged", file->path, file->count);
  kohl_tensorflow_record *record;
  kohl_status status = kohl_tensorflow_add(ctx, file, name, &record);
  if (!status) status = kohl_tensorflow_type(ctx, file, type, record);
  if (!status) status = kohl_tensorflow_shape(ctx, file, shape, record);
  if (status) return status;
  return slices > 1 ? refuse_piece(ctx, file, record->info.name) : check_whole(ctx, file, &record->info, slice);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const kohl_tensorflow_record *)a)->info.name, ((const kohl_tensorflow_record *)b)->info.name);
}

/* SavedTensorSliceMeta: the list, sorted here. */
static kohl_status read_list(kohl_context *ctx, kohl_tensorflow *file, kohl_proto_bytes bytes) {
  kohl_proto list = kohl_proto_open(bytes);
  kohl_status status = KOHL_OK;
  while (!status && kohl_proto_next(&list)) {
    if (kohl_proto_is(&list, 1, KOHL_PROTO_BYTES)) status = read_listed(ctx, file, list.bytes);
    if (kohl_proto_is(&list, 2, KOHL_PROTO_BYTES)) status = kohl_tensorflow_version(ctx, file, list.bytes);
  }
  if (status) return status;
  if (list.damaged) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the list of tensors is damaged", file->path);
  if (file->count) qsort(file->records, file->count, sizeof *file->records, by_name);
  for (size_t i = 1; i < file->count; i++)
    if (by_name(&file->records[i - 1], &file->records[i]) == 0)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is listed twice", file->path,
                       QUOTE(file->records[i].info.name));
  return KOHL_OK;
}

/* The field of a message that stands alone in the value of an entry: SavedTensorSlices.meta or .data. */
static kohl_status read_part(kohl_context *ctx, const kohl_tensorflow *file, uint32_t field, const char *what,
                             kohl_proto_bytes *part) {
  kohl_proto value = kohl_proto_open(file->table.value);
  size_t found = 0;
  while (kohl_proto_next(&value)) {
    if (!kohl_proto_is(&value, field, KOHL_PROTO_BYTES)) continue;
    *part = value.bytes;
    found++;
  }
  if (!value.damaged && found == 1) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the entry of key '%s' %s, expected %s", file->path,
                   kohl_quote((const char *)file->table.key.at, file->table.key.length).text,
                   value.damaged ? "is damaged"
                   : found       ? "has several parts"
                                 : "has no such part",
                   what);
}

/* The field of TensorProto that holds a dtype, and its width: 0 for varints. */
static uint32_t field_of(kohl_safetensors_dtype dtype, size_t *width) {
  *width = 0;
  switch (dtype) {
    case KOHL_SAFETENSORS_F32: *width = 4; return 5;
    case KOHL_SAFETENSORS_F64: *width = 8; return 6;
    case KOHL_SAFETENSORS_I64: return 10;
    case KOHL_SAFETENSORS_BOOL: return 11;
    case KOHL_SAFETENSORS_F16:
    case KOHL_SAFETENSORS_BF16: return 13;
    case KOHL_SAFETENSORS_U32: return 16;
    case KOHL_SAFETENSORS_U64: return 17;
    default: return 7;
  }
}

/* The numbers' bytes: all of them in one field, or a run of fields with one number each. */
typedef struct payload {
  kohl_proto_bytes bytes;
  kohl_tensorflow_form form;
  size_t fields;
  bool pieces; /* it is neither */
} payload;

/* Takes the field where the message stands, whose tag began at `tag`. */
static void take_numbers(payload *p, const kohl_proto *tensor, const uint8_t *tag, size_t width) {
  bool single = tensor->wire == (width == 4 ? KOHL_PROTO_FIXED32 : KOHL_PROTO_FIXED64);
  size_t length = (size_t)(tensor->rest.at - tag);
  p->fields++;
  if (tensor->wire == KOHL_PROTO_BYTES) {
    p->pieces |= p->fields > 1;
    p->bytes = tensor->bytes;
    p->form = width ? KOHL_TENSORFLOW_RAW : KOHL_TENSORFLOW_VARINT;
  } else if (!width || !single || length != width + 1) {
    p->pieces = true;
  } else if (p->fields == 1) {
    p->bytes = (kohl_proto_bytes){tag, length};
    p->form = KOHL_TENSORFLOW_TAGGED;
  } else {
    p->pieces |= p->form != KOHL_TENSORFLOW_TAGGED || tag != p->bytes.at + p->bytes.length;
    p->bytes.length += length;
  }
}

static kohl_status wrong_count(kohl_context *ctx, const kohl_tensorflow *file, const kohl_tensor_info *info,
                               size_t found, size_t expected, const char *unit) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': %zu %s, expected %zu by its shape", file->path,
                   QUOTE(info->name), found, unit, expected);
}

/* As many numbers as the shape says, and all of them of the dtype. */
static kohl_status check_numbers(kohl_context *ctx, const kohl_tensorflow *file, const kohl_tensor_info *info,
                                 const payload *p) {
  size_t width = kohl_safetensors_dtype_bytes(info->dtype), expected = info->bytes / width, count = 0;
  if (p->form == KOHL_TENSORFLOW_RAW)
    return p->bytes.length == info->bytes ? KOHL_OK
                                          : wrong_count(ctx, file, info, p->bytes.length, info->bytes, "bytes");
  if (p->form == KOHL_TENSORFLOW_TAGGED) {
    count = p->bytes.length / (width + 1);
    return count == expected ? KOHL_OK : wrong_count(ctx, file, info, count, expected, "numbers");
  }
  kohl_proto_bytes rest = p->bytes;
  uint64_t number, bits;
  bool broken = false;
  for (; kohl_proto_varint(&rest, &number, &broken); count++)
    if (!kohl_tensorflow_bits(info->dtype, number, &bits))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': number %zu is %" PRId64 ", expected one of %s",
                       file->path, QUOTE(info->name), count, (int64_t)number, kohl_safetensors_dtype_name(info->dtype));
  if (broken) return damaged(ctx, file, info->name, "a number");
  return count == expected ? KOHL_OK : wrong_count(ctx, file, info, count, expected, "numbers");
}

/* TensorProto.  The writer sets neither type nor shape in it; a type that is there must be the list's. */
static kohl_status read_tensor(kohl_context *ctx, const kohl_tensorflow *file, kohl_tensorflow_record *record,
                               kohl_proto_bytes bytes) {
  kohl_proto tensor = kohl_proto_open(bytes);
  kohl_tensor_info *info = &record->info;
  kohl_tensorflow_record stated = {.info.name = info->name};
  payload p = {.form = KOHL_TENSORFLOW_RAW};
  size_t width;
  uint32_t field = field_of(info->dtype, &width);
  uint64_t type = 0;
  for (const uint8_t *tag = tensor.rest.at; kohl_proto_next(&tensor); tag = tensor.rest.at) {
    if (kohl_proto_is(&tensor, 1, KOHL_PROTO_VARINT)) type = tensor.number;
    if (tensor.field == field) take_numbers(&p, &tensor, tag, width);
    if (kohl_proto_is(&tensor, CONTENT, KOHL_PROTO_BYTES) && tensor.bytes.length) {
      p.pieces |= p.fields++ > 0;
      p.bytes = tensor.bytes;
      p.form = KOHL_TENSORFLOW_RAW;
    }
  }
  if (tensor.damaged) return damaged(ctx, file, info->name, "its value");
  kohl_status status = type ? kohl_tensorflow_type(ctx, file, type, &stated) : KOHL_OK;
  if (status) return status;
  if (type && (!stated.listed || stated.info.dtype != info->dtype))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': type %" PRIu64 " of its value, expected the list's",
                     file->path, QUOTE(info->name), type);
  if (p.pieces)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': its numbers are in several fields, expected one",
                     file->path, QUOTE(info->name));
  record->values = p.bytes;
  record->map = &file->map;
  record->checked = true;
  record->form = p.form;
  return check_numbers(ctx, file, info, &p);
}

/* SavedSlice: the numbers of one tensor of the list. */
static kohl_status read_slice(kohl_context *ctx, kohl_tensorflow *file) {
  kohl_proto_bytes part = {0}, name = {0}, where = {0}, value = {0};
  char text[KOHL_SAFETENSORS_NAME + 1];
  kohl_status status = read_part(ctx, file, 2, "the numbers of one tensor", &part);
  if (status) return status;
  kohl_proto slice = kohl_proto_open(part);
  while (kohl_proto_next(&slice)) {
    if (kohl_proto_is(&slice, 1, KOHL_PROTO_BYTES)) name = slice.bytes;
    if (kohl_proto_is(&slice, 2, KOHL_PROTO_BYTES)) where = slice.bytes;
    if (kohl_proto_is(&slice, 3, KOHL_PROTO_BYTES)) value = slice.bytes;
  }
  kohl_quoted quoted = kohl_quote((const char *)name.at, name.length);
  if (slice.damaged) return damaged(ctx, file, quoted.text, "its entry");
  size_t length = name.length < sizeof text ? name.length : 0; /* none of the list has no name */
  if (length) memcpy(text, name.at, length);
  text[length] = 0;
  kohl_tensorflow_record key = {.info.name = text}, *record = NULL;
  if (file->count) record = bsearch(&key, file->records, file->count, sizeof key, by_name);
  if (!record || strlen(text) != name.length)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: numbers of tensor '%s', which is not in the list of tensors", file->path,
                     quoted.text);
  if (record->found)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' has its numbers twice", file->path, quoted.text);
  record->found = true;
  status = check_whole(ctx, file, &record->info, where);
  return status || !record->listed ? status : read_tensor(ctx, file, record, value);
}

kohl_status kohl_slices_read(kohl_context *ctx, kohl_tensorflow *file) {
  kohl_proto_bytes list = {0};
  bool more;
  kohl_status status = read_part(ctx, file, 1, "a list of tensors", &list);
  if (!status) status = read_list(ctx, file, list);
  if (!status) status = kohl_sstable_next(ctx, &file->table, &more);
  while (!status && more) {
    status = read_slice(ctx, file);
    if (!status) status = kohl_sstable_next(ctx, &file->table, &more);
  }
  for (size_t i = 0; i < file->count && !status; i++)
    if (!file->records[i].found)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' of the list has no numbers", file->path,
                         QUOTE(file->records[i].info.name));
  return status;
}
