/* Four characters to three bytes; see base64.h. */
#include "convert/container/base64.h"

enum { BAD = 64 };

static unsigned sextet(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26u;
  if (c >= '0' && c <= '9') return c - '0' + 52u;
  return c == '+' ? 62 : c == '/' ? 63 : BAD;
}

static kohl_status bad_character(kohl_context *ctx, const char *text, size_t length, size_t at) {
  while (at + 1 < length && sextet((unsigned char)text[at]) != BAD) at++;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "character %zu of the base64 text is 0x%02x, expected A-Z a-z 0-9 + /", at,
                   (unsigned char)text[at]);
}

/* The last four characters, which may end in one or two '='. */
static kohl_status decode_last(kohl_context *ctx, const char *text, size_t length, uint8_t *out, size_t *bytes) {
  const char *last = text + length - 4;
  size_t count = last[3] != '=' ? 4 : last[2] != '=' ? 3 : 2;
  unsigned word = 0;
  for (size_t i = 0; i < count; i++) {
    unsigned six = sextet((unsigned char)last[i]);
    if (six == BAD) return bad_character(ctx, text, length, length - 4 + i);
    word |= six << (18 - 6 * i);
  }
  if (word & ((1u << 8 * (4 - count)) - 1))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "the base64 text ends in bits that belong to no byte, expected zeros");
  for (size_t i = 0; i + 1 < count; i++) out[(*bytes)++] = (uint8_t)(word >> (16 - 8 * i));
  return KOHL_OK;
}

kohl_status kohl_base64_decode(kohl_context *ctx, const char *text, size_t length, uint8_t *out, size_t *bytes) {
  *bytes = 0;
  if (length % 4)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "the base64 text has %zu characters, expected a multiple of 4", length);
  if (!length) return KOHL_OK;
  for (size_t at = 0; at + 4 < length; at += 4) { /* the bytes never overtake the characters */
    unsigned a = sextet((unsigned char)text[at]), b = sextet((unsigned char)text[at + 1]);
    unsigned c = sextet((unsigned char)text[at + 2]), d = sextet((unsigned char)text[at + 3]);
    if ((a | b | c | d) & BAD) return bad_character(ctx, text, length, at);
    unsigned word = a << 18 | b << 12 | c << 6 | d;
    out[(*bytes)++] = (uint8_t)(word >> 16);
    out[(*bytes)++] = (uint8_t)(word >> 8);
    out[(*bytes)++] = (uint8_t)word;
  }
  return decode_last(ctx, text, length, out, bytes);
}
