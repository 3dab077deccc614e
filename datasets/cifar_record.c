/* One record's pixels out of its file. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "datasets/cifar.h"
#include "datasets/file.h"
#include "kernels/core/alloc.h"

/* Characters below 256 back to bytes; false where they are not `count` of them. */
static bool decode_latin(const uint8_t *text, size_t length, uint8_t *out, size_t count) {
  size_t made = 0;
  for (size_t at = 0; at < length && made < count; made++) {
    uint8_t lead = text[at++];
    if (lead >= 0x80) {
      if ((lead != 0xc2 && lead != 0xc3) || at == length || (text[at] & 0xc0) != 0x80) return false;
      lead = (uint8_t)((lead & 3) << 6 | (text[at++] & 0x3f));
    }
    out[made] = lead;
  }
  return made == count;
}

static kohl_status read_at(kohl_context *ctx, const char *path, uint64_t begin, uint8_t *bytes, size_t length) {
  int fd;
  size_t size, have = 0, got = 1;
  kohl_status status = kohl_file_open(ctx, path, &fd, &size);
  if (status != KOHL_OK) return status;
  if (lseek(fd, (off_t)begin, SEEK_SET) < 0) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be read: %s", path, strerror(errno));
  }
  for (; status == KOHL_OK && have < length && got; have += got) {
    status = kohl_file_read(ctx, path, fd, bytes + have, length - have, &got);
  }
  close(fd);
  if (status == KOHL_OK && have < length) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: changed since it was listed: it ends inside a record", path);
  }
  return status;
}

kohl_status kohl_record_load(kohl_context *ctx, const kohl_record_file *file, const char *path, uint32_t record,
                             uint8_t **out, size_t *length) {
  size_t pixels = kohl_record_pixels(file);
  uint8_t *text = NULL;
  *out = NULL;
  *length = pixels;
  if (record >= file->count) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: record %u, expected less than %u", path, (unsigned)record,
                     (unsigned)file->count);
  }
  kohl_status status = kohl_alloc(ctx, pixels, 1, path, out);
  if (status == KOHL_OK && !file->text_begin) {
    status = read_at(ctx, path, file->begin + record * file->stride, *out, pixels);
  } else if (status == KOHL_OK) {
    size_t bytes = (size_t)(file->text_begin[record + 1] - file->text_begin[record]);
    status = kohl_alloc(ctx, bytes, 1, path, &text);
    if (status == KOHL_OK) status = read_at(ctx, path, file->text_begin[record], text, bytes);
    if (status == KOHL_OK && !decode_latin(text, bytes, *out, pixels)) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: record %u: changed since it was listed", path, (unsigned)record);
    }
    kohl_free(ctx, text);
  }
  if (status != KOHL_OK) {
    kohl_free(ctx, *out);
    *out = NULL;
  }
  return status;
}
