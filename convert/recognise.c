/* Formats by their magic bytes, most specific first.  Only as much as tells a user what he holds in his hands. */
#include "convert/recognise.h"

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

typedef enum format_id {
#define FORMAT(id, what, reader, help) FORMAT_##id,
#define UNREAD(id, what, help) FORMAT_##id,
#include "convert/formats.def"
#undef FORMAT
#undef UNREAD
} format_id;

#define FORMAT(id, what, reader, help) "; " help
#define UNREAD(id, what, help)
static const char read_formats[] =
#include "convert/formats.def"
    ;
#undef FORMAT
#undef UNREAD

static const kohl_format formats[] = {
#define FORMAT(id, what, reader, help) {what, help, reader},
#define UNREAD(id, what, help) {what, help, NULL},
#include "convert/formats.def"
#undef FORMAT
#undef UNREAD
};

const char *kohl_formats_read(void) { return read_formats + 2; /* behind the first semicolon */ }

/* Bytes at an offset of the head; the tail has offset -1. */
static const struct {
  format_id format;
  int offset;
  size_t length;
  const char *bytes;
} magics[] = {
    {FORMAT_keras_h5, 0, 8, "\x89HDF\r\n\x1a\n"},
    {FORMAT_torch_sequential, 0, 10, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20"},
    {FORMAT_tar, 257, 5, "ustar"},
    {FORMAT_gzip, 0, 2, "\x1f\x8b"},
    {FORMAT_gguf, 0, 4, "GGUF"},
    {FORMAT_pickle, 0, 2, "\x80\x02"},
    {FORMAT_pickle, 0, 2, "\x80\x03"},
    {FORMAT_pickle, 0, 2, "\x80\x04"},
    {FORMAT_pickle, 0, 2, "\x80\x05"},
    {FORMAT_tensorflow, -1, 8, "\x57\xfb\x80\x8b\x24\x75\x47\xdb"},
    {FORMAT_lfs, 0, 23, "version https://git-lfs"},
};

static bool has(const sample *s, const char *word) {
  size_t length = strlen(word);
  for (size_t i = 0; i + length <= s->head_length; i++)
    if (memcmp(s->head + i, word, length) == 0) return true;
  return false;
}

static bool begins(const sample *s, size_t at, const char *word) {
  return at + strlen(word) <= s->head_length && memcmp(s->head + at, word, strlen(word)) == 0;
}

static bool is_safetensors(const sample *s) {
  uint64_t header = 0;
  if (s->head_length < 9 || s->head[8] != '{') return false;
  for (int i = 7; i >= 0; i--) header = header << 8 | s->head[i];
  /* A header that is longer than the file is a truncated file, which the reader explains better; but not one whose
   * eight bytes are text. */
  return header < UINT64_C(1) << 32 || header <= s->bytes - 8;
}

/* Keras's archive begins with one of its three members; the name stands behind 30 bytes of header. */
static format_id zip_kind(const sample *s) {
  bool keras = begins(s, 30, "metadata.json") || begins(s, 30, "config.json") || begins(s, 30, "model.weights.");
  return keras ? FORMAT_keras_archive : FORMAT_zip;
}

/* ModelProto: field 1 (ir_version, small), then producer_name (2), opset_import (8) or the graph (7). */
static bool is_onnx(const sample *s) {
  if (s->head_length < 3 || s->head[0] != 8 || s->head[1] >= 32) return false;
  return s->head[2] == 0x12 || s->head[2] == 0x42 || s->head[2] == 0x3a;
}

static format_id tell(const sample *s) {
  if (s->bytes == 0) return FORMAT_empty;
  if (is_safetensors(s)) return FORMAT_safetensors;
  if (begins(s, 0, "PK\x03\x04")) return zip_kind(s);
  for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
    const unsigned char *at = magics[i].offset < 0 ? s->tail : s->head + magics[i].offset;
    size_t length = magics[i].offset < 0 ? s->tail_length : s->head_length;
    size_t end = (magics[i].offset < 0 ? 0 : (size_t)magics[i].offset) + magics[i].length;
    if (end <= length && memcmp(at, magics[i].bytes, magics[i].length) == 0) return magics[i].format;
  }
  if (s->head[0] == '{' && has(s, "\"weight_map\"") && has(s, "/vars\"")) return FORMAT_keras_shards;
  if (s->head[0] == '{')
    return has(s, "\"modelTopology\"") || has(s, "\"weightsManifest\"") || has(s, "\"layers-model\"") ||
                   has(s, "\"graph-model\"")
               ? FORMAT_tfjs
               : FORMAT_json;
  if (has(s, "typeof exports") || begins(s, 0, "module.exports") || begins(s, 0, "export default"))
    return FORMAT_tfjs_module;
  return is_onnx(s) ? FORMAT_onnx : FORMAT_unknown;
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

kohl_status kohl_format_recognise(kohl_context *ctx, const char *path, kohl_format *format) {
  sample s;
  int file;
  kohl_status status = open_regular(ctx, path, &file, &s.bytes);
  if (status) return status;
  s.tail_length = s.bytes < TAIL ? (size_t)s.bytes : TAIL;
  status = read_all(ctx, file, path, s.head, HEAD, &s.head_length);
  if (!status && lseek(file, -(off_t)s.tail_length, SEEK_END) >= 0)
    status = read_all(ctx, file, path, s.tail, TAIL, &s.tail_length);
  close(file);
  if (!status) *format = formats[tell(&s)];
  return status;
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
