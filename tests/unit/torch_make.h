/* PyTorch files put together by hand, so that any part can be wrong. */
#ifndef KOHL_TESTS_UNIT_TORCH_MAKE_H
#define KOHL_TESTS_UNIT_TORCH_MAKE_H

#include "convert/source.h"

enum { TORCH_BYTES = 1 << 16 };

typedef struct torch_bytes {
  uint8_t at[TORCH_BYTES];
  size_t length;
} torch_bytes;

/* Appends a pickle given as words: 'text' BINUNICODE, "text" SHORT_BINSTRING, #-5 the shortest whole number,
 * @module.name GLOBAL, %8f a byte; any other character but space is an opcode of that letter. */
void torch_assemble(torch_bytes *out, const char *words);

void torch_append(torch_bytes *out, const void *bytes, size_t length);
void torch_number(torch_bytes *out, uint64_t value, int bytes);

/* Parts of pickles. */
#define PROTO "%80%02 "
#define STORED(type, key, count) "( 'storage' @torch." type " '" key "' 'cuda:0' #" count " t Q "
#define SIX STORED("FloatStorage", "0", "6")
#define V2(storage, offset, size, stride) \
  "@torch._utils._rebuild_tensor_v2 ( " storage "#" offset " " size stride "%89 @collections.OrderedDict ) R t R "
#define D1(a) "#" #a " %85 "
#define D2(a, b) "#" #a " #" #b " %86 "
#define D3(a, b, c) "#" #a " #" #b " #" #c " %87 "
#define MATRIX V2(SIX, "0", D2(2, 3), D2(3, 1))
#define NAMED(tensor) PROTO "} ( 'w' " tensor "u ." /* {'w': tensor} */

typedef struct torch_member {
  const char *name;
  const void *bytes;
  size_t length;
  uint32_t crc_off; /* added to its CRC-32 */
} torch_member;

/* Members with their names as they are, a data descriptor's flag and zero sizes in their own headers. */
void torch_zip(torch_bytes *out, const torch_member *members, size_t count);

/* The storages of most tests: '0' six floats 0 to 5, '1' six bytes 250 to 255; 24 and 6 bytes. */
extern const float torch_floats[6];
extern const uint8_t torch_small[6];

/* A zip container of a pickle in words and both storages. */
void torch_make_zip(torch_bytes *out, const char *words);

/* The bytes as a file without a name, of one that is opened again and again. */
const char *torch_file(const torch_bytes *bytes, size_t length);

/* Opens and reads everything: "w F32 2,3: 0 1 2 3 4 5; v ..."; the error text where it is refused. */
kohl_status torch_show(kohl_context *ctx, const torch_bytes *bytes, size_t length, char *text, size_t room);

#endif
