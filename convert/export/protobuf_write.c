/* Protocol buffers into memory; see protobuf_write.h. */
#include "convert/export/protobuf_write.h"

#include <string.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5, VARINT_MOST = 10 };

void kohl_put_open(kohl_put *put, kohl_context *ctx) { *put = (kohl_put){.ctx = ctx, .status = KOHL_OK}; }

void kohl_put_free(kohl_put *put) {
  kohl_free(put->ctx, put->bytes);
  put->bytes = NULL;
  put->length = put->capacity = 0;
}

/* Room for n bytes more; false after an error. */
static bool room(kohl_put *put, size_t n) {
  size_t need;
  if (put->status != KOHL_OK) return false;
  if (!kohl_add_size(put->length, n, &need)) need = SIZE_MAX;
  put->status = kohl_grow(put->ctx, &put->bytes, &put->capacity, need, 1, "a protocol buffer");
  return put->status == KOHL_OK;
}

/* Seven bits a byte, the lowest first, the highest bit saying that more come. */
static size_t encode(uint64_t value, uint8_t out[VARINT_MOST]) {
  size_t n = 0;
  for (; value > 127; value >>= 7) out[n++] = (uint8_t)(value | 128);
  out[n++] = (uint8_t)value;
  return n;
}

void kohl_put_raw(kohl_put *put, const void *bytes, size_t n) {
  if (!n || !room(put, n)) return;
  memcpy(put->bytes + put->length, bytes, n);
  put->length += n;
}

static void number(kohl_put *put, uint64_t value) {
  uint8_t bytes[VARINT_MOST];
  kohl_put_raw(put, bytes, encode(value, bytes));
}

static void tag(kohl_put *put, uint32_t field, unsigned wire) { number(put, (uint64_t)field << 3 | wire); }

void kohl_put_varint(kohl_put *put, uint32_t field, uint64_t value) {
  tag(put, field, VARINT);
  number(put, value);
}

void kohl_put_float(kohl_put *put, uint32_t field, float value) {
  tag(put, field, FIXED32);
  kohl_put_raw(put, &value, sizeof value);
}

void kohl_put_head(kohl_put *put, uint32_t field, uint64_t n) {
  tag(put, field, BYTES);
  number(put, n);
}

void kohl_put_bytes(kohl_put *put, uint32_t field, const void *bytes, size_t n) {
  kohl_put_head(put, field, n);
  kohl_put_raw(put, bytes, n);
}

void kohl_put_text(kohl_put *put, uint32_t field, const char *text) { kohl_put_bytes(put, field, text, strlen(text)); }

void kohl_put_begin(kohl_put *put, uint32_t field) {
  tag(put, field, BYTES);
  if (put->status == KOHL_OK && put->depth == KOHL_PUT_DEPTH) {
    put->status = kohl_fail(put->ctx, KOHL_USAGE, "a protocol buffer of more than %d levels", KOHL_PUT_DEPTH);
  }
  if (put->status == KOHL_OK) put->open[put->depth++] = put->length;
}

/* The length stands before the contents, which move by its few bytes. */
void kohl_put_end(kohl_put *put) {
  uint8_t bytes[VARINT_MOST];
  if (put->status != KOHL_OK) return;
  size_t begin = put->open[--put->depth], length = put->length - begin, n = encode(length, bytes);
  if (!room(put, n)) return;
  memmove(put->bytes + begin + n, put->bytes + begin, length);
  memcpy(put->bytes + begin, bytes, n);
  put->length += n;
}
