/* Zip archives whose members are stored, not packed: PyTorch's .pth and Keras's .keras.  (Format: PKWARE's APPNOTE.)
 *
 * Names and sizes come from the central directory, zip64 included; where a member's bytes begin, from its own header.
 * Refused: packed or encrypted members, several disks, members that overlap or leave the file, repeated names.  Memory:
 * that of the directory. */
#ifndef KOHL_CONVERT_CONTAINER_ZIP_H
#define KOHL_CONVERT_CONTAINER_ZIP_H

#include "kernels/core/alloc.h"

enum { KOHL_ZIP_MEMBERS = 1 << 17, KOHL_ZIP_NAME = 1024 };

typedef struct kohl_zip_member {
  const char *name; /* ends with a zero and contains none */
  const uint8_t *bytes;
  size_t length;
  uint32_t crc32; /* as the directory states it; see kohl_zip_check */
} kohl_zip_member;

typedef struct kohl_zip {
  const char *path; /* the caller's, for error texts */
  kohl_zip_member *members; /* by name, ascending */
  size_t count;
  char *names; /* owned text behind the members' names */
} kohl_zip;

/* Lists an archive of length bytes, which must outlive it; *zip is empty after a failure.  KOHL_BAD_INPUT names the
 * file, the member and what was expected. */
kohl_status kohl_zip_open(kohl_context *ctx, const char *path, const uint8_t *bytes, size_t length, kohl_zip *zip);
void kohl_zip_close(kohl_context *ctx, kohl_zip *zip);

/* The member of a name, or NULL. */
const kohl_zip_member *kohl_zip_find(const kohl_zip *zip, const char *name);

/* Compares a member's bytes with its CRC-32: KOHL_BAD_INPUT names it.  (PyTorch may write files without: 0 counts as
 * none.) */
kohl_status kohl_zip_check(kohl_context *ctx, const kohl_zip *zip, const kohl_zip_member *member);

#endif
