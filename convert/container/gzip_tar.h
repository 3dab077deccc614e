/* Tar archives packed with gzip (.tgz, .tar.gz), read once from front to back: what npm publishes.  (Formats: RFC 1952;
 * POSIX, pax; GNU tar's long names.)
 *
 * Files and folders only: links, devices and sparse files are refused, as are names that are absolute or contain "..".
 * Nothing is written anywhere.  Memory: 128 KiB and zlib's window. */
#ifndef KOHL_CONVERT_CONTAINER_GZIP_TAR_H
#define KOHL_CONVERT_CONTAINER_GZIP_TAR_H

#include "kernels/core/alloc.h"

enum {
  KOHL_TAR_NAME = 512,
  KOHL_TAR_MEMBERS = 65536,
  KOHL_TAR_RATIO = 100 /* an archive may unpack to this many times its size, and 64 MiB */
};

typedef struct kohl_gzip_tar kohl_gzip_tar;

/* Starts reading length bytes, which must outlive it; path is for error texts and must too.  *out is the caller's until
 * kohl_gzip_tar_close (NULL is allowed), NULL on failure. */
kohl_status kohl_gzip_tar_open(kohl_context *ctx, const char *path, const uint8_t *bytes, size_t length,
                               kohl_gzip_tar **out);
void kohl_gzip_tar_close(kohl_gzip_tar *tar);

/* The next file: its name, without "./", until the next call, and its size; what was not read of the one before is
 * passed over.  *name is NULL at the end, when everything has been checked: gzip's sum, and that nothing follows. */
kohl_status kohl_gzip_tar_next(kohl_gzip_tar *tar, const char **name, size_t *length);

/* The next n bytes of the current file, of which so many are left (KOHL_USAGE). */
kohl_status kohl_gzip_tar_read(kohl_gzip_tar *tar, void *out, size_t n);

#endif
