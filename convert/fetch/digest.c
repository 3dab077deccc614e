/* SHA-256 and MD5 by their definitions.  Both take blocks of 64 bytes and end with a one bit, zeros and the number of
 * bits; they differ in the round function and in the order of bytes.  Not a cryptographic library: nothing secret ever
 * comes here, so time may depend on the data. */
#include "convert/fetch/digest.h"

#include <string.h>

enum { BLOCK = 64, LENGTH_AT = 56 };

static uint32_t left(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }
static uint32_t right(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

/* The first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* floor(2^32 * |sin(i + 1)|). */
static const uint32_t md5_k[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

static const unsigned char md5_turn[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static void sha256_block(uint32_t state[8], const unsigned char *block) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
           block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t low = right(w[i - 15], 7) ^ right(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t high = right(w[i - 2], 17) ^ right(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + low + w[i - 7] + high;
  }
  memcpy(s, state, sizeof s);
/* Round i with the names of the eight words turned instead of the words themselves. */
#define WORD(j) s[((j)-i) & 7]
  _Pragma("GCC unroll 8") for (int i = 0; i < 64; i++) {
    uint32_t choice = (WORD(4) & WORD(5)) ^ (~WORD(4) & WORD(6));
    uint32_t majority = (WORD(0) & WORD(1)) ^ (WORD(0) & WORD(2)) ^ (WORD(1) & WORD(2));
    uint32_t t = WORD(7) + (right(WORD(4), 6) ^ right(WORD(4), 11) ^ right(WORD(4), 25)) + choice + sha256_k[i] + w[i];
    WORD(3) += t;
    WORD(7) = t + (right(WORD(0), 2) ^ right(WORD(0), 13) ^ right(WORD(0), 22)) + majority;
  }
#undef WORD
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

static void md5_block(uint32_t state[8], const unsigned char *block) {
  uint32_t w[16], a = state[0], b = state[1], c = state[2], d = state[3];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i + 3] << 24 | (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 1] << 8 |
           block[4 * i];
  _Pragma("GCC unroll 64") for (int i = 0; i < 64; i++) { /* so that each step keeps its own function only */
    static const int step[4] = {1, 5, 3, 7}, from[4] = {0, 1, 5, 0};
    const uint32_t f[4] = {(b & c) | (~b & d), (b & d) | (c & ~d), b ^ c ^ d, c ^ (b | ~d)};
    int round = i / 16, word = (step[round] * i + from[round]) % 16;
    uint32_t next = b + left(a + f[round] + md5_k[i] + w[word], md5_turn[round][i % 4]);
    a = d;
    d = c;
    c = b;
    b = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
}

static void add_block(kohl_digest *digest, const unsigned char *block) {
  (digest->kind == KOHL_DIGEST_MD5 ? md5_block : sha256_block)(digest->state, block);
}

void kohl_digest_begin(kohl_digest *digest, kohl_digest_kind kind) {
  static const uint32_t sha256[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  static const uint32_t md5[8] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  memset(digest, 0, sizeof *digest);
  digest->kind = kind;
  memcpy(digest->state, kind == KOHL_DIGEST_MD5 ? md5 : sha256, sizeof digest->state);
}

void kohl_digest_add(kohl_digest *digest, const void *bytes, size_t count) {
  const unsigned char *at = bytes;
  size_t held = digest->bytes % BLOCK;
  digest->bytes += count;
  if (held > 0) {
    size_t n = count < BLOCK - held ? count : BLOCK - held;
    if (n > 0) memcpy(digest->block + held, at, n);
    at += n;
    count -= n;
    if (held + n < BLOCK) return;
    add_block(digest, digest->block);
  }
  for (; count >= BLOCK; at += BLOCK, count -= BLOCK) add_block(digest, at);
  if (count > 0) memcpy(digest->block, at, count);
}

void kohl_digest_end(kohl_digest *digest, char text[KOHL_DIGEST_TEXT]) {
  static const char digits[] = "0123456789abcdef";
  const bool md5 = digest->kind == KOHL_DIGEST_MD5;
  const uint64_t bits = digest->bytes * 8;
  size_t held = digest->bytes % BLOCK;
  digest->block[held++] = 0x80;
  memset(digest->block + held, 0, BLOCK - held);
  if (held > LENGTH_AT) {
    add_block(digest, digest->block);
    memset(digest->block, 0, BLOCK);
  }
  for (int i = 0; i < 8; i++) digest->block[LENGTH_AT + i] = (unsigned char)(bits >> 8 * (md5 ? i : 7 - i));
  add_block(digest, digest->block);
  for (int i = 0; i < (md5 ? 16 : 32); i++) {
    unsigned byte = digest->state[i / 4] >> 8 * (md5 ? i % 4 : 3 - i % 4) & 255;
    *text++ = digits[byte >> 4];
    *text++ = digits[byte & 15];
  }
  *text = 0;
}

const char *kohl_digest_name(kohl_digest_kind kind) { return kind == KOHL_DIGEST_MD5 ? "MD5" : "SHA-256"; }

bool kohl_digest_parse(const char *text, kohl_digest_kind *kind, const char **hex) {
  *kind = strncmp(text, "md5:", 4) ? KOHL_DIGEST_SHA256 : KOHL_DIGEST_MD5;
  if (*kind == KOHL_DIGEST_SHA256 && strncmp(text, "sha256:", 7)) return false;
  *hex = strchr(text, ':') + 1;
  size_t digits = strspn(*hex, "0123456789abcdef");
  if ((*hex)[digits]) return false;
  return *kind == KOHL_DIGEST_MD5 ? digits == 32 : digits == 64 || digits == 8;
}
