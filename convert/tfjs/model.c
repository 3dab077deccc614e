/* JSON, or JavaScript that becomes JSON; see model.h. */
#include "convert/tfjs/model.h"

#include <string.h>

#include "convert/tfjs/module.h"

enum { MOST_MODULE = 6 << 20 /* bytes; as JSON it may be twice as long, and is in memory */ };

static bool is_json(const char *text, size_t length) {
  size_t i = 0;
  while (i < length && memchr(" \t\r\n", text[i], 4)) i++;
  return i < length && text[i] == '{';
}

kohl_status kohl_tfjs_model_read(kohl_context *ctx, const char *path, const char *text, size_t length,
                                 kohl_tfjs_manifest *manifest, const char **ending) {
  size_t n = strlen(path), json_length;
  char *json;
  *ending = "";
  if (is_json(text, length)) return kohl_tfjs_manifest_read(ctx, path, text, length, manifest);
  if (length > MOST_MODULE)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes, expected a JavaScript module of at most %d", path, length,
                     MOST_MODULE);
  *ending = n >= 7 && strcmp(path + n - 7, ".min.js") == 0 ? ".min.js" : ".js";
  kohl_status status = kohl_tfjs_module_object(ctx, path, text, length, &json, &json_length);
  if (status) return status;
  status = kohl_tfjs_manifest_read(ctx, path, json, json_length, manifest);
  kohl_free(ctx, json);
  return status;
}
