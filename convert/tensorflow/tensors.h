/* The tensors of a TensorFlow checkpoint, of either version: the list that bundle.c (V2) and slices.c (V1) fill, and
 * the source that it becomes. */
#ifndef KOHL_CONVERT_TENSORFLOW_TENSORS_H
#define KOHL_CONVERT_TENSORFLOW_TENSORS_H

#include "convert/source.h"
#include "convert/tensorflow/sstable.h"

/* How the numbers of a tensor lie in their bytes. */
typedef enum kohl_tensorflow_form {
  KOHL_TENSORFLOW_RAW,    /* one after the other */
  KOHL_TENSORFLOW_TAGGED, /* the same, with a byte before each: a repeated field that is not packed */
  KOHL_TENSORFLOW_VARINT  /* whole numbers, and halves by their bits, as varints */
} kohl_tensorflow_form;

typedef struct kohl_tensorflow_record {
  kohl_tensor_info info; /* its name is the list's */
  bool listed;           /* its type is one that we have */
  bool found;            /* values are known */
  kohl_tensorflow_form form;
  kohl_proto_bytes values;
  const kohl_map *map;          /* whose bytes the values are */
  bool checked;                 /* they have been compared with their CRC, or are under that of their block */
  uint64_t shard, offset, size; /* of a bundle alone, as the file says */
  uint32_t crc;
} kohl_tensorflow_record;

/* An open checkpoint: the state of its source. */
typedef struct kohl_tensorflow {
  const char *path; /* the caller's */
  kohl_map map;     /* of the file at path */
  kohl_sstable table;
  kohl_tensorflow_record *records;
  size_t count, capacity;
  kohl_map *shards; /* V2: the files beside it; those in use are open */
  size_t shard_count;
  kohl_source_tensor *tensors; /* of the records, which are all listed by then */
  /* Where the last read among varints ended: reads go from front to back. */
  size_t varint_record, varint_index;
  kohl_proto_bytes varint_rest;
} kohl_tensorflow;

/* Adds a tensor without shape or type.  KOHL_BAD_INPUT: no name for a tensor, too many of them. */
kohl_status kohl_tensorflow_add(kohl_context *ctx, kohl_tensorflow *file, kohl_proto_bytes name,
                                kohl_tensorflow_record **out);

/* Sets dtype and listed from a DataType; 0 is what a file without the field has.  Texts, handles, complex and quantised
 * numbers are not listed; a number that is no DataType is KOHL_BAD_INPUT. */
kohl_status kohl_tensorflow_type(kohl_context *ctx, const kohl_tensorflow *file, uint64_t number,
                                 kohl_tensorflow_record *record);

/* Sets dims, shape and, where it is listed, bytes from a TensorShapeProto; the type is set. */
kohl_status kohl_tensorflow_shape(kohl_context *ctx, const kohl_tensorflow *file, kohl_proto_bytes shape,
                                  kohl_tensorflow_record *record);

/* KOHL_BAD_INPUT for a VersionDef that asks for a newer reader. */
kohl_status kohl_tensorflow_version(kohl_context *ctx, const kohl_tensorflow *file, kohl_proto_bytes version);

/* Drops what is not listed and makes the source of the rest; file is the source's from here on. */
kohl_status kohl_tensorflow_finish(kohl_context *ctx, kohl_tensorflow *file, kohl_source *source);

/* An element of a varint form as the bits of its dtype; false where it is out of range.  A dtype without such a form
 * has no range. */
bool kohl_tensorflow_bits(kohl_safetensors_dtype dtype, uint64_t number, uint64_t *bits);

/* Frees it; what was not set is zero. */
void kohl_tensorflow_destroy(kohl_context *ctx, kohl_tensorflow *file);

#endif
