/* The wire format of protocol buffers, written into memory.  (Format: protobuf.dev, "Encoding".)
 *
 * Messages inside are begun and ended like brackets, at most KOHL_PUT_DEPTH deep.  The first error sticks; later calls
 * do nothing, and the caller looks at `status` at the end.  What is too large for memory (tensors) is not written here:
 * the caller writes kohl_put_head and then the bytes. */
#ifndef KOHL_CONVERT_EXPORT_PROTOBUF_WRITE_H
#define KOHL_CONVERT_EXPORT_PROTOBUF_WRITE_H

#include "kernels/core/alloc.h"

enum { KOHL_PUT_DEPTH = 8 };

typedef struct kohl_put {
  kohl_context *ctx;
  uint8_t *bytes; /* owned; `length` of them */
  size_t length, capacity;
  size_t open[KOHL_PUT_DEPTH]; /* where the contents of open messages begin */
  int depth;
  kohl_status status;
} kohl_put;

/* Starts empty; kohl_put_free also after an error. */
void kohl_put_open(kohl_put *put, kohl_context *ctx);
void kohl_put_free(kohl_put *put);

void kohl_put_varint(kohl_put *put, uint32_t field, uint64_t value);
void kohl_put_float(kohl_put *put, uint32_t field, float value);
void kohl_put_bytes(kohl_put *put, uint32_t field, const void *bytes, size_t n);
void kohl_put_text(kohl_put *put, uint32_t field, const char *text);

/* A message as a field; what is written before the end is its contents. */
void kohl_put_begin(kohl_put *put, uint32_t field);
void kohl_put_end(kohl_put *put);

/* Bytes that are fields already. */
void kohl_put_raw(kohl_put *put, const void *bytes, size_t n);

/* Tag and length of a field of n bytes whose contents the caller writes elsewhere. */
void kohl_put_head(kohl_put *put, uint32_t field, uint64_t n);

#endif
