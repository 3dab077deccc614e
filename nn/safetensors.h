/* safetensors: named tensors and text in one file, which can be mapped and used in place.
 *
 * Layout: u64 N, little-endian; N bytes of JSON, {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ...,
 * "__metadata__": {string: string}}; then the data to the end of the file, C order, little-endian, without holes or
 * overlaps.  (Format: github.com/huggingface/safetensors, README.)  This project's limits: header 16 MiB, 65,536
 * tensors and as many metadata entries, 8 dimensions, names of 512 bytes.
 *
 * Two metadata entries of our own, both or neither, protect a file against damage (not against forgery):
 *   kohl_crc32c         8 lower-case hexadecimal digits per tensor, in the order of the data: CRC32C of its bytes
 *   kohl_header_crc32c  8 digits: CRC32C of the N header bytes with the digits of both entries replaced by '0' */
#ifndef KOHL_NN_SAFETENSORS_H
#define KOHL_NN_SAFETENSORS_H

#include "kernels/core/alloc.h"

enum {
  KOHL_SAFETENSORS_DIMS = 8,
  KOHL_SAFETENSORS_NAME = 512,
  KOHL_SAFETENSORS_COUNT = 65536,
  KOHL_SAFETENSORS_HEADER = 16 << 20
};

typedef enum kohl_safetensors_dtype {
  KOHL_SAFETENSORS_BOOL,
  KOHL_SAFETENSORS_U8,
  KOHL_SAFETENSORS_I8,
  KOHL_SAFETENSORS_I16,
  KOHL_SAFETENSORS_U16,
  KOHL_SAFETENSORS_F16,
  KOHL_SAFETENSORS_BF16,
  KOHL_SAFETENSORS_I32,
  KOHL_SAFETENSORS_U32,
  KOHL_SAFETENSORS_F32,
  KOHL_SAFETENSORS_F64,
  KOHL_SAFETENSORS_I64,
  KOHL_SAFETENSORS_U64
} kohl_safetensors_dtype;

const char *kohl_safetensors_dtype_name(kohl_safetensors_dtype dtype); /* "F32" */
size_t kohl_safetensors_dtype_bytes(kohl_safetensors_dtype dtype);     /* of one element */

typedef struct kohl_tensor_info {
  const char *name; /* ends with a zero and contains none */
  kohl_safetensors_dtype dtype;
  int dims; /* 0: a single number */
  int64_t shape[KOHL_SAFETENSORS_DIMS];
  const void *data; /* bytes bytes, little-endian.  Files written here align it to the element at least (to 64 where
                       bytes is a multiple of 64); a foreign file may give any address: test before casting */
  size_t bytes;     /* product of shape * bytes of an element; 0 when a dimension is 0 */
} kohl_tensor_info;

/* An open file.  Immutable: any number of threads may read it, each with a context of its own. */
typedef struct kohl_safetensors kohl_safetensors;

/* Opens and checks a file: everything but the tensors' bytes.  *out is the caller's until kohl_safetensors_close, NULL
 * on failure.  KOHL_BAD_INPUT: cannot be read, not a regular file, malformed; the text names the file, the tensor or
 * field, the value and what was expected.  The file is mapped, so it must not be shortened by others while it is open
 * (the process would get SIGBUS); kohl's own writers replace a file instead.  Memory: at most twice the header
 * and 32 MiB. */
kohl_status kohl_safetensors_open(kohl_context *ctx, const char *path, kohl_safetensors **out);

/* The same for bytes in memory, which stay the caller's and must live until close.  name is for error texts. */
kohl_status kohl_safetensors_open_memory(kohl_context *ctx, const char *name, const void *bytes, size_t length,
                                         kohl_safetensors **out);

/* Unmaps and frees; NULL is allowed.  Every pointer that the functions below gave ends here. */
void kohl_safetensors_close(kohl_context *ctx, kohl_safetensors *file);

/* Tensors are numbered in the order of their data. */
size_t kohl_safetensors_count(const kohl_safetensors *file);
const kohl_tensor_info *kohl_safetensors_tensor(const kohl_safetensors *file, size_t index); /* index < count */
long kohl_safetensors_find(const kohl_safetensors *file, const char *name);                  /* index, or -1 */

/* Metadata in the order of the header; texts end with a zero that length does not count (they may contain zeros). */
typedef struct kohl_safetensors_text {
  const char *key, *text;
  size_t key_length, length;
} kohl_safetensors_text;
size_t kohl_safetensors_metadata_count(const kohl_safetensors *file);
const kohl_safetensors_text *kohl_safetensors_metadata(const kohl_safetensors *file, size_t index);
const kohl_safetensors_text *kohl_safetensors_metadata_find(const kohl_safetensors *file,
                                                            const char *key); /* or NULL */

/* The tensor's recorded CRC32C; false when the file has none. */
bool kohl_safetensors_crc(const kohl_safetensors *file, size_t index, uint32_t *crc);

/* Gives back the memory behind bytes of a mapped file: the pages that hold them are read again when somebody asks for
 * them.  Bytes that are not the file's mapped ones are left alone.  Any thread, also while others read the file. */
void kohl_safetensors_release(const kohl_safetensors *file, const void *data, size_t bytes);
void kohl_safetensors_release_all(const kohl_safetensors *file);

/* Compares a tensor's bytes with its recorded CRC32C: KOHL_BAD_INPUT names the tensor and both sums.  KOHL_OK when the
 * file has none. */
kohl_status kohl_safetensors_verify(kohl_context *ctx, const kohl_safetensors *file, size_t index);

/* Copies a tensor of F32, F16, BF16 or F64 to count floats (KOHL_USAGE unless count is its number of elements).  Exact,
 * but F64 is rounded to nearest, and a finite one beyond the largest float is KOHL_BAD_INPUT.  Other dtypes are
 * KOHL_BAD_INPUT.  info must be the file's, or a copy narrowed to part of its data. */
kohl_status kohl_safetensors_read_f32(kohl_context *ctx, const kohl_safetensors *file, const kohl_tensor_info *info,
                                      float *out, size_t count);

/* The same for any bytes that info->data points to, from a file of any format (path is for texts), and for whole numbers
 * as well: BOOL (0 or 1, nothing else), U8, I8, U16, I16, all exact.  Wider ones are KOHL_BAD_INPUT. */
kohl_status kohl_tensor_read(kohl_context *ctx, const char *path, const kohl_tensor_info *info, float *out,
                             size_t count);

/* A writer: begin; declare tensors and metadata; lay; write the data; finish.  The file appears under its name complete
 * or not at all: a temporary file beside it (PATH.tmp.PID.N), CRCs, fsync, rename, fsync of the folder.  A process
 * that is killed leaves the temporary file and the old file.  One thread at a time; ctx must outlive it.
 * Declarations that a reader would refuse are KOHL_USAGE; a failing system call is KOHL_BAD_INPUT, or KOHL_NO_RESOURCE
 * for a full disk.  After a failure only abandon (or finish, which reports KOHL_USAGE) makes sense. */
typedef struct kohl_safetensors_writer kohl_safetensors_writer;

/* Only remembers the path; touches no file. */
kohl_status kohl_safetensors_writer_begin(kohl_context *ctx, const char *path, kohl_safetensors_writer **out);

/* Declares the next tensor; name and shape (dims numbers >= 0) are copied. */
kohl_status kohl_safetensors_writer_tensor(kohl_safetensors_writer *writer, const char *name,
                                           kohl_safetensors_dtype dtype, int dims, const int64_t *shape);

/* Adds a metadata entry (UTF-8, copied).  The two keys of the CRCs are the writer's own. */
kohl_status kohl_safetensors_writer_metadata(kohl_safetensors_writer *writer, const char *key, const char *text,
                                             size_t length);

/* Ends the declarations, fixes the order of the data and creates the temporary file with its header. */
kohl_status kohl_safetensors_writer_lay(kohl_safetensors_writer *writer);

/* After lay: which tensor (number of its declaration, from 0) is the i-th to be written.  First those whose bytes are a
 * multiple of 64, each of which so begins at one; then the rest by descending element size; else as declared. */
size_t kohl_safetensors_writer_order(const kohl_safetensors_writer *writer, size_t i);

/* Appends n bytes of data; pieces may end anywhere, within a tensor or beyond it. */
kohl_status kohl_safetensors_write(kohl_safetensors_writer *writer, const void *bytes, size_t n);

/* Completes the file, then frees the writer in any case.  KOHL_USAGE when data is missing.  If only the last step, the
 * fsync of the folder, fails, the new file is in place and the text says so. */
kohl_status kohl_safetensors_writer_finish(kohl_safetensors_writer *writer);

/* Removes the temporary file and frees the writer; NULL is allowed. */
void kohl_safetensors_writer_abandon(kohl_safetensors_writer *writer);

#endif
