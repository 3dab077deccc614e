/* Copying a file from a folder; see local.h. */
#include "convert/fetch/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20 };

static kohl_status copy(kohl_context *ctx, const char *path, int fd, uint64_t bytes, uint64_t most, char *buffer,
                        const kohl_fetch_meter *meter, kohl_cache_file *file) {
  kohl_fetch_progress progress = {KOHL_FETCH_GETS, 0, bytes, 0};
  for (;;) {
    ssize_t n = read(fd, buffer, PIECE);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return kohl_cache_fail(ctx, path, "reading");
    if (n == 0) return KOHL_OK;
    if ((uint64_t)n > most - file->have)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %llu bytes", path, (unsigned long long)most);
    kohl_status status = kohl_cache_append(ctx, file, buffer, (size_t)n);
    progress.done = file->have;
    if (!status && meter->show) meter->show(&progress, meter->user);
    if (!status) status = kohl_check_cancel(ctx);
    if (status) return status;
  }
}

kohl_status kohl_local_copy(kohl_context *ctx, const char *folder, const char *name, uint64_t most,
                            const kohl_fetch_meter *meter, kohl_cache_file *file) {
  size_t length = strlen(folder) + strlen(name) + 2;
  char *path, *buffer = NULL;
  int fd = -1;
  uint64_t bytes = 0;
  kohl_status status = kohl_alloc(ctx, length, 1, "a file name", &path);
  if (status) return status;
  snprintf(path, length, "%s/%s", folder, name);
  status = kohl_cache_empty(ctx, file);
  if (!status) status = kohl_alloc(ctx, PIECE, 1, "a file", &buffer);
  if (!status) status = kohl_cache_look(ctx, path, &fd, &bytes);
  if (!status) status = copy(ctx, path, fd, bytes, most, buffer, meter, file);
  if (fd >= 0) close(fd);
  kohl_free(ctx, buffer);
  kohl_free(ctx, path);
  return status;
}

static int hex_digit(char c) {
  static const char digits[] = "0123456789abcdef0123456789ABCDEF";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) % 16 : -1;
}

kohl_status kohl_local_folder(kohl_context *ctx, const char *address, char **out) {
  const char *from = address + strlen("file://");
  if (!strncmp(from, "localhost/", 10)) from += 9;
  *out = NULL;
  if (*from != '/') return kohl_fail(ctx, KOHL_USAGE, "%s: names another machine, expected file:///FOLDER", address);
  kohl_status status = kohl_strdup(ctx, from, out);
  if (status) return status;
  char *to = *out;
  for (; *from; from++) {
    int high = *from == '%' ? hex_digit(from[1]) : 0, low = *from == '%' && high >= 0 ? hex_digit(from[2]) : 0;
    if (high < 0 || low < 0 || (*from == '%' && high + low == 0)) {
      kohl_free(ctx, *out);
      *out = NULL;
      return kohl_fail(ctx, KOHL_USAGE, "%s: %% without two hexadecimal digits", address);
    }
    *to++ = *from == '%' ? (char)(high * 16 + low) : *from;
    from += *from == '%' ? 2 : 0;
  }
  *to = 0;
  return KOHL_OK;
}
