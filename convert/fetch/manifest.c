/* The list of published files: the built-in one, and what an entry may hold; see manifest.h. */
#include "convert/fetch/manifest.h"

#include <string.h>

#include "convert/fetch/digest.h"
#include "nn/json.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static const kohl_fetch_file builtin[] = {
#define PUBLISHED(name, arch, preset, top, file, inside, address, bytes, digest, licence) \
  {name, arch, preset, file, inside, address, digest, licence, bytes, !(top)},
#include "convert/fetch/manifest.def"
#undef PUBLISHED
};

kohl_fetch_manifest kohl_fetch_manifest_builtin(void) {
  return (kohl_fetch_manifest){builtin, sizeof builtin / sizeof *builtin, NULL, 0};
}

const kohl_fetch_file *kohl_fetch_manifest_find(const kohl_fetch_manifest *manifest, const char *name) {
  for (size_t i = 0; i < manifest->count; i++)
    if (!strcmp(manifest->files[i].name, name)) return &manifest->files[i];
  return NULL;
}

/* A word of these characters that no program takes for an option or a hidden file. */
static bool is_word(const char *text, const char *characters, size_t most) {
  size_t n = strspn(text, characters);
  return n > 0 && n <= most && !text[n] && *text != '-' && *text != '.';
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && !strcmp(text + n - m, end);
}

bool kohl_fetch_is_http(const char *text) {
  size_t scheme = !strncmp(text, "https://", 8) ? 8 : !strncmp(text, "http://", 7) ? 7 : 0, n = strlen(text);
  if (scheme == 0 || n > KOHL_FETCH_ADDRESS || !text[scheme] || text[scheme] == '/') return false;
  for (const char *c = text; *c; c++)
    if (*c <= ' ' || *c > '~' || strchr("\"'<>\\^`{|}#", *c)) return false; /* nor a fragment, which names no file */
  return true;
}

bool kohl_fetch_is_package(const char *text) {
  const char *version = strrchr(text, '@'), *slash = *text == '@' ? strchr(text, '/') : NULL;
  if (!version || version == text || strlen(text) > KOHL_FETCH_NAME) return false;
  if (*text == '@' && (!slash || slash > version || slash == text + 1)) return false;
  const char *package = slash ? slash + 1 : text;
  for (const char *c = slash ? text + 1 : text; c < version; c++)
    if (c != slash && !strchr("abcdefghijklmnopqrstuvwxyz" DIGITS "._-", *c)) return false;
  if (package == version || strchr(".-_", *package) || (slash && strchr(".-_", text[1]))) return false;
  return is_word(version + 1, LETTERS DIGITS ".+-", KOHL_FETCH_WORD) && strchr(DIGITS, version[1]);
}

/* Text for people: no control characters, UTF-8. */
static bool is_text(const char *text) {
  size_t length = strlen(text);
  for (size_t i = 0, n; i < length; i += n) {
    n = kohl_utf8_character(text + i, length - i);
    if (n == 0 || (unsigned char)text[i] < ' ' || text[i] == 127) return false;
  }
  return length <= KOHL_FETCH_NAME;
}

static bool is_file(const char *text) {
  return is_word(text, LETTERS DIGITS "._+-", KOHL_FETCH_NAME) && !ends_with(text, ".part") && !ends_with(text, ".npm");
}

const char *kohl_fetch_file_check(const kohl_fetch_file *file) {
  static const char word[] = LETTERS DIGITS "._-";
  kohl_digest_kind kind;
  const char *hex;
  if (!is_word(file->name, word, KOHL_FETCH_WORD)) return "name";
  if (*file->arch && !is_word(file->arch, word, KOHL_FETCH_WORD)) return "arch";
  if (*file->preset && !is_word(file->preset, word, KOHL_FETCH_WORD)) return "preset";
  if (!is_file(file->file)) return "file";
  if (*file->inside && !is_file(file->inside)) return "inside";
  if (strncmp(file->address, "npm:", 4) ? !kohl_fetch_is_http(file->address)
                                        : !kohl_fetch_is_package(file->address + 4))
    return "address";
  if (*file->digest && !kohl_digest_parse(file->digest, &kind, &hex)) return "digest";
  if (!is_text(file->licence)) return "licence";
  return file->bytes > KOHL_FETCH_MOST ? "bytes" : NULL;
}
