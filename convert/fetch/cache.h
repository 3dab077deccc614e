/* A file of the cache folder on its way: NAME.part grows, survives the process, and becomes NAME by a rename when it is
 * complete, flushed and found right.  One process at a time writes a NAME.part, by a lock that ends with the process.
 */
#ifndef KOHL_CONVERT_FETCH_CACHE_H
#define KOHL_CONVERT_FETCH_CACHE_H

#include "convert/fetch/digest.h"
#include "kernels/core/alloc.h"

typedef enum kohl_fetch_doing { KOHL_FETCH_GETS, KOHL_FETCH_CHECKS, KOHL_FETCH_PACKS } kohl_fetch_doing;

typedef struct kohl_fetch_progress {
  kohl_fetch_doing doing;
  uint64_t done, total; /* bytes; total 0: not known */
  uint64_t begun;       /* bytes that were there before */
} kohl_fetch_progress;

typedef struct kohl_fetch_meter {
  void (*show)(const kohl_fetch_progress *progress, void *user); /* NULL: nobody looks */
  void *user;
} kohl_fetch_meter;

typedef struct kohl_cache_file {
  char *path, *part; /* owned */
  int fd;            /* of the part; -1: not open */
  uint64_t have;     /* bytes in it */
} kohl_cache_file;

/* Remembers FOLDER/FILE; touches nothing.  End with kohl_cache_end, also after an error. */
kohl_status kohl_cache_begin(kohl_context *ctx, const char *folder, const char *file, kohl_cache_file *out);

/* Makes the folder where it is missing, opens and locks the part, creating it.  All calls: KOHL_NO_RESOURCE for a full
 * disk and the like and for a part that another process writes, KOHL_BAD_INPUT for other errors of the system. */
kohl_status kohl_cache_open(kohl_context *ctx, const char *folder, kohl_cache_file *file);

kohl_status kohl_cache_append(kohl_context *ctx, kohl_cache_file *file, const void *bytes, size_t count);

/* Begins the part again. */
kohl_status kohl_cache_empty(kohl_context *ctx, kohl_cache_file *file);

/* Flushes the part, gives it its name, flushes the folder.  A part that cannot be flushed is removed. */
kohl_status kohl_cache_commit(kohl_context *ctx, kohl_cache_file *file);

/* Removes the part. */
void kohl_cache_drop(kohl_cache_file *file);

/* Closes it, which is empty parts' end, and frees the paths. */
void kohl_cache_end(kohl_context *ctx, kohl_cache_file *file);

/* The digest of an open file of `bytes` bytes that path names in errors.  KOHL_INTERRUPTED on the way. */
kohl_status kohl_cache_digest(kohl_context *ctx, const char *path, int fd, uint64_t bytes, kohl_digest_kind kind,
                              const kohl_fetch_meter *meter, char text[KOHL_DIGEST_TEXT]);

/* Opens a regular file for reading; *fd is the caller's, to close().  A FIFO or device is refused before it is read. */
kohl_status kohl_cache_look(kohl_context *ctx, const char *path, int *fd, uint64_t *bytes);

/* "doing: the system's reason" of errno, with path before it and the status of kohl_cache_open's kind. */
kohl_status kohl_cache_fail(kohl_context *ctx, const char *path, const char *doing);

#endif
