/* Constant tensors of an ONNX model: its TensorProto messages, with their numbers in the model or in a file beside it.
 * (Format: github.com/onnx/onnx, onnx.proto and docs/ExternalData.md.) */
#ifndef KOHL_CONVERT_ONNX_TENSOR_H
#define KOHL_CONVERT_ONNX_TENSOR_H

#include "convert/container/map.h"
#include "convert/container/protobuf.h"
#include "nn/safetensors.h"

/* TensorProto.DataType, those that are read. */
typedef enum kohl_onnx_type {
  KOHL_ONNX_FLOAT = 1,
  KOHL_ONNX_INT32 = 6,
  KOHL_ONNX_INT64 = 7,
  KOHL_ONNX_FLOAT16 = 10,
  KOHL_ONNX_DOUBLE = 11,
  KOHL_ONNX_BFLOAT16 = 16
} kohl_onnx_type;

typedef enum kohl_onnx_storage {
  KOHL_ONNX_NOTHING, /* no numbers at all */
  KOHL_ONNX_RAW,     /* little-endian elements: raw_data, float_data, double_data */
  KOHL_ONNX_VARINTS, /* int32_data and int64_data; of FLOAT16 and BFLOAT16 their bits */
  KOHL_ONNX_EXTERNAL /* a file beside the model */
} kohl_onnx_storage;

typedef struct kohl_onnx_tensor {
  kohl_proto_bytes name;
  uint64_t type; /* any number */
  int dims;
  int64_t shape[KOHL_SAFETENSORS_DIMS];
  size_t count; /* of elements, the product of shape */
  kohl_onnx_storage storage;
  kohl_proto_bytes data; /* RAW, VARINTS */
  kohl_proto_bytes location;
  uint64_t offset, length; /* EXTERNAL; length UINT64_MAX: not said */
} kohl_onnx_tensor;

/* Decodes a message.  KOHL_BAD_INPUT names the tensor and what is wrong: shapes that overflow, lists of another length
 * than the shape says.  Of a type that is not read, or an external file, only the form is looked at. */
kohl_status kohl_onnx_tensor_decode(kohl_context *ctx, kohl_proto_bytes message, kohl_onnx_tensor *tensor);

/* The dtype of weights, for the float types; false for another. */
bool kohl_onnx_tensor_dtype(const kohl_onnx_tensor *tensor, kohl_safetensors_dtype *dtype);

/* Files with external data, mapped when first asked for. */
enum { KOHL_ONNX_FILES = 1024 };
typedef struct kohl_onnx_file {
  kohl_proto_bytes location;
  kohl_map map;
} kohl_onnx_file;
typedef struct kohl_onnx_files {
  const char *path; /* the model's: they lie in its folder */
  kohl_onnx_file *file;
  size_t count, capacity;
} kohl_onnx_files;
void kohl_onnx_files_close(kohl_context *ctx, kohl_onnx_files *files);

/* Turns an EXTERNAL tensor into a RAW one, the file being mapped until kohl_onnx_files_close.  KOHL_BAD_INPUT: a
 * location that is no plain name of a file in the folder (folders, links), an offset or length that is not in it. */
kohl_status kohl_onnx_tensor_find(kohl_context *ctx, kohl_onnx_files *files, kohl_onnx_tensor *tensor);

/* At most `most` whole numbers of a tensor of INT64 or INT32, which is not EXTERNAL; false: another type, more of
 * them. */
bool kohl_onnx_tensor_ints(const kohl_onnx_tensor *tensor, int most, int64_t *out);

/* How far a tensor of VARINTS was read: reading on from there takes no second look at what comes before. */
typedef struct kohl_onnx_cursor {
  const kohl_onnx_tensor *tensor;
  size_t at;
  kohl_proto_bytes rest;
} kohl_onnx_cursor;

/* Values of a tensor of a float type that is not EXTERNAL, as f32 (convert/source.h says how). */
kohl_status kohl_onnx_tensor_read(kohl_context *ctx, const char *path, const kohl_onnx_tensor *tensor,
                                  kohl_onnx_cursor *cursor, size_t first, size_t count, float *out);

#endif
