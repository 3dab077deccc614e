/* Opening and reading files that others made: regular files only, whole, within a limit.
 *
 * A FIFO or device named like a picture must neither hang nor be read: files are opened without blocking and
 * looked at before the first byte is read. */
#ifndef KOHL_DATASETS_FILE_H
#define KOHL_DATASETS_FILE_H

#include "kernels/core/context.h"

/* Opens a regular file for reading.  *fd is the caller's, to close(); *bytes its size now.  Errors name the path
 * and say what it is instead of a regular file, or why it cannot be opened. */
kohl_status kohl_file_open(kohl_context *ctx, const char *path, int *fd, size_t *bytes);

/* Reads at most room bytes into memory; *got is 0 at the end of the file only. */
kohl_status kohl_file_read(kohl_context *ctx, const char *path, int fd, void *memory, size_t room, size_t *got);

/* The whole of a regular file of at most limit bytes; *out is the caller's until kohl_free.  A file that shrinks
 * while it is read is an error. */
kohl_status kohl_file_load(kohl_context *ctx, const char *path, size_t limit, uint8_t **out, size_t *length);

#endif
