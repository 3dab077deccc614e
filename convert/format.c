/* Formats by their magic bytes, most specific first.  Only as much as tells a user what he holds in his hands. */
#include "convert/format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/crc32c.h"

enum { HEAD = 4096, TAIL = 8 };

typedef struct sample {
  unsigned char head[HEAD], tail[TAIL]; /* first and last bytes, as many as there are */
  size_t head_length, tail_length;
  uint64_t bytes; /* of the file */
} sample;

/* Bytes at an offset of the head; the tail has offset -1. */
static const struct {
  int offset;
  size_t length;
  const char *bytes, *what;
} magics[] = {
    {0, 8, "\x89HDF\r\n\x1a\n", KOHL_FORMAT_KERAS_H5},
    {0, 4, "PK\x03\x04", "a zip archive (PyTorch's .pth or Keras's .keras)"},
    {0, 10, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20", "a PyTorch file of the sequential pickle kind"},
    {257, 5, "ustar", "a tar archive"},
    {0, 2, "\x1f\x8b", "a gzip archive"},
    {0, 4, "GGUF", "a GGUF file"},
    {0, 2, "\x80\x02", "a Python pickle"},
    {0, 2, "\x80\x03", "a Python pickle"},
    {0, 2, "\x80\x04", "a Python pickle"},
    {0, 2, "\x80\x05", "a Python pickle"},
    {-1, 8, "\x57\xfb\x80\x8b\x24\x75\x47\xdb", "a TensorFlow checkpoint"},
    {0, 23, "version https://git-lfs", "a Git LFS pointer in place of the file itself"},
};

static bool has(const sample *s, const char *word) {
  size_t length = strlen(word);
  for (size_t i = 0; i + length <= s->head_length; i++)
    if (memcmp(s->head + i, word, length) == 0) return true;
  return false;
}

static bool is_safetensors(const sample *s) {
  uint64_t header = 0;
  if (s->head_length < 9 || s->head[8] != '{') return false;
  for (int i = 7; i >= 0; i--) header = header << 8 | s->head[i];
  /* A header that is longer than the file is a truncated file, which the reader explains better; but not one whose
   * eight bytes are text. */
  return header < UINT64_C(1) << 32 || header <= s->bytes - 8;
}

static const char *name(const sample *s) {
  if (s->bytes == 0) return "an empty file";
  if (is_safetensors(s)) return "safetensors";
  for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
    const unsigned char *at = magics[i].offset < 0 ? s->tail : s->head + magics[i].offset;
    size_t length = magics[i].offset < 0 ? s->tail_length : s->head_length;
    size_t end = (magics[i].offset < 0 ? 0 : (size_t)magics[i].offset) + magics[i].length;
    if (end <= length && memcmp(at, magics[i].bytes, magics[i].length) == 0) return magics[i].what;
  }
  if (s->head[0] == '{')
    return has(s, "\"modelTopology\"") || has(s, "\"weightsManifest\"") ? "the JSON of a TensorFlow.js model" : "JSON";
  /* ModelProto: field 1 (ir_version, small), then field 2 (producer_name). */
  if (s->head_length > 2 && s->head[0] == 8 && s->head[1] < 32 && s->head[2] == 0x12) return "an ONNX model";
  return "of no known format";
}

/* Reads n bytes or up to the end of the file; *got says how many. */
static kohl_status read_all(kohl_context *ctx, int file, const char *path, void *buffer, size_t n, size_t *got) {
  *got = 0;
  while (*got < n) {
    ssize_t part = read(file, (char *)buffer + *got, n - *got);
    if (part == 0) break;
    if (part < 0 && errno == EINTR) continue;
    if (part < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be read: %s", path, strerror(errno));
    *got += (size_t)part;
  }
  return KOHL_OK;
}

static kohl_status open_regular(kohl_context *ctx, const char *path, int *file, uint64_t *bytes) {
  struct stat info;
  *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* or a fifo without a writer would wait for ever */
  if (*file < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
  if (fstat(*file, &info) == 0 && S_ISREG(info.st_mode)) {
    *bytes = (uint64_t)info.st_size;
    return KOHL_OK;
  }
  close(*file);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is not a regular file", path);
}

kohl_status kohl_format_recognise(kohl_context *ctx, const char *path, const char **what, bool *readable) {
  sample s;
  int file;
  kohl_status status = open_regular(ctx, path, &file, &s.bytes);
  if (status) return status;
  s.tail_length = s.bytes < TAIL ? (size_t)s.bytes : TAIL;
  status = read_all(ctx, file, path, s.head, HEAD, &s.head_length);
  if (!status && lseek(file, -(off_t)s.tail_length, SEEK_END) >= 0)
    status = read_all(ctx, file, path, s.tail, TAIL, &s.tail_length);
  close(file);
  if (status) return status;
  *what = name(&s);
  *readable = strcmp(*what, "safetensors") == 0 || strcmp(*what, KOHL_FORMAT_KERAS_H5) == 0;
  return KOHL_OK;
}

kohl_status kohl_format_crc32c(kohl_context *ctx, const char *path, uint32_t *crc) {
  unsigned char buffer[1 << 14];
  int file;
  uint64_t bytes;
  size_t got;
  *crc = 0;
  kohl_status status = open_regular(ctx, path, &file, &bytes);
  if (status) return status;
  do {
    status = read_all(ctx, file, path, buffer, sizeof buffer, &got);
    if (!status) *crc = kohl_crc32c(*crc, buffer, got);
  } while (!status && got == sizeof buffer);
  close(file);
  return status;
}
