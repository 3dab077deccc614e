/* Fields one after the other; see protobuf.h.  A field is a varint of number * 8 + wire type, then its value; a varint
 * has seven bits to the byte, lowest first, and ends with the first byte below 128. */
#include "convert/container/protobuf.h"

#include <string.h>

/* Takes a varint from the front; false where it does not end in time or is more than 64 bits. */
static bool take_varint(kohl_proto_bytes *from, uint64_t *out) {
  uint64_t value = 0;
  for (size_t i = 0; i < from->length && i < 10; i++) {
    uint8_t byte = from->at[i];
    if (i == 9 && byte > 1) return false;
    value |= (uint64_t)(byte & 127) << 7 * i;
    if (byte >= 128) continue;
    from->at += i + 1;
    from->length -= i + 1;
    *out = value;
    return true;
  }
  return false;
}

/* Takes bytes from the front; false where fewer are left. */
static bool take_bytes(kohl_proto_bytes *from, uint64_t length, kohl_proto_bytes *out) {
  if (length > from->length) return false;
  *out = (kohl_proto_bytes){from->at, (size_t)length};
  if (!length) return true; /* nothing may stand where nothing is */
  from->at += length;
  from->length -= (size_t)length;
  return true;
}

static bool take_fixed(kohl_proto *message, size_t width) {
  kohl_proto_bytes bytes;
  if (!take_bytes(&message->rest, width, &bytes)) return false;
  for (size_t i = 0; i < width; i++) message->number |= (uint64_t)bytes.at[i] << 8 * i;
  return true;
}

static bool take_value(kohl_proto *message) {
  uint64_t length;
  switch (message->wire) {
    case KOHL_PROTO_VARINT: return take_varint(&message->rest, &message->number);
    case KOHL_PROTO_FIXED64: return take_fixed(message, 8);
    case KOHL_PROTO_FIXED32: return take_fixed(message, 4);
    case KOHL_PROTO_BYTES:
      return take_varint(&message->rest, &length) && take_bytes(&message->rest, length, &message->bytes);
  }
  return false;
}

kohl_proto kohl_proto_open(kohl_proto_bytes message) { return (kohl_proto){.rest = message}; }

bool kohl_proto_next(kohl_proto *message) {
  uint64_t tag;
  if (message->damaged || !message->rest.length) return false;
  message->number = 0;
  message->bytes = (kohl_proto_bytes){0};
  bool good = take_varint(&message->rest, &tag) && tag >> 3 >= 1 && tag >> 3 < UINT32_C(1) << 29;
  if (good) {
    message->field = (uint32_t)(tag >> 3);
    message->wire = (kohl_proto_wire)(tag & 7);
    good = take_value(message);
  }
  message->damaged = !good;
  return good;
}

bool kohl_proto_is(const kohl_proto *message, uint32_t field, kohl_proto_wire wire) {
  return message->field == field && message->wire == wire;
}

bool kohl_proto_varint(kohl_proto_bytes *packed, uint64_t *out, bool *damaged) {
  if (!packed->length) return false;
  if (take_varint(packed, out)) return true;
  *damaged = true;
  return false;
}

bool kohl_proto_word(kohl_proto_bytes text, const char *word) {
  size_t length = strlen(word);
  return text.length == length && (!length || memcmp(text.at, word, length) == 0);
}
