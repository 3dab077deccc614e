/* What the parts of the safetensors reader and writer share. */
#ifndef KOHL_NN_SAFETENSORS_FILE_H
#define KOHL_NN_SAFETENSORS_FILE_H

#include "nn/keys.h"
#include "nn/safetensors.h"

#define KOHL_SAFETENSORS_CRC_KEY "kohl_crc32c"
#define KOHL_SAFETENSORS_HEADER_CRC_KEY "kohl_header_crc32c"

typedef struct tensor_entry {
  kohl_tensor_info info;
  size_t begin, end; /* in the data */
  size_t at;         /* of its name in the header, which makes the order total */
} tensor_entry;

struct kohl_safetensors {
  char *name;    /* for error texts */
  void *map;     /* NULL: the bytes are the caller's */
  size_t length; /* of the file */
  const char *header, *data;
  size_t header_length, data_length;
  char *pool; /* header_length bytes: names and texts, each with a zero, which takes a quote's place */
  size_t pool_used;
  tensor_entry *tensors;
  size_t count, capacity;
  kohl_safetensors_text *metadata;
  size_t metadata_count, metadata_capacity;
  kohl_key *names, *metadata_keys; /* sorted */
  const char *crcs, *header_crc;   /* digits in the header, or NULL */
  size_t crcs_length, header_crc_length;
};

/* Reads and checks the header of a file whose header, data and lengths are set, and fills in the rest.  The caller
 * frees what was allocated, on failure too. */
kohl_status kohl_safetensors_parse(kohl_context *ctx, kohl_safetensors *file);

/* False when there is no dtype of this name. */
bool kohl_safetensors_dtype_find(const char *name, size_t length, kohl_safetensors_dtype *out);

/* "F32 [3,64]" for messages. */
typedef struct kohl_shape_text {
  char text[KOHL_SAFETENSORS_DIMS * 21 + 16];
} kohl_shape_text;
kohl_shape_text kohl_safetensors_shape_text(kohl_safetensors_dtype dtype, int dims, const int64_t *shape);

/* *bytes = product of shape * bytes of an element; false when it overflows at any step. */
bool kohl_safetensors_bytes(kohl_safetensors_dtype dtype, int dims, const int64_t *shape, size_t *bytes);

/* CRC32C of a header, its two fields (offset and length) read as '0' digits. */
uint32_t kohl_safetensors_header_crc(const char *header, size_t length, size_t a, size_t a_length, size_t b,
                                     size_t b_length);

#endif
