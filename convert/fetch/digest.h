/* SHA-256 (FIPS 180-4) and MD5 (RFC 1321), as far as published weight files are checked by them: bytes in pieces of any
 * size, the digest as lower-case hexadecimal text.  MD5 finds damage, not malice. */
#ifndef KOHL_CONVERT_FETCH_DIGEST_H
#define KOHL_CONVERT_FETCH_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kohl_digest_kind { KOHL_DIGEST_SHA256, KOHL_DIGEST_MD5 } kohl_digest_kind;

enum { KOHL_DIGEST_TEXT = 65 /* bytes of the longest digest as text, with its zero */ };

typedef struct kohl_digest {
  kohl_digest_kind kind;
  uint32_t state[8];
  uint64_t bytes; /* so far */
  unsigned char block[64];
} kohl_digest;

void kohl_digest_begin(kohl_digest *digest, kohl_digest_kind kind);
void kohl_digest_add(kohl_digest *digest, const void *bytes, size_t count);

/* The digest of all that was added; the struct must begin anew after it. */
void kohl_digest_end(kohl_digest *digest, char text[KOHL_DIGEST_TEXT]);

/* "SHA-256" or "MD5". */
const char *kohl_digest_name(kohl_digest_kind kind);

/* A digest as a manifest states it: "sha256:" and 64 digits, or 8, with which the digest begins; "md5:" and 32 digits;
 * all lower case.  False: it is none of them.  *hex points at the digits. */
bool kohl_digest_parse(const char *text, kohl_digest_kind *kind, const char **hex);

#endif
