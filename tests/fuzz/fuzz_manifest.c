/* Any bytes as a list of published files: refused with one line, or a list of which every entry is allowed and found,
 * and no name or file is there twice. */
#include <stdlib.h>
#include <string.h>

#include "convert/fetch/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
  if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static kohl_context *ctx; /* one for all inputs: making one takes longer than they do */
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  if (!ctx) require(kohl_context_create(&options, &ctx) == KOHL_OK);
  kohl_fetch_manifest manifest;
  kohl_status status = kohl_fetch_manifest_parse(ctx, "fuzz", (const char *)data, size, &manifest);
  const char *text = kohl_context_error(ctx);
  require(status == KOHL_OK || (status == KOHL_BAD_INPUT && !strncmp(text, "fuzz: ", 6) && !strchr(text, '\n')));
  require(status != KOHL_OK || manifest.count > 0);
  for (size_t i = 0; status == KOHL_OK && i < manifest.count; i++) {
    const kohl_fetch_file *file = &manifest.files[i];
    require(!kohl_fetch_file_check(file) && kohl_fetch_manifest_find(&manifest, file->name) == file);
    require(!strchr(file->file, '/') && *file->file != '.');
    for (size_t k = 0; k < i && i < 64; k++) require(strcmp(manifest.files[k].file, file->file) != 0);
  }
  kohl_fetch_manifest_free(ctx, &manifest);
  return 0;
}
