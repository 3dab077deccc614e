/* A disk that fails when it is told to: a shared object for LD_PRELOAD that counts what a program does to the files of
 * one folder, and makes one of these calls fail.  disk.py runs training under it.  Not a model of a file system: what
 * was written stays, and nothing is lost behind a failed fsync.
 *
 *   FAIL_IO_FOLDER  absolute path; only files in it count
 *   FAIL_IO_TRACE   a file outside of it: one line per call, "NUMBER CALL NAME ok" or "... FAILED"
 *   FAIL_IO_AT      number of the first call that fails, from 1; 0: none does
 *   FAIL_IO_MODE    "once", or "on": all calls from there on, like a disk that is full; of the first one that is a
 *                   write half the bytes are still taken
 *   FAIL_IO_ERRNO   the number of the error
 *
 * Counted: opening for writing, opening and flushing the folder, write, pwrite, fsync, close (of what was opened for
 * writing), rename, link.  The C library's own calls cannot be replaced from outside, so that a FILE that is opened for
 * writing becomes one of fopencookie, whose writes come here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH = 4096, LINE = 512 };

/* Is it a file of the folder, or the folder itself? */
static int ours(const char *path) {
  const char *folder = getenv("FAIL_IO_FOLDER");
  size_t n = folder ? strlen(folder) : 0;
  return n && !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

static int ours_fd(int fd, char path[PATH]) {
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(name, path, PATH - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return ours(path);
}

static long number_of(const char *name) {
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : 0;
}

/* Counts a call; true: it fails, errno is set. */
static int fails(const char *call, const char *path) {
  static long count;
  static int trace = -1;
  long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST), at = number_of("FAIL_IO_AT");
  const char *mode = getenv("FAIL_IO_MODE"), *name = getenv("FAIL_IO_TRACE");
  const int fail = at > 0 && (now == at || (now > at && mode && !strcmp(mode, "on")));
  char line[LINE];
  const char *slash = strrchr(path, '/');
  int n =
      snprintf(line, sizeof line, "%ld %s %.300s %s\n", now, call, slash ? slash + 1 : path, fail ? "FAILED" : "ok");
  if (trace < 0 && name)
    trace = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (trace >= 0) (void)!syscall(SYS_write, trace, line, (size_t)n);
  if (fail) errno = (int)number_of("FAIL_IO_ERRNO");
  return fail;
}

int open(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list args;
    va_start(args, flags);
    mode = va_arg(args, mode_t);
    va_end(args);
  }
  const int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY);
  if (writes && ours(path) && fails("open", path)) return -1;
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* Is this the write whose first half still fits? */
static int torn(size_t n) {
  static int done;
  const char *mode = getenv("FAIL_IO_MODE");
  return n > 1 && mode && !strcmp(mode, "on") && !__atomic_exchange_n(&done, 1, __ATOMIC_SEQ_CST);
}

static ssize_t put(int fd, const void *bytes, size_t n, const char *call, const char *path, off_t at) {
  if (fails(call, path)) {
    if (!torn(n)) return -1;
    n /= 2;
  }
  return at < 0 ? syscall(SYS_write, fd, bytes, n) : syscall(SYS_pwrite64, fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n) {
  char path[PATH];
  return ours_fd(fd, path) ? put(fd, bytes, n, "write", path, -1) : syscall(SYS_write, fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
  char path[PATH];
  return ours_fd(fd, path) ? put(fd, bytes, n, "pwrite", path, at) : syscall(SYS_pwrite64, fd, bytes, n, at);
}

int fsync(int fd) {
  char path[PATH];
  return ours_fd(fd, path) && fails("fsync", path) ? -1 : (int)syscall(SYS_fsync, fd);
}

/* A close that fails has closed all the same. */
int close(int fd) {
  char path[PATH];
  int flags = fcntl(fd, F_GETFL), fail = 0, code = errno;
  if (flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && ours_fd(fd, path)) fail = fails("close", path), code = errno;
  int result = (int)syscall(SYS_close, fd);
  if (!fail) return result;
  errno = code;
  return -1;
}

int rename(const char *from, const char *to) {
  return ours(to) && fails("rename", to) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int link(const char *from, const char *to) {
  return ours(to) && fails("link", to) ? -1 : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

static ssize_t cookie_write(void *cookie, const char *bytes, size_t n) {
  for (size_t at = 0; at < n;) {
    ssize_t done = write((int)(intptr_t)cookie, bytes + at, n - at);
    if (done < 0) return 0; /* an error of the stream; errno stays */
    at += (size_t)done;
  }
  return (ssize_t)n;
}

static int cookie_close(void *cookie) { return close((int)(intptr_t)cookie); }

FILE *fopen(const char *path, const char *mode) {
  if (!ours(path) || !strpbrk(mode, "wa")) {
    FILE *(*next)(const char *, const char *);
    *(void **)&next = dlsym(RTLD_NEXT, "fopen");
    return next(path, mode);
  }
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (*mode == 'w' ? O_TRUNC : O_APPEND), 0666);
  if (fd < 0) return NULL;
  return fopencookie((void *)(intptr_t)fd, "w", (cookie_io_functions_t){.write = cookie_write, .close = cookie_close});
}
