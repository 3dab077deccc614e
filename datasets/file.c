/* Regular files read whole. */
#include "datasets/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/alloc.h"

static const char *kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

static kohl_status fail_open(kohl_context *ctx, const char *path, int error) {
  if (error == ENXIO) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a socket or device, expected a regular file", path);
  bool resource = error == EMFILE || error == ENFILE || error == ENOMEM;
  return kohl_fail(ctx, resource ? KOHL_NO_RESOURCE : KOHL_BAD_INPUT, "%s: cannot be opened: %s", path,
                   strerror(error));
}

kohl_status kohl_file_open(kohl_context *ctx, const char *path, int *fd, size_t *bytes) {
  do {
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  } while (*fd < 0 && errno == EINTR);
  if (*fd < 0) return fail_open(ctx, path, errno);
  struct stat st;
  kohl_status status = KOHL_OK;
  if (fstat(*fd, &st) != 0) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be looked at: %s", path, strerror(errno));
  } else if (!S_ISREG(st.st_mode)) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %s, expected a regular file", path, kind_of(st.st_mode));
  }
  if (status != KOHL_OK) {
    close(*fd);
    *fd = -1;
    return status;
  }
  *bytes = (size_t)st.st_size;
  return KOHL_OK;
}

kohl_status kohl_file_read(kohl_context *ctx, const char *path, int fd, void *memory, size_t room, size_t *got) {
  for (;;) {
    ssize_t n = read(fd, memory, room);
    if (n >= 0) {
      *got = (size_t)n;
      return KOHL_OK;
    }
    if (errno != EINTR) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be read: %s", path, strerror(errno));
  }
}

static kohl_status load(kohl_context *ctx, const char *path, int fd, uint8_t *bytes, size_t length) {
  for (size_t have = 0; have < length;) {
    size_t got;
    kohl_status status = kohl_file_read(ctx, path, fd, bytes + have, length - have, &got);
    if (status != KOHL_OK) return status;
    if (got == 0) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: changed while it was read: %zu of %zu bytes", path, have, length);
    }
    have += got;
  }
  return KOHL_OK;
}

kohl_status kohl_file_load(kohl_context *ctx, const char *path, size_t limit, uint8_t **out, size_t *length) {
  int fd;
  *out = NULL;
  kohl_status status = kohl_file_open(ctx, path, &fd, length);
  if (status != KOHL_OK) return status;
  if (*length > limit) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes, expected at most %zu", path, *length, limit);
  } else {
    status = kohl_alloc(ctx, *length, 1, path, out);
  }
  if (status == KOHL_OK) status = load(ctx, path, fd, *out, *length);
  close(fd);
  if (status != KOHL_OK) {
    kohl_free(ctx, *out);
    *out = NULL;
  }
  return status;
}
