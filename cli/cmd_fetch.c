/* kohl fetch: published files into the cache folder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fetch_print.h"

extern char **environ; /* for npm, which is to find the user's settings */

/* The folder that the options and the environment ask for; an exit code. */
static int cache_folder(cli *c, char *folder, size_t bytes) {
  const char *given = cli_get(c, CLI_OPTION_cache)->text, *caches = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int n = -1;
  if (given)
    n = snprintf(folder, bytes, "%s", given);
  else if (caches && *caches == '/') /* a relative one is to be ignored, as its specification says */
    n = snprintf(folder, bytes, "%s/kohl", caches);
  else if (home && *home)
    n = snprintf(folder, bytes, "%s/.cache/kohl", home);
  if (n < 0) return cli_fail(c, KOHL_USAGE, "no --cache DIR, and neither XDG_CACHE_HOME nor HOME says where it is");
  return (size_t)n < bytes ? 0 : cli_fail(c, KOHL_USAGE, "--cache: more than %zu bytes", bytes - 1);
}

static int unknown_name(cli *c, const kohl_fetch_manifest *manifest, const char *name) {
  const char **names = calloc(manifest->count, sizeof *names);
  for (size_t i = 0; names && i < manifest->count; i++) names[i] = manifest->files[i].name;
  const char *near = names ? cli_nearest(name, names, manifest->count) : NULL;
  int code = cli_fail(c, KOHL_USAGE, "unknown name '%.100s'; %s%s%s", name,
                      near ? "did you mean " : "see kohl fetch --list", near ? near : "", near ? "?" : "");
  free(names);
  return code;
}

/* The second line of an error: how else to have the file. */
static void advise(cli *c, const kohl_fetch_file *file, const char *folder) {
  kohl_digest_kind kind;
  const char *hex = "";
  char digest[160] = "no digest is published";
  if (*file->digest && kohl_digest_parse(file->digest, &kind, &hex))
    snprintf(digest, sizeof digest, "its %s %s %s", kohl_digest_name(kind), strlen(hex) == 8 ? "begins with" : "is",
             hex);
  if (!strncmp(file->address, "npm:", 4))
    cli_complain(
        c, "get %s by `npm pack %s` on a machine that can (%s) and put it into %s, or say where it is with --from",
        file->file, file->address + 4, digest, folder);
  else
    cli_complain(c, "get %s from %s in another way (%s) and put it into %s, or say where it is with --from", file->file,
                 file->address, digest, folder);
}

static int fetch(cli *c, const kohl_fetch_file *file, const char *folder) {
  fetch_view view = fetch_view_begin(c, file);
  kohl_fetch_options options = {.cache = folder,
                                .from = cli_get(c, CLI_OPTION_from)->text,
                                .environment = environ,
                                .stall = (int)cli_get(c, CLI_OPTION_timeout)->number,
                                .meter = fetch_view_meter(&view)};
  kohl_fetch_result result;
  kohl_status status = kohl_fetch(c->ctx, file, &options, &result);
  int code;
  if (status == KOHL_OK) {
    cli_clear_line(c);
    code = fetch_print_result(c, file, folder, &result);
  } else {
    code = cli_fail_library(c, status);
    if (result.missing) advise(c, file, folder);
  }
  kohl_fetch_result_free(c->ctx, &result);
  return code;
}

int cmd_fetch(cli *c) {
  const char *path = cli_get(c, CLI_OPTION_manifest)->text;
  const char *name = c->options.operand_count ? c->options.operands[0] : NULL;
  char folder[4096];
  int code = cache_folder(c, folder, sizeof folder);
  if (!code) code = cli_begin(c);
  if (code) return code;
  kohl_fetch_manifest manifest = kohl_fetch_manifest_builtin();
  kohl_status status = path ? kohl_fetch_manifest_read(c->ctx, path, &manifest) : KOHL_OK;
  const kohl_fetch_file *file = status == KOHL_OK && name ? kohl_fetch_manifest_find(&manifest, name) : NULL;
  if (status != KOHL_OK) {
    code = cli_fail_library(c, status);
  } else if (name && !file) {
    code = unknown_name(c, &manifest, name);
  } else if (!name || cli_get(c, CLI_OPTION_list)->set) {
    code = fetch_print_list(c, file ? file : manifest.files, file ? 1 : manifest.count, folder);
  } else {
    code = fetch(c, file, folder);
  }
  kohl_fetch_manifest_free(c->ctx, &manifest);
  return code;
}
