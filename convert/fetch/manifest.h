/* Which published files there are: the built-in list (manifest.def), or a list of the user's own as JSON:
 *
 *   {"files": [{"name": "ours", "file": "ours-1.pth", "address": "https://models.example.org/ours-1.pth",
 *               "arch": "vgg19", "preset": "torchvision", "no_top": false, "bytes": 5746733,
 *               "digest": "sha256:...", "licence": "MIT"}]}
 *
 * name, file and address are needed; there is "inside" too.  A reader of foreign bytes: at most KOHL_FETCH_BYTES and
 * KOHL_FETCH_FILES, every text short and of harmless characters, as they end in paths, addresses and on terminals;
 * names and files unique. */
#ifndef KOHL_CONVERT_FETCH_MANIFEST_H
#define KOHL_CONVERT_FETCH_MANIFEST_H

#include "kernels/core/alloc.h"

enum {
  KOHL_FETCH_BYTES = 1 << 20,
  KOHL_FETCH_FILES = 4096,
  KOHL_FETCH_WORD = 64,    /* bytes of name, arch, preset */
  KOHL_FETCH_NAME = 128,   /* of file, digest and licence */
  KOHL_FETCH_ADDRESS = 400 /* of an address, also of --from; leaves room for it in the text of an error */
};
#define KOHL_FETCH_MOST (UINT64_C(4) << 30) /* bytes of a file */

typedef struct kohl_fetch_file {
  const char *name;    /* what the user types */
  const char *arch;    /* of kohl convert; "": it is no weights */
  const char *preset;  /* "": the architecture's usual one */
  const char *file;    /* as published, and as it is called in the cache: a plain file name */
  const char *inside;  /* of an archive that is to be unpacked: what to convert; else "" */
  const char *address; /* http://..., https://..., or npm:PACKAGE@VERSION */
  const char *digest;  /* kohl_digest_parse; "": none is published */
  const char *licence; /* "": not known */
  uint64_t bytes;      /* 0: not known */
  bool no_top;         /* without a classifier */
} kohl_fetch_file;

typedef struct kohl_fetch_manifest {
  const kohl_fetch_file *files;
  size_t count;
  kohl_fetch_file *owned; /* of a JSON manifest, with all texts; else NULL */
  size_t capacity;
} kohl_fetch_manifest;

/* The built-in list; nothing to free. */
kohl_fetch_manifest kohl_fetch_manifest_builtin(void);

/* Reads a list from a file, or from bytes that `path` names in errors.  *out is the caller's until
 * kohl_fetch_manifest_free, also after an error.  KOHL_BAD_INPUT: no such file, not JSON, a key that is missing, twice
 * or unknown, a value that is not allowed, a name or file twice. */
kohl_status kohl_fetch_manifest_read(kohl_context *ctx, const char *path, kohl_fetch_manifest *out);
kohl_status kohl_fetch_manifest_parse(kohl_context *ctx, const char *path, const char *bytes, size_t length,
                                      kohl_fetch_manifest *out);
void kohl_fetch_manifest_free(kohl_context *ctx, kohl_fetch_manifest *manifest);

/* The file of that name, or NULL. */
const kohl_fetch_file *kohl_fetch_manifest_find(const kohl_fetch_manifest *manifest, const char *name);

/* What is wrong with an entry: NULL, or the key of the value that is not allowed. */
const char *kohl_fetch_file_check(const kohl_fetch_file *file);

/* Whether text is an address that is fetched by HTTP: http:// or https://, a host, printable ASCII, at most
 * KOHL_FETCH_ADDRESS bytes. */
bool kohl_fetch_is_http(const char *text);

/* Whether text is PACKAGE@VERSION or @SCOPE/PACKAGE@VERSION: of a registry, not a folder, an address or an option. */
bool kohl_fetch_is_package(const char *text);

#endif
