/* Base64 (RFC 4648, section 4), strict: one text without line ends, padded, its unused bits zero. */
#ifndef KOHL_CONVERT_CONTAINER_BASE64_H
#define KOHL_CONVERT_CONTAINER_BASE64_H

#include "kernels/core/context.h"

/* Bytes that a text of length characters stands for at most. */
static inline size_t kohl_base64_room(size_t length) { return length / 4 * 3; }

/* *bytes of out, which has kohl_base64_room(length) and may begin where text does.  KOHL_BAD_INPUT names the byte of
 * the text. */
kohl_status kohl_base64_decode(kohl_context *ctx, const char *text, size_t length, uint8_t *out, size_t *bytes);

#endif
