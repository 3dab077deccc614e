/* Which layer of the network a tensor of a TF.js model belongs to; see manifest.h.
 *
 * Keras writes "layer/kernel", and in some versions the model or the scope before it; a layer's own name may contain
 * slashes.  The topology says which it is. */
#include <stdlib.h>
#include <string.h>

#include "convert/tfjs/manifest.h"

enum { MOST_NAMES = 1 << 18 /* of layers and of whatever else has a name in the topology */ };

static const struct {
  const char *word, *suffix;
} words[] = {{"kernel", "weight"}, {"bias", "bias"},        {"gamma", "gamma"},
             {"beta", "beta"},     {"moving_mean", "mean"}, {"moving_variance", "variance"}};

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Every "name" of the topology: those of layers are among them. */
typedef struct name_list {
  const char **name;
  size_t count, capacity;
} name_list;

static kohl_status add_name(kohl_context *ctx, name_list *names, const kohl_json *json, char **text) {
  if (json->text_length > KOHL_SAFETENSORS_NAME || memchr(json->text, 0, json->text_length)) return KOHL_OK;
  if (names->count == MOST_NAMES)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'modelTopology': more names than %d", MOST_NAMES);
  kohl_status status =
      kohl_grow(ctx, &names->name, &names->capacity, names->count + 1, sizeof *names->name, "the layers' names");
  if (status) return status;
  memcpy(*text, json->text, json->text_length);
  (*text)[json->text_length] = 0;
  names->name[names->count++] = *text;
  *text += json->text_length + 1;
  return KOHL_OK;
}

static kohl_status read_names(kohl_context *ctx, const char *topology, name_list *names, char **text) {
  kohl_json json;
  kohl_status status = KOHL_OK;
  bool named = false;
  kohl_json_open(&json, ctx, topology, strlen(topology));
  while (!status && kohl_json_next(&json) != KOHL_JSON_END && json.event != KOHL_JSON_ERROR) {
    if (named && json.event == KOHL_JSON_STRING) status = add_name(ctx, names, &json, text);
    named = json.event == KOHL_JSON_KEY && kohl_json_is(&json, "name");
  }
  if (!status) status = json.status;
  kohl_json_close(&json);
  if (names->count > 1) qsort(names->name, names->count, sizeof *names->name, by_text);
  return status;
}

/* The longest end of a scope that is a name of the topology, else all of it. */
static const char *find_layer(const name_list *names, const char *scope) {
  if (!names->count) return scope;
  for (const char *at = scope; at; at = strchr(at, '/')) {
    at += *at == '/' && at != scope;
    if (bsearch(&at, names->name, names->count, sizeof *names->name, by_text)) return at;
    if (*at == '/') at++; /* an empty part */
  }
  return scope;
}

static void set_layer(const name_list *names, kohl_source_tensor *tensor, char **text) {
  const char *name = tensor->info.name, *slash = strrchr(name, '/');
  if (!slash || slash == name) return;
  size_t n = (size_t)(slash - name);
  memcpy(*text, name, n);
  (*text)[n] = 0;
  tensor->layer = find_layer(names, *text);
  *text += n + 1;
  size_t length = strcspn(slash + 1, ":"); /* "kernel:0" of old converters */
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strlen(words[i].word) == length && memcmp(words[i].word, slash + 1, length) == 0)
      tensor->suffix = words[i].suffix;
}

kohl_status kohl_tfjs_names_set(kohl_context *ctx, kohl_tfjs_manifest *manifest, char *text) {
  name_list names = {0};
  kohl_status status = manifest->topology ? read_names(ctx, manifest->topology, &names, &text) : KOHL_OK;
  for (size_t i = 0; i < manifest->count && !status; i++) set_layer(&names, &manifest->tensors[i], &text);
  kohl_free(ctx, names.name);
  return status;
}
