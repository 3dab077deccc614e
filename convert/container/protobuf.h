/* The wire format of protocol buffers, read field by field and written by appending: ONNX and TensorFlow's checkpoints.
 * (Format: protobuf.dev, "Encoding".)
 *
 * No tree and no recursion: a message inside is a range of bytes that the caller opens as a message of its own.  Groups
 * (wire types 3 and 4) are refused.  Nothing here allocates. */
#ifndef KOHL_CONVERT_CONTAINER_PROTOBUF_H
#define KOHL_CONVERT_CONTAINER_PROTOBUF_H

#include "kernels/core/context.h"

typedef enum kohl_proto_wire {
  KOHL_PROTO_VARINT = 0,
  KOHL_PROTO_FIXED64 = 1,
  KOHL_PROTO_BYTES = 2,
  KOHL_PROTO_FIXED32 = 5
} kohl_proto_wire;

/* A range of bytes of the file. */
typedef struct kohl_proto_bytes {
  const uint8_t *at;
  size_t length;
} kohl_proto_bytes;

/* A message on its way.  Read field, wire, and number (VARINT, FIXED64, FIXED32) or bytes (BYTES). */
typedef struct kohl_proto {
  kohl_proto_bytes rest; /* what comes behind the current field */
  uint32_t field;
  kohl_proto_wire wire;
  uint64_t number;
  kohl_proto_bytes bytes;
  bool damaged; /* stays; the message ended before its end, or breaks the format */
} kohl_proto;

kohl_proto kohl_proto_open(kohl_proto_bytes message);

/* The next field; false at the end and when damaged. */
bool kohl_proto_next(kohl_proto *message);

/* The current field is this one, of this wire type. */
bool kohl_proto_is(const kohl_proto *message, uint32_t field, kohl_proto_wire wire);

/* The next element of a packed repeated field: varints, or floats and doubles as they lie there.  False at its end;
 * *damaged is set where it ends inside an element. */
bool kohl_proto_varint(kohl_proto_bytes *packed, uint64_t *out, bool *damaged);

/* Is this text, byte for byte, the word? */
bool kohl_proto_word(kohl_proto_bytes text, const char *word);

#endif
