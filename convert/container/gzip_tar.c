/* Blocks of 512 bytes out of a deflate stream; see gzip_tar.h. */
#include "convert/container/gzip_tar.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "nn/json.h"

enum { BLOCK = 512, SCRATCH = 1 << 16, SPARE = 64 << 20, GZIP_ONLY = 16 + MAX_WBITS, FEED = 1 << 20 };

struct kohl_gzip_tar {
  kohl_context *ctx;
  const char *path;
  z_stream stream;
  bool started, ended; /* zlib's state is there; the gzip stream is at its end */
  const uint8_t *feed; /* what zlib has not been given yet */
  size_t feed_left, unpacked, most;
  size_t left, padding; /* of the current member */
  size_t members;
  char name[KOHL_TAR_NAME + 1], long_name[KOHL_TAR_NAME + 1]; /* long_name: said by a member before, or "" */
  uint8_t scratch[SCRATCH];
};

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static void *allocate(void *user, unsigned count, unsigned size) {
  void *memory;
  return kohl_alloc(user, count, size, "gzip's window", &memory) == KOHL_OK ? memory : NULL;
}

static void release(void *user, void *memory) { kohl_free(user, memory); }

kohl_status kohl_gzip_tar_open(kohl_context *ctx, const char *path, const uint8_t *bytes, size_t length,
                               kohl_gzip_tar **out) {
  kohl_gzip_tar *tar;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *tar, "a packed archive", &tar);
  if (status) return status;
  tar->ctx = ctx;
  tar->path = path;
  tar->feed = bytes;
  tar->feed_left = length;
  tar->most = length > (SIZE_MAX - SPARE) / KOHL_TAR_RATIO ? SIZE_MAX : length * KOHL_TAR_RATIO + SPARE;
  tar->stream = (z_stream){.zalloc = allocate, .zfree = release, .opaque = ctx};
  if (inflateInit2(&tar->stream, GZIP_ONLY) != Z_OK) {
    kohl_free(ctx, tar);
    return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: no memory to unpack it", path);
  }
  tar->started = true;
  *out = tar;
  return KOHL_OK;
}

void kohl_gzip_tar_close(kohl_gzip_tar *tar) {
  if (!tar) return;
  if (tar->started) inflateEnd(&tar->stream);
  kohl_free(tar->ctx, tar);
}

static kohl_status fail_stream(kohl_gzip_tar *tar, int code) {
  if (code == Z_MEM_ERROR) return kohl_fail(tar->ctx, KOHL_NO_RESOURCE, "%s: no memory to unpack it", tar->path);
  if (code == Z_BUF_ERROR) return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: the gzip stream breaks off", tar->path);
  return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: the gzip stream is damaged: %s", tar->path,
                   tar->stream.msg ? tar->stream.msg : "expected another header");
}

/* Unpacks n bytes; fewer are *got only at the end of the stream. */
static kohl_status unpack(kohl_gzip_tar *tar, uint8_t *out, size_t n, size_t *got) {
  for (*got = 0; *got < n && !tar->ended;) {
    size_t want = n - *got < FEED ? n - *got : FEED;
    if (tar->stream.avail_in == 0 && tar->feed_left) {
      size_t given = tar->feed_left < FEED ? tar->feed_left : FEED;
      tar->stream.next_in = (Bytef *)(uintptr_t)tar->feed; /* zlib does not write there */
      tar->stream.avail_in = (uInt)given;
      tar->feed += given;
      tar->feed_left -= given;
      kohl_status status = kohl_check_cancel(tar->ctx);
      if (status) return status;
    }
    tar->stream.next_out = out + *got;
    tar->stream.avail_out = (uInt)want;
    int code = inflate(&tar->stream, Z_NO_FLUSH);
    *got += want - tar->stream.avail_out;
    tar->unpacked += want - tar->stream.avail_out;
    tar->ended = code == Z_STREAM_END;
    if (code != Z_OK && !tar->ended) return fail_stream(tar, code);
    if (tar->unpacked > tar->most)
      return kohl_fail(tar->ctx, KOHL_BAD_INPUT,
                       "%s: unpacks to more than %zu bytes, expected less than %d times its size", tar->path, tar->most,
                       KOHL_TAR_RATIO);
  }
  return KOHL_OK;
}

static kohl_status pull(kohl_gzip_tar *tar, uint8_t *out, size_t n, const char *where) {
  size_t got;
  kohl_status status = unpack(tar, out, n, &got);
  if (!status && got < n)
    status = kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: the tar archive ends inside %s", tar->path, where);
  return status;
}

static kohl_status pass(kohl_gzip_tar *tar, size_t n) {
  kohl_status status = KOHL_OK;
  while (n > 0 && !status) {
    size_t part = n < SCRATCH ? n : SCRATCH;
    status = pull(tar, tar->scratch, part, "a file");
    n -= part;
  }
  return status;
}

/* An octal number, padded with spaces or zeros at either end. */
static bool read_octal(const uint8_t *text, size_t n, size_t *out) {
  size_t i = 0;
  *out = 0;
  while (i < n && text[i] == ' ') i++;
  if (i == n || text[i] < '0' || text[i] > '7') return false;
  for (; i < n && text[i] >= '0' && text[i] <= '7'; i++)
    *out = *out * 8 + (size_t)(text[i] - '0'); /* 36 bits at most */
  for (; i < n; i++)
    if (text[i] != ' ' && text[i] != 0) return false;
  return true;
}

/* Sizes, sums and names lie at these places of a header. */
enum {
  SIZE_AT = 124,
  SUM_AT = 148,
  TYPE_AT = 156,
  MAGIC_AT = 257,
  PREFIX_AT = 345,
  NAME_ROOM = 100,
  PREFIX_ROOM = 155
};

static kohl_status check_header(kohl_gzip_tar *tar, const uint8_t *block, size_t *size) {
  size_t sum = 0, said;
  for (size_t i = 0; i < BLOCK; i++) sum += i >= SUM_AT && i < SUM_AT + 8 ? ' ' : block[i];
  if (memcmp(block + MAGIC_AT, "ustar", 5) != 0)
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: is packed with gzip, but holds no tar archive at byte %zu",
                     tar->path, tar->unpacked - BLOCK);
  if (!read_octal(block + SUM_AT, 8, &said) || said != sum)
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: the header at byte %zu of the tar archive has a wrong sum",
                     tar->path, tar->unpacked - BLOCK);
  if (!read_octal(block + SIZE_AT, 12, size))
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: the header at byte %zu of the tar archive has no octal size",
                     tar->path, tar->unpacked - BLOCK);
  return KOHL_OK;
}

/* The name in a header; only POSIX's form has a prefix. */
static void read_name(kohl_gzip_tar *tar, const uint8_t *block) {
  const char *name = (const char *)block, *prefix = name + PREFIX_AT;
  int length = (int)strnlen(name, NAME_ROOM), before = (int)strnlen(prefix, PREFIX_ROOM);
  if (tar->long_name[0])
    snprintf(tar->name, sizeof tar->name, "%s", tar->long_name);
  else if (block[MAGIC_AT + 5] == 0 && before)
    snprintf(tar->name, sizeof tar->name, "%.*s/%.*s", before, prefix, length, name);
  else
    snprintf(tar->name, sizeof tar->name, "%.*s", length, name);
  tar->long_name[0] = 0;
  while (strncmp(tar->name, "./", 2) == 0) memmove(tar->name, tar->name + 2, strlen(tar->name + 2) + 1);
}

/* No way out of the archive, and fit for one line of a message. */
static bool is_inside(const char *name) {
  if (name[0] == '/') return false;
  for (const char *at = name; *at; at++)
    if ((unsigned char)*at < 32 || *at == 127) return false;
  for (const char *at = strstr(name, ".."); at; at = strstr(at + 1, ".."))
    if ((at == name || at[-1] == '/') && (at[2] == 0 || at[2] == '/')) return false;
  return true;
}

/* The "path" among records "LENGTH KEY=VALUE\n". */
static bool read_pax(const char *text, size_t length, char *path, bool *has_size) {
  for (size_t at = 0; at < length;) {
    size_t n = 0, digits = 0;
    while (digits < 6 && at + digits < length && text[at + digits] >= '0' && text[at + digits] <= '9')
      n = n * 10 + (size_t)(text[at + digits++] - '0');
    if (n > length - at || n < digits + 3 || text[at + digits] != ' ' || text[at + n - 1] != '\n') return false;
    const char *key = text + at + digits + 1, *end = text + at + n - 1, *equals = memchr(key, '=', (size_t)(end - key));
    if (!equals) return false;
    if (equals - key == 4 && memcmp(key, "size", 4) == 0) *has_size = true;
    if (equals - key == 4 && memcmp(key, "path", 4) == 0) {
      size_t bytes = (size_t)(end - equals - 1);
      if (!bytes || bytes > KOHL_TAR_NAME || memchr(equals, 0, bytes + 1)) return false;
      memcpy(path, equals + 1, bytes);
      path[bytes] = 0;
    }
    at += n;
  }
  return true;
}

/* A member that only speaks of the next one. */
static kohl_status read_note(kohl_gzip_tar *tar, char type, size_t size) {
  char *text = (char *)tar->scratch;
  bool has_size = false, good = true;
  if (size > SCRATCH)
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: a note of the tar archive has %zu bytes, expected at most %d",
                     tar->path, size, SCRATCH);
  kohl_status status = pull(tar, tar->scratch, size, "a note");
  if (status) return status;
  if (type == 'x') {
    good = read_pax(text, size, tar->long_name, &has_size) && !has_size;
  } else if (type == 'L') {
    size_t n = strnlen(text, size);
    good = n > 0 && n <= KOHL_TAR_NAME && n < size;
    if (good) memcpy(tar->long_name, text, n + 1);
  }
  if (!good)
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: the note at byte %zu of the tar archive is malformed%s", tar->path,
                     tar->unpacked - size, has_size ? ": sizes of this kind are not read" : "");
  return pass(tar, (BLOCK - size % BLOCK) % BLOCK);
}

/* Behind the last member: zeros, the end of the stream, the end of the file. */
static kohl_status read_end(kohl_gzip_tar *tar) {
  size_t got = 1;
  kohl_status status = KOHL_OK;
  while (!tar->ended && !status) {
    status = unpack(tar, tar->scratch, SCRATCH, &got);
    for (size_t i = 0; i < got && !status; i++)
      if (tar->scratch[i])
        status = kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: bytes follow the end of the tar archive, expected zeros",
                           tar->path);
  }
  if (!status && (tar->stream.avail_in || tar->feed_left))
    status = kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: %zu bytes follow the gzip stream", tar->path,
                       tar->stream.avail_in + tar->feed_left);
  return status;
}

static kohl_status check_member(kohl_gzip_tar *tar, char type, size_t size) {
  if (!tar->name[0] || !is_inside(tar->name))
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: member '%s' of the tar archive: expected a name inside of it, without control characters",
                     tar->path, QUOTE(tar->name));
  if (type != '0' && type != 0 && type != '5')
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT,
                     "%s: member '%s' of the tar archive has type '%s', expected a file or folder", tar->path,
                     QUOTE(tar->name), kohl_quote(&type, 1).text);
  if (type == '5' && size)
    return kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: folder '%s' of the tar archive has %zu bytes, expected 0",
                     tar->path, QUOTE(tar->name), size);
  return KOHL_OK;
}

kohl_status kohl_gzip_tar_next(kohl_gzip_tar *tar, const char **name, size_t *length) {
  static const uint8_t zeros[BLOCK];
  uint8_t block[BLOCK];
  size_t size = 0;
  *name = NULL;
  *length = 0;
  kohl_status status = pass(tar, tar->left);
  if (!status) status = pass(tar, tar->padding);
  tar->left = tar->padding = 0;
  while (!status) {
    status = pull(tar, block, BLOCK, "a header");
    if (!status && memcmp(block, zeros, BLOCK) == 0) return read_end(tar);
    if (!status) status = check_header(tar, block, &size);
    if (!status && ++tar->members > KOHL_TAR_MEMBERS)
      status = kohl_fail(tar->ctx, KOHL_BAD_INPUT, "%s: more than %d members", tar->path, KOHL_TAR_MEMBERS);
    char type = (char)block[TYPE_AT];
    if (!status && (type == 'x' || type == 'g' || type == 'L')) {
      status = read_note(tar, type, size);
      continue;
    }
    if (status) break;
    read_name(tar, block);
    status = check_member(tar, type, size);
    if (!status && type != '5') {
      tar->left = size;
      tar->padding = (BLOCK - size % BLOCK) % BLOCK;
      *name = tar->name;
      *length = size;
      break;
    }
  }
  return status;
}

kohl_status kohl_gzip_tar_read(kohl_gzip_tar *tar, void *out, size_t n) {
  if (n > tar->left)
    return kohl_fail(tar->ctx, KOHL_USAGE, "%s: %zu bytes asked for, %zu are left", tar->path, n, tar->left);
  tar->left -= n;
  return pull(tar, out, n, "a file");
}
