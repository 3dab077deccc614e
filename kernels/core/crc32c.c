/* CRC32C: slicing by 8 everywhere, the crc32 instruction where the processor has it.
 *
 * A CRC is linear over GF(2), so the table entry of a byte is the XOR of the entries of its bits: the 8 x 8 entries
 * of single bits below are the whole table, which the preprocessor spreads to 8 x 256. */
#include "kernels/core/crc32c.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the words of slicing by 8 are little-endian"
#endif

#define BIT(i, bit, entry) (((i)&1u << (bit)) ? entry : 0u)
#define ENTRY(i, a, b, c, d, e, f, g, h) \
  BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^ BIT(i, 4, e) ^ BIT(i, 5, f) ^ BIT(i, 6, g) ^ BIT(i, 7, h)
#define ENTRIES4(i, ...) \
  ENTRY(i, __VA_ARGS__), ENTRY(i + 1u, __VA_ARGS__), ENTRY(i + 2u, __VA_ARGS__), ENTRY(i + 3u, __VA_ARGS__)
#define ENTRIES16(i, ...) \
  ENTRIES4(i, __VA_ARGS__), ENTRIES4(i + 4u, __VA_ARGS__), ENTRIES4(i + 8u, __VA_ARGS__), ENTRIES4(i + 12u, __VA_ARGS__)
#define ENTRIES64(i, ...)                                                                      \
  ENTRIES16(i, __VA_ARGS__), ENTRIES16(i + 16u, __VA_ARGS__), ENTRIES16(i + 32u, __VA_ARGS__), \
      ENTRIES16(i + 48u, __VA_ARGS__)
#define ROW(...)                                                                           \
  {                                                                                        \
    ENTRIES64(0u, __VA_ARGS__), ENTRIES64(64u, __VA_ARGS__), ENTRIES64(128u, __VA_ARGS__), \
        ENTRIES64(192u, __VA_ARGS__)                                                       \
  }

/* table[k][b]: the remainder of byte b followed by k zero bytes. */
static const uint32_t table[8][256] = {
    ROW(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78),
    ROW(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9),
    ROW(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743),
    ROW(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f),
    ROW(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c),
    ROW(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6),
    ROW(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4),
    ROW(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664),
};

uint32_t kohl_crc32c_portable(uint32_t crc, const void *data, size_t bytes) {
  const unsigned char *at = data;
  crc = ~crc;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint32_t low, high;
    memcpy(&low, at, 4);
    memcpy(&high, at + 4, 4);
    low ^= crc;
    crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^ table[4][low >> 24] ^
          table[3][high & 255] ^ table[2][high >> 8 & 255] ^ table[1][high >> 16 & 255] ^ table[0][high >> 24];
  }
  for (; bytes; bytes--, at++) crc = crc >> 8 ^ table[0][(crc ^ *at) & 255];
  return ~crc;
}

#if defined(__x86_64__)
/* One chain of 8-byte steps: three cycles each, which is faster than memory is read in practice. */
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data, size_t bytes) {
  const unsigned char *at = data;
  uint64_t sum = (uint32_t)~crc;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    sum = __builtin_ia32_crc32di(sum, word);
  }
  for (; bytes; bytes--, at++) sum = __builtin_ia32_crc32qi((uint32_t)sum, *at);
  return ~(uint32_t)sum;
}
#endif

uint32_t kohl_crc32c(uint32_t crc, const void *data, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, data, bytes);
#endif
  return kohl_crc32c_portable(crc, data, bytes);
}
