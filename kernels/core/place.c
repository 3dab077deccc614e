/* A file that appears complete or not at all. */
#include "kernels/core/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 30, TRIES = 100, SUFFIX = 48 };

kohl_status kohl_write_status(int error) {
  static const int of_path[] = {ENOENT, ENOTDIR, EISDIR, EEXIST,  ELOOP, ENAMETOOLONG,
                                EACCES, EPERM,   EROFS,  ETXTBSY, EINVAL};
  for (size_t i = 0; i < sizeof of_path / sizeof *of_path; i++) {
    if (error == of_path[i]) return KOHL_BAD_INPUT;
  }
  return KOHL_NO_RESOURCE;
}

static kohl_status fail_errno(kohl_context *ctx, const kohl_file_place *place, const char *doing) {
  int code = errno;
  char text[128] = "";
  if (strerror_r(code, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", code);
  return kohl_fail(ctx, kohl_write_status(code), "%s: %s: %s", place->path, doing, text);
}

kohl_status kohl_place_begin(kohl_context *ctx, const char *path, kohl_file_place *place) {
  *place = (kohl_file_place){NULL, NULL, -1, false};
  kohl_status status = kohl_strdup(ctx, path, &place->path);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, strlen(path) + SUFFIX, 1, "a file name", &place->temporary);
    if (status != KOHL_OK) kohl_free(ctx, place->path);
  }
  return status;
}

kohl_status kohl_place_create(kohl_context *ctx, kohl_file_place *place) {
  struct stat info;
  if (stat(place->path, &info) == 0 && !S_ISREG(info.st_mode)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is %s, expected a regular file or none", place->path,
                     S_ISDIR(info.st_mode) ? "a folder" : "a device or special file");
  }
  size_t size = strlen(place->path) + SUFFIX;
  for (int attempt = 0; attempt < TRIES; attempt++) {
    snprintf(place->temporary, size, "%s.tmp.%ld.%d", place->path, (long)getpid(), attempt);
    place->fd = open(place->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (place->fd >= 0) {
      place->exists = true;
      return KOHL_OK;
    }
    if (errno != EEXIST) break;
  }
  return fail_errno(ctx, place, "creating a temporary file beside it");
}

kohl_status kohl_place_append(kohl_context *ctx, kohl_file_place *place, const void *bytes, size_t n) {
  const char *at = bytes;
  while (n > 0) {
    ssize_t done = write(place->fd, at, n < MOST_BYTES ? n : MOST_BYTES);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_errno(ctx, place, "writing");
    at += done;
    n -= (size_t)done;
  }
  return KOHL_OK;
}

kohl_status kohl_place_patch(kohl_context *ctx, kohl_file_place *place, size_t offset, const void *bytes, size_t n) {
  const char *at = bytes;
  while (n > 0) {
    ssize_t done = pwrite(place->fd, at, n, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_errno(ctx, place, "writing");
    at += done;
    offset += (size_t)done;
    n -= (size_t)done;
  }
  return KOHL_OK;
}

/* The folder's own entry must reach the disk too, or a power loss may bring the old name back. */
static kohl_status flush_folder(kohl_context *ctx, kohl_file_place *place) {
  char *folder = place->temporary; /* no longer needed: the file has its name */
  strcpy(folder, place->path);
  char *slash = strrchr(folder, '/');
  if (!slash) {
    strcpy(folder, ".");
  } else {
    slash[slash == folder] = 0; /* "/file" lies in "/" */
  }
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail_errno(ctx, place, "the file was written, but opening its folder to flush it failed");
  kohl_status status = KOHL_OK;
  /* EINVAL: a file system without fsync for folders, where nothing more can be done. */
  if (fsync(fd) != 0 && errno != EINVAL) {
    status = fail_errno(ctx, place, "the file was written, but flushing its folder to disk failed");
  }
  close(fd);
  return status;
}

kohl_status kohl_place_commit(kohl_context *ctx, kohl_file_place *place) {
  if (fsync(place->fd) != 0) return fail_errno(ctx, place, "flushing to disk");
  int fd = place->fd;
  place->fd = -1;
  if (close(fd) != 0) return fail_errno(ctx, place, "closing");
  if (rename(place->temporary, place->path) != 0) return fail_errno(ctx, place, "renaming the temporary file to it");
  place->exists = false;
  return flush_folder(ctx, place);
}

/* Is it NAME.tmp.PID.N with such an ending, and is the process gone? */
static bool is_stale(const char *name, const char *const *endings, size_t count) {
  static const char infix[] = ".tmp.";
  const char *at = strstr(name, infix), *pid, *number;
  char *end;
  if (!at || at == name) return false;
  pid = at + sizeof infix - 1;
  const size_t digits = strspn(pid, "0123456789");
  if (digits < 1 || digits > 9 || pid[digits] != '.') return false;
  number = pid + digits + 1;
  if (!*number || number[strspn(number, "0123456789")]) return false;
  bool known = false;
  for (size_t i = 0; i < count; i++) {
    const size_t n = strlen(endings[i]);
    known = known || ((size_t)(at - name) > n && strncmp(at - n, endings[i], n) == 0);
  }
  const long process = strtol(pid, &end, 10);
  return known && process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

int kohl_place_sweep(const char *folder, const char *const *endings, size_t count) {
  int removed = 0;
  DIR *entries = opendir(folder);
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    struct stat info;
    if (!is_stale(entry->d_name, endings, count)) continue;
    if (fstatat(dirfd(entries), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
    removed += unlinkat(dirfd(entries), entry->d_name, 0) == 0;
  }
  if (entries) closedir(entries);
  return removed;
}

void kohl_place_end(kohl_context *ctx, kohl_file_place *place) {
  if (place->fd >= 0) close(place->fd);
  if (place->exists) unlink(place->temporary);
  kohl_free(ctx, place->path);
  kohl_free(ctx, place->temporary);
  *place = (kohl_file_place){NULL, NULL, -1, false};
}
