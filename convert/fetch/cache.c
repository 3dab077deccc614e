/* A file of the cache folder; see cache.h. */
#include "convert/fetch/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 20, TRIES = 16 };

kohl_status kohl_cache_fail(kohl_context *ctx, const char *path, const char *doing) {
  int code = errno;
  char text[128] = "";
  if (strerror_r(code, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", code);
  bool resource =
      code == ENOSPC || code == EDQUOT || code == EFBIG || code == ENOMEM || code == EMFILE || code == ENFILE;
  return kohl_fail(ctx, resource ? KOHL_NO_RESOURCE : KOHL_BAD_INPUT, "%s: %s: %s", path, doing, text);
}

kohl_status kohl_cache_begin(kohl_context *ctx, const char *folder, const char *file, kohl_cache_file *out) {
  static const char suffix[] = ".part";
  size_t bytes = strlen(folder) + strlen(file) + 2 + sizeof suffix;
  *out = (kohl_cache_file){NULL, NULL, -1, 0};
  kohl_status status = kohl_alloc(ctx, bytes, 1, "a file name", &out->path);
  if (!status) status = kohl_alloc(ctx, bytes, 1, "a file name", &out->part);
  if (status) return status;
  bool slash = *folder && folder[strlen(folder) - 1] == '/';
  snprintf(out->path, bytes, "%s%s%s", folder, slash ? "" : "/", file);
  snprintf(out->part, bytes, "%s%s", out->path, suffix);
  return KOHL_OK;
}

/* The folder and those above it, in a copy of its name that is cut at each slash in turn. */
static kohl_status make_folder(kohl_context *ctx, const char *folder) {
  char *name;
  struct stat info;
  kohl_status status = kohl_strdup(ctx, folder, &name);
  for (char *at = status ? NULL : name; at && !status;) {
    at = strchr(at + strspn(at, "/"), '/');
    if (at) *at = 0;
    if (mkdir(name, 0777) != 0 && (errno != EEXIST || stat(name, &info) != 0 || !S_ISDIR(info.st_mode))) {
      if (errno == EEXIST) errno = ENOTDIR; /* stat has found something else there */
      status = kohl_cache_fail(ctx, name, "the folder for the file cannot be made");
    }
    if (at) *at++ = '/';
    if (at && !*at) break;
  }
  kohl_free(ctx, name);
  return status;
}

/* One try to open and lock; *fd stays -1 where the name has gone to another file in between. */
static kohl_status open_part(kohl_context *ctx, const kohl_cache_file *file, int *fd) {
  struct stat own, named;
  int code = 0;
  *fd = open(file->part, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (*fd < 0) return kohl_cache_fail(ctx, file->part, "cannot be opened for writing");
  kohl_status status = KOHL_OK;
  if (fstat(*fd, &own) != 0 || !S_ISREG(own.st_mode))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is no regular file, expected one or none", file->part);
  else if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
    code = errno;
  if (code == EWOULDBLOCK) status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: another process is writing it", file->part);
  if (!status && stat(file->part, &named) == 0 && named.st_ino == own.st_ino && named.st_dev == own.st_dev)
    return KOHL_OK; /* also on a file system without locks */
  close(*fd);
  *fd = -1;
  return status;
}

kohl_status kohl_cache_open(kohl_context *ctx, const char *folder, kohl_cache_file *file) {
  struct stat info;
  kohl_status status = make_folder(ctx, folder);
  if (!status && lstat(file->path, &info) == 0 && S_ISDIR(info.st_mode))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is a folder, expected a file or none", file->path);
  for (int i = 0; i < TRIES && !status && file->fd < 0; i++) status = open_part(ctx, file, &file->fd);
  if (status) return status;
  if (file->fd < 0 || fstat(file->fd, &info) != 0)
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: another process is writing it", file->part);
  file->have = (uint64_t)info.st_size;
  return KOHL_OK;
}

kohl_status kohl_cache_append(kohl_context *ctx, kohl_cache_file *file, const void *bytes, size_t count) {
  const char *at = bytes;
  while (count > 0) {
    ssize_t done = pwrite(file->fd, at, count, (off_t)file->have);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return kohl_cache_fail(ctx, file->part, "writing");
    at += done;
    count -= (size_t)done;
    file->have += (uint64_t)done;
  }
  return KOHL_OK;
}

kohl_status kohl_cache_empty(kohl_context *ctx, kohl_cache_file *file) {
  if (ftruncate(file->fd, 0) != 0) return kohl_cache_fail(ctx, file->part, "beginning it again");
  file->have = 0;
  return KOHL_OK;
}

/* The folder's own entry must reach the disk too. */
static kohl_status flush_folder(kohl_context *ctx, kohl_cache_file *file) {
  char *folder = file->part; /* no longer needed: the file has its name */
  strcpy(folder, file->path);
  char *slash = strrchr(folder, '/'); /* kohl_cache_begin has put one there */
  slash[slash == folder] = 0;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return kohl_cache_fail(ctx, file->path, "it was written, but opening its folder to flush it failed");
  kohl_status status = KOHL_OK;
  if (fsync(fd) != 0 && errno != EINVAL) /* EINVAL: a file system that has no fsync for folders */
    status = kohl_cache_fail(ctx, file->path, "it was written, but flushing its folder to disk failed");
  close(fd);
  return status;
}

kohl_status kohl_cache_commit(kohl_context *ctx, kohl_cache_file *file) {
  if (fsync(file->fd) != 0) { /* what of it is on the disk is not known any more, and a second fsync may not say so */
    kohl_status status = kohl_cache_fail(ctx, file->part, "is removed, as flushing it to disk failed");
    kohl_cache_drop(file);
    return status;
  }
  if (rename(file->part, file->path) != 0) return kohl_cache_fail(ctx, file->part, "renaming it");
  close(file->fd); /* only now, as the lock ends with it; all is on the disk */
  file->fd = -1;
  return flush_folder(ctx, file);
}

void kohl_cache_drop(kohl_cache_file *file) {
  if (file->fd < 0) return;
  unlink(file->part);
  close(file->fd);
  file->fd = -1;
}

void kohl_cache_end(kohl_context *ctx, kohl_cache_file *file) {
  if (file->fd >= 0 && file->have == 0) kohl_cache_drop(file);
  if (file->fd >= 0) close(file->fd);
  kohl_free(ctx, file->path);
  kohl_free(ctx, file->part);
  *file = (kohl_cache_file){NULL, NULL, -1, 0};
}

kohl_status kohl_cache_look(kohl_context *ctx, const char *path, int *fd, uint64_t *bytes) {
  struct stat info;
  *fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (*fd < 0) return kohl_cache_fail(ctx, path, "cannot be opened");
  if (fstat(*fd, &info) == 0 && S_ISREG(info.st_mode)) {
    *bytes = (uint64_t)info.st_size;
    return KOHL_OK;
  }
  close(*fd);
  *fd = -1;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is no regular file, expected one", path);
}

kohl_status kohl_cache_digest(kohl_context *ctx, const char *path, int fd, uint64_t bytes, kohl_digest_kind kind,
                              const kohl_fetch_meter *meter, char text[KOHL_DIGEST_TEXT]) {
  kohl_fetch_progress progress = {KOHL_FETCH_CHECKS, 0, bytes, 0};
  kohl_digest digest;
  char *buffer;
  kohl_status status = kohl_alloc(ctx, PIECE, 1, "a file", &buffer);
  kohl_digest_begin(&digest, kind);
  while (!status && progress.done < bytes) {
    ssize_t n = pread(fd, buffer, PIECE, (off_t)progress.done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) status = kohl_cache_fail(ctx, path, "reading");
    if (n == 0) status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: became shorter while it was read", path);
    if (status) break;
    kohl_digest_add(&digest, buffer, (size_t)n);
    progress.done += (uint64_t)n;
    if (meter->show) meter->show(&progress, meter->user);
    status = kohl_check_cancel(ctx);
  }
  kohl_digest_end(&digest, text);
  kohl_free(ctx, buffer);
  return status;
}
