/* A list of published files as JSON; see manifest.h. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "convert/fetch/manifest.h"
#include "nn/json.h"
#include "nn/keys.h"

typedef enum field_kind { TEXT, COUNT, FLAG } field_kind;

/* What an entry has, and what its value must be, for the text of an error. */
static const struct {
  const char *key;
  field_kind kind;
  size_t at;
  bool needed;
  const char *expected;
} fields[] = {
    {"name", TEXT, offsetof(kohl_fetch_file, name), true, "1 to 64 letters, digits and ._-"},
    {"file", TEXT, offsetof(kohl_fetch_file, file), true, "a plain file name of letters, digits and ._+-"},
    {"address", TEXT, offsetof(kohl_fetch_file, address), true, "http://..., https://... or npm:PACKAGE@VERSION"},
    {"arch", TEXT, offsetof(kohl_fetch_file, arch), false, "letters, digits and ._-"},
    {"preset", TEXT, offsetof(kohl_fetch_file, preset), false, "letters, digits and ._-"},
    {"inside", TEXT, offsetof(kohl_fetch_file, inside), false, "a plain file name of letters, digits and ._+-"},
    {"digest", TEXT, offsetof(kohl_fetch_file, digest), false,
     "sha256: with 64 hexadecimal digits or the first 8, or md5: with 32"},
    {"licence", TEXT, offsetof(kohl_fetch_file, licence), false, "at most 128 bytes of text"},
    {"bytes", COUNT, offsetof(kohl_fetch_file, bytes), false, "a size of at most 4 GiB"},
    {"no_top", FLAG, offsetof(kohl_fetch_file, no_top), false, "true or false"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static const char empty[] = "";

static const char **text_of(kohl_fetch_file *file, size_t field) {
  return (const char **)(void *)((char *)file + fields[field].at);
}

void kohl_fetch_manifest_free(kohl_context *ctx, kohl_fetch_manifest *manifest) {
  for (size_t i = 0; manifest->owned && i < manifest->count; i++) {
    for (size_t f = 0; f < FIELDS; f++) {
      const char *text = fields[f].kind == TEXT ? *text_of(&manifest->owned[i], f) : empty;
      if (text != empty) kohl_free(ctx, (void *)(uintptr_t)text);
    }
  }
  kohl_free(ctx, manifest->owned);
  *manifest = (kohl_fetch_manifest){NULL, 0, NULL, 0};
}

static kohl_status read_value(kohl_json *json, size_t field, kohl_fetch_file *file) {
  char *copy = NULL;
  kohl_json_event event = kohl_json_next(json);
  if (event == KOHL_JSON_ERROR) return json->status;
  if (fields[field].kind == COUNT) return kohl_json_get_uint64(json, &file->bytes);
  if (fields[field].kind == FLAG && (event == KOHL_JSON_TRUE || event == KOHL_JSON_FALSE)) {
    file->no_top = event == KOHL_JSON_TRUE;
    return KOHL_OK;
  }
  if (fields[field].kind == FLAG || event != KOHL_JSON_STRING)
    return kohl_json_fail(json, "%s: is %s, expected %s", fields[field].key, kohl_json_event_name(event),
                          fields[field].expected);
  kohl_status status = kohl_json_copy_text(json, &copy);
  if (!status) *text_of(file, field) = copy;
  return status;
}

static kohl_status check(kohl_json *json, const kohl_fetch_file *file) {
  const char *key = kohl_fetch_file_check(file);
  for (size_t f = 0; key && f < FIELDS; f++) {
    if (strcmp(fields[f].key, key)) continue;
    if (fields[f].kind != TEXT)
      return kohl_json_fail(json, "%s: %llu, expected %s", key, (unsigned long long)file->bytes, fields[f].expected);
    const char *text = *text_of((kohl_fetch_file *)(uintptr_t)file, f);
    return kohl_json_fail(json, "%s: '%s', expected %s", key, kohl_quote(text, strlen(text)).text, fields[f].expected);
  }
  return KOHL_OK;
}

/* The object has begun. */
static kohl_status read_file(kohl_json *json, kohl_fetch_file *file) {
  bool seen[FIELDS] = {false};
  for (size_t f = 0; f < FIELDS; f++)
    if (fields[f].kind == TEXT) *text_of(file, f) = empty;
  while (kohl_json_next(json) == KOHL_JSON_KEY) {
    size_t field = 0;
    while (field < FIELDS && !kohl_json_is(json, fields[field].key)) field++;
    if (field == FIELDS)
      return kohl_json_fail(json,
                            "unknown key '%s', expected name, file, inside, address, arch, preset, no_top, bytes, "
                            "digest or licence",
                            kohl_quote(json->text, json->text_length).text);
    if (seen[field]) return kohl_json_fail(json, "%s: stands here again", fields[field].key);
    seen[field] = true;
    kohl_status status = read_value(json, field, file);
    if (status) return status;
  }
  if (json->status) return json->status;
  for (size_t f = 0; f < FIELDS; f++)
    if (fields[f].needed && !seen[f]) return kohl_json_fail(json, "%s: is missing", fields[f].key);
  return check(json, file);
}

static kohl_status read_files(kohl_json *json, kohl_fetch_manifest *out) {
  kohl_status status = kohl_json_expect(json, KOHL_JSON_ARRAY_BEGIN);
  while (!status && kohl_json_next(json) == KOHL_JSON_OBJECT_BEGIN) {
    if (out->count == KOHL_FETCH_FILES) return kohl_json_fail(json, "more than %d files", KOHL_FETCH_FILES);
    status = kohl_grow(json->ctx, &out->owned, &out->capacity, out->count + 1, sizeof *out->owned, "the manifest");
    if (!status) status = read_file(json, &out->owned[out->count++]);
  }
  if (!status && json->status == KOHL_OK && json->event != KOHL_JSON_ARRAY_END)
    return kohl_json_fail(json, "files: %s, expected objects", kohl_json_event_name(json->event));
  return status ? status : json->status;
}

/* A second entry of the same name or file would never be found, or take the other one's place. */
static kohl_status check_unique(kohl_context *ctx, const kohl_fetch_manifest *out, size_t field) {
  kohl_key *keys;
  kohl_status status = kohl_alloc(ctx, out->count, sizeof *keys, "the manifest", &keys);
  if (status) return status;
  for (size_t i = 0; i < out->count; i++) {
    const char *text = *text_of(&out->owned[i], field);
    keys[i] = (kohl_key){text, strlen(text), i};
  }
  kohl_keys_sort(keys, out->count);
  const kohl_key *second = kohl_keys_duplicate(keys, out->count);
  if (second)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%s' is that of two entries", fields[field].key, second->text);
  kohl_free(ctx, keys);
  return status;
}

kohl_status kohl_fetch_manifest_parse(kohl_context *ctx, const char *path, const char *bytes, size_t length,
                                      kohl_fetch_manifest *out) {
  kohl_json json;
  bool seen = false;
  *out = (kohl_fetch_manifest){NULL, 0, NULL, 0};
  kohl_json_open(&json, ctx, bytes, length);
  kohl_status status = kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (!status && kohl_json_next(&json) == KOHL_JSON_KEY) {
    if (seen || !kohl_json_is(&json, "files"))
      status = kohl_json_fail(&json, "key '%s', expected files, once", kohl_quote(json.text, json.text_length).text);
    else
      status = read_files(&json, out);
    seen = true;
  }
  if (!status) status = json.status;
  if (!status) status = kohl_json_expect(&json, KOHL_JSON_END);
  if (!status && out->count == 0) status = kohl_fail(ctx, KOHL_BAD_INPUT, "no files, expected at least one");
  for (size_t f = 0; f < 2 && !status; f++) status = check_unique(ctx, out, f);
  out->files = out->owned;
  kohl_json_close(&json);
  if (status) kohl_fail_prefix(ctx, "%s", path);
  return status;
}

static kohl_status load(kohl_context *ctx, const char *path, int fd, char *bytes, size_t *length) {
  *length = 0;
  for (ssize_t n = 1; n != 0 && *length <= KOHL_FETCH_BYTES;) {
    n = read(fd, bytes + *length, KOHL_FETCH_BYTES + 1 - *length);
    if (n < 0 && errno != EINTR) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be read: %s", path, strerror(errno));
    *length += n < 0 ? 0 : (size_t)n;
  }
  if (*length <= KOHL_FETCH_BYTES) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %d bytes, expected a manifest", path, KOHL_FETCH_BYTES);
}

kohl_status kohl_fetch_manifest_read(kohl_context *ctx, const char *path, kohl_fetch_manifest *out) {
  struct stat info;
  char *bytes = NULL;
  size_t length = 0;
  *out = (kohl_fetch_manifest){NULL, 0, NULL, 0};
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
  kohl_status status = KOHL_OK;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is no regular file, expected a manifest", path);
  if (!status) status = kohl_alloc(ctx, KOHL_FETCH_BYTES + 1, 1, "the manifest", &bytes);
  if (!status) status = load(ctx, path, fd, bytes, &length);
  close(fd);
  if (!status) status = kohl_fetch_manifest_parse(ctx, path, bytes, length, out);
  kohl_free(ctx, bytes);
  return status;
}
