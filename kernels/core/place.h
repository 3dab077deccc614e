/* A file that appears under its name complete or not at all, whatever fails: written under a temporary name in the same
 * folder, flushed, renamed, the folder flushed.  Used for model files, checkpoints and packs. */
#ifndef KOHL_KERNELS_CORE_PLACE_H
#define KOHL_KERNELS_CORE_PLACE_H

#include "kernels/core/alloc.h"

typedef struct kohl_file_place {
  char *path, *temporary; /* owned */
  int fd;                 /* -1: no file is open */
  bool exists;            /* the temporary file does, and is ours to remove */
} kohl_file_place;

/* Remembers the path; touches no file.  On failure there is nothing to free. */
kohl_status kohl_place_begin(kohl_context *ctx, const char *path, kohl_file_place *place);

/* Creates PATH.tmp.PID.N (never an existing file), mode 0666 less the umask.  A path that is there and is not a regular
 * file is refused; a symbolic link will be replaced, not followed. */
kohl_status kohl_place_create(kohl_context *ctx, kohl_file_place *place);

/* Appends, or overwrites bytes at an offset.  All calls: KOHL_NO_RESOURCE for a full disk, quota or file size
 * limit, KOHL_BAD_INPUT for other errors of the system; the text names the path and the system's reason. */
kohl_status kohl_place_append(kohl_context *ctx, kohl_file_place *place, const void *bytes, size_t n);
kohl_status kohl_place_patch(kohl_context *ctx, kohl_file_place *place, size_t offset, const void *bytes, size_t n);

/* fsync, close, rename, fsync of the folder. */
kohl_status kohl_place_commit(kohl_context *ctx, kohl_file_place *place);

/* Closes and removes what is left of the temporary file, frees the paths.  Call it always, after commit too. */
void kohl_place_end(kohl_context *ctx, kohl_file_place *place);

#endif
