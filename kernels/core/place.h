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

/* What an error of the system in writing a file is.  KOHL_BAD_INPUT where the path is at fault, which another path
 * would not be: it leads nowhere or to something else, or may not be written (ENOENT, ENOTDIR, EISDIR, EEXIST, ELOOP,
 * ENAMETOOLONG, EACCES, EPERM, EROFS, ETXTBSY, EINVAL).  All else is the machine failing, KOHL_NO_RESOURCE: a full disk
 * or quota, an error of the medium (EIO), memory, files. */
kohl_status kohl_write_status(int error);

/* Remembers the path; touches no file.  On failure there is nothing to free. */
kohl_status kohl_place_begin(kohl_context *ctx, const char *path, kohl_file_place *place);

/* Creates PATH.tmp.PID.N (never an existing file), mode 0666 less the umask.  A path that is there and is not a regular
 * file is refused; a symbolic link will be replaced, not followed. */
kohl_status kohl_place_create(kohl_context *ctx, kohl_file_place *place);

/* Appends, or overwrites bytes at an offset.  All calls: errors of the system are those of
 * kohl_write_status; the text names the path and the system's reason. */
kohl_status kohl_place_append(kohl_context *ctx, kohl_file_place *place, const void *bytes, size_t n);
kohl_status kohl_place_patch(kohl_context *ctx, kohl_file_place *place, size_t offset, const void *bytes, size_t n);

/* fsync, close, rename, fsync of the folder. */
kohl_status kohl_place_commit(kohl_context *ctx, kohl_file_place *place);

/* Removes the temporary files that processes which are gone have left in a folder: regular files called
 * NAME.tmp.PID.N, NAME ending in one of the endings (count of them, as ".ckpt"), where no process PID runs here.
 * Returns how many; what cannot be looked at or removed stays. */
int kohl_place_sweep(const char *folder, const char *const *endings, size_t count);

/* Closes and removes what is left of the temporary file, frees the paths.  Call it always, after commit too. */
void kohl_place_end(kohl_context *ctx, kohl_file_place *place);

#endif
