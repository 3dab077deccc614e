/* Class names, a line each; see labels.h.  Numbers stand in where there is no file: they cannot be mistaken for names.
 */
#include "convert/labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "nn/keys.h"

enum { MOST_BYTES = 16 << 20 };

void kohl_labels_free(kohl_context *ctx, char **labels, size_t count) {
  for (size_t i = 0; labels && i < count; i++) kohl_free(ctx, labels[i]);
  kohl_free(ctx, labels);
}

static kohl_status read_text(kohl_context *ctx, const char *path, char **text, size_t *length) {
  kohl_status status = KOHL_OK;
  size_t capacity = 0, got = 1;
  *text = NULL;
  *length = 0;
  FILE *file = fopen(path, "rbe");
  if (!file) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
  while (!status && got > 0 && *length <= MOST_BYTES) {
    status = kohl_grow(ctx, text, &capacity, *length + 4096, 1, "the labels");
    got = status ? 0 : fread(*text + *length, 1, capacity - *length, file);
    *length += got;
  }
  if (!status && ferror(file)) status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be read", path);
  if (!status && *length > MOST_BYTES)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %d bytes, expected a list of class names", path, MOST_BYTES);
  fclose(file);
  return status;
}

static kohl_status check_line(kohl_context *ctx, const char *path, size_t line, const char *text, size_t length) {
  if (length == 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: is empty, expected a class name", path, line);
  for (size_t i = 0; i < length;) {
    size_t bytes = kohl_utf8_character(text + i, length - i);
    if (bytes == 0 || (unsigned char)text[i] < 32)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: byte 0x%02x at column %zu, expected UTF-8 text", path, line,
                       (unsigned char)text[i], i + 1);
    i += bytes;
  }
  return KOHL_OK;
}

static kohl_status check_unique(kohl_context *ctx, const char *path, kohl_key *keys, size_t count) {
  kohl_keys_sort(keys, count);
  const kohl_key *second = kohl_keys_duplicate(keys, count);
  if (!second) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: line %zu: '%s' is the name of line %zu already", path, second->index,
                   kohl_quote(second->text, second->length).text, (second - 1)->index);
}

/* The lines of a text, as keys whose index is the line number; those beyond `most` are only counted. */
static kohl_status split(kohl_context *ctx, const char *path, const char *text, size_t length, size_t most,
                         kohl_key *keys, size_t *count) {
  size_t at = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  *count = 0;
  while (at < length) {
    const char *newline = memchr(text + at, '\n', length - at);
    size_t end = newline ? (size_t)(newline - text) : length, bytes = end - at;
    if (bytes > 0 && text[end - 1] == '\r') bytes--;
    if (*count < most) {
      kohl_status status = check_line(ctx, path, *count + 1, text + at, bytes);
      if (status) return status;
      keys[*count] = (kohl_key){text + at, bytes, *count + 1};
    }
    ++*count;
    at = end + 1;
  }
  return KOHL_OK;
}

static kohl_status copy(kohl_context *ctx, const kohl_key *keys, size_t count, char **labels) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < count && !status; i++) {
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    size_t length = keys ? keys[i].length : strlen(number);
    status = kohl_alloc(ctx, length + 1, 1, "a label", &labels[i]);
    if (!status) memcpy(labels[i], keys ? keys[i].text : number, length);
  }
  return status;
}

static kohl_status read_keys(kohl_context *ctx, const char *path, size_t count, const char *text, size_t length,
                             kohl_key *keys, char **labels) {
  size_t lines;
  kohl_status status = split(ctx, path, text, length, count, keys, &lines);
  if (status) return status;
  if (lines != count)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu labels, expected %zu, one for each class of the network", path,
                     lines, count);
  status = copy(ctx, keys, count, labels);
  return status ? status : check_unique(ctx, path, keys, count);
}

kohl_status kohl_labels_read(kohl_context *ctx, const char *path, size_t count, char ***out) {
  char **labels = NULL, *text = NULL;
  kohl_key *keys = NULL;
  size_t length = 0;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, count, sizeof *labels, "the labels", &labels);
  if (!status && path) {
    status = read_text(ctx, path, &text, &length);
    if (!status) status = kohl_alloc(ctx, count, sizeof *keys, "the labels", &keys);
    if (!status) status = read_keys(ctx, path, count, text, length, keys, labels);
  } else if (!status) {
    status = copy(ctx, NULL, count, labels);
  }
  kohl_free(ctx, text);
  kohl_free(ctx, keys);
  if (status)
    kohl_labels_free(ctx, labels, count);
  else
    *out = labels;
  return status;
}
