/* Keras's .h5 files: weights alone, or a whole saved model.  Keras 3's layout is told apart here and read in keras3.c;
 * the legacy one is here: groups are named after layers, attribute layer_names lists them, and weight_names of each
 * group lists its tensors.  (Format: keras, legacy/saving/legacy_h5_format.py.)
 *
 * What a tensor is called has changed often ("block1_conv1_W_1:0", "conv2d_1/kernel:0", "model/conv2d_1/kernel"), so
 * that its meaning comes from the group, the order and the shapes where the name does not say it. */
#include <stdio.h>
#include <string.h>

#include "convert/keras/keras3.h"

enum {
  MOST_PARTS = 1024,     /* of a list that Keras has split: layer_names0, layer_names1, ... */
  MOST_CONFIG = 8 << 20, /* bytes */
  LAYER_WEIGHTS = 4,     /* of a layer that is no model */
  NAME = KOHL_SAFETENSORS_NAME
};

/* A file on its way. */
typedef struct reader {
  kohl_context *ctx;
  kohl_source *source;
  kohl_hdf5 *file;
  const char *root; /* "" or "/model_weights" */
} reader;

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

/* What tensors end in: Keras 2 and 3, then Keras 1 (whose running_std is a variance); and what model files call it. */
static const struct {
  const char *word, *suffix;
  bool end; /* the name may only end in it, after an underscore */
} words[] = {{"kernel", "weight", false},    {"bias", "bias", false},
             {"gamma", "gamma", true},       {"beta", "beta", true},
             {"moving_mean", "mean", false}, {"moving_variance", "variance", false},
             {"W", "weight", true},          {"b", "bias", true},
             {"running_mean", "mean", true}, {"running_std", "variance", true}};

/* The length of a name without an ending of one mark and digits. */
static size_t without_number(const char *name, size_t length, char mark) {
  size_t at = length;
  while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
  return at > 1 && at < length && name[at - 1] == mark ? at - 1 : length;
}

static const char *find_suffix(const char *name) {
  size_t length = without_number(name, strlen(name), ':');
  length = without_number(name, length, '_');
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    size_t n = strlen(words[i].word);
    if (length < n || strncmp(name + length - n, words[i].word, n) != 0) continue;
    if (length == n || (words[i].end && name[length - n - 1] == '_')) return words[i].suffix;
  }
  return NULL;
}

/* Tensors of a layer whose names say nothing: by Keras's order and by shape. */
static void guess_suffixes(kohl_source_tensor *tensors, size_t count) {
  static const char *const norm[] = {"gamma", "beta", "mean", "variance"};
  for (size_t i = 0; i < count; i++)
    if (tensors[i].suffix) return;
  if (count == 1 || count == 2) {
    if (tensors[0].info.dims < 2 || (count == 2 && tensors[1].info.dims != 1)) return;
    tensors[0].suffix = "weight";
    if (count == 2) tensors[1].suffix = "bias";
  } else if (count == LAYER_WEIGHTS) {
    for (size_t i = 0; i < count; i++)
      if (tensors[i].info.dims != 1) return;
    for (size_t i = 0; i < count; i++) tensors[i].suffix = norm[i];
  }
}

/* A weight's folder without its own name; length 0 for none. */
static size_t folder_length(const char *weight) {
  const char *slash = strrchr(weight, '/');
  return slash ? (size_t)(slash - weight) : 0;
}

/* One layer's tensors are in one folder; a model that is used as a layer has one for each layer inside. */
static bool is_model(const kohl_hdf5_texts *weights) {
  if (weights->count > LAYER_WEIGHTS) return true;
  for (size_t i = 1; i < weights->count; i++) {
    size_t length = folder_length(weights->text[0]);
    if (folder_length(weights->text[i]) != length || memcmp(weights->text[i], weights->text[0], length) != 0)
      return true;
  }
  return false;
}

/* The layer inside a model: "conv2d_7" of "inception_v3/conv2d_7/kernel:0". */
static const char *inner_layer(const char *group, const char *weight, char text[NAME + 1]) {
  size_t length = folder_length(weight), n = strlen(group), from = 0;
  memcpy(text, weight, length); /* at most NAME bytes: hdf5.c sees to that */
  text[length] = 0;
  for (const char *at = text; (at = strstr(at, group)) != NULL; at++)
    if ((at == text || at[-1] == '/') && at[n] == '/') from = (size_t)(at - text) + n + 1;
  return length ? text + from : group;
}

/* own: the place of a group that is one layer, or NULL. */
static kohl_status add_tensor(reader *r, const char *group, const char *weight, bool inside,
                              const kohl_keras_place *own) {
  char path[3 * NAME + 32], text[NAME + 1];
  const kohl_keras_store *store = r->source->state;
  const char *slash = strrchr(weight, '/'), *layer = group;
  if (!own) own = kohl_keras_places_group(&store->places, group, inner_layer(group, weight, text));
  if (inside) layer = inner_layer(group, weight, text);
  snprintf(path, sizeof path, "%s/%s/%s", r->root, group, weight);
  return kohl_keras_store_add(r->ctx, r->source, r->root, path, own ? own->node : layer,
                              find_suffix(slash ? slash + 1 : weight));
}

/* A list of names that Keras splits where it is longer than an attribute may be. */
static kohl_status read_list(reader *r, const char *group, const char *name, kohl_hdf5_texts *texts) {
  kohl_status status = kohl_hdf5_texts_read(r->ctx, r->file, group, name, NAME, texts);
  bool more = !texts->found;
  for (int i = 0; i < MOST_PARTS && more && !status; i++) {
    char part[64];
    bool before = texts->found;
    texts->found = false;
    snprintf(part, sizeof part, "%s%d", name, i);
    status = kohl_hdf5_texts_read(r->ctx, r->file, group, part, NAME, texts);
    more = texts->found;
    texts->found |= before;
  }
  return status;
}

static kohl_status add_layer(reader *r, const char *layer) {
  char group[2 * NAME + 32];
  kohl_hdf5_kind kind;
  kohl_hdf5_texts weights = {0};
  size_t first = r->source->count;
  const kohl_keras_store *store = r->source->state;
  snprintf(group, sizeof group, "%s/%s", r->root, layer);
  kohl_status status = kohl_hdf5_find(r->ctx, r->file, group, &kind);
  if (!status && kind != KOHL_HDF5_GROUP)
    status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: layer '%s' of 'layer_names' is missing in the file",
                       r->source->path, QUOTE(layer));
  if (!status) status = read_list(r, group, "weight_names", &weights);
  if (!status && !weights.found)
    status = kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: layer '%s': attribute 'weight_names' is missing", r->source->path,
                       QUOTE(layer));
  const kohl_keras_place *own = kohl_keras_places_group(&store->places, layer, layer);
  bool inside = !own && is_model(&weights);
  for (size_t i = 0; i < weights.count && !status; i++) {
    status = add_tensor(r, layer, weights.text[i], inside, own);
    if (!status) status = kohl_check_cancel(r->ctx);
  }
  if (!status && !inside && weights.count) guess_suffixes(&r->source->tensors[first], r->source->count - first);
  kohl_hdf5_texts_free(r->ctx, &weights);
  return status;
}

/* One text attribute of the root, where it is there. */
static kohl_status read_word(reader *r, const char *attribute, char word[NAME + 1]) {
  kohl_hdf5_texts texts = {0};
  word[0] = 0;
  kohl_status status = kohl_hdf5_texts_read(r->ctx, r->file, r->root, attribute, NAME, &texts);
  if (!status && texts.count) memcpy(word, texts.text[0], strlen(texts.text[0]) + 1);
  kohl_hdf5_texts_free(r->ctx, &texts);
  return status;
}

/* Who wrote the file.  Theano's convolutions are flipped, in files that say so by their name or their backend. */
static kohl_status check_writer(reader *r) {
  char backend[NAME + 1], version[NAME + 1];
  const char *slash = strrchr(r->source->path, '/');
  kohl_status status = read_word(r, "backend", backend);
  if (!status) status = read_word(r, "keras_version", version);
  if (status) return status;
  if (strstr(slash ? slash : r->source->path, "_th_kernels") || strcmp(backend, "theano") == 0)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT,
                     "%s: holds Theano's kernels, which are flipped; expected a file of TensorFlow's (tf_kernels)",
                     r->source->path);
  if (version[0] && (version[0] < '1' || version[0] > '3' || version[1] != '.'))
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: attribute 'keras_version': value '%s', expected 1.x, 2.x or 3.x",
                     r->source->path, QUOTE(version));
  kohl_keras_store *store = r->source->state;
  if (version[0]) snprintf(store->origin, sizeof store->origin, "Keras %.255s", version);
  if (version[0]) r->source->source_text = store->origin;
  return KOHL_OK;
}

/* Without a list of layers it is Keras 3's layout, or none of Keras's. */
static kohl_status no_layers(reader *r) {
  bool found;
  kohl_status status = kohl_keras3_read(r->ctx, r->source, &found);
  if (status || found) return status;
  return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: attribute 'layer_names' is missing, expected weights saved by Keras",
                   r->source->path);
}

/* The JSON of a whole model. */
static kohl_status read_config(reader *r) {
  kohl_hdf5_texts texts = {0};
  kohl_status status = kohl_hdf5_texts_read(r->ctx, r->file, "", "model_config", MOST_CONFIG, &texts);
  if (!status && texts.count == 1) status = kohl_keras_store_config(r->ctx, r->source, "model_config", texts.text[0]);
  kohl_hdf5_texts_free(r->ctx, &texts);
  return status;
}

static kohl_status read_layers(reader *r) {
  kohl_hdf5_kind kind;
  kohl_hdf5_texts layers = {0};
  r->root = "";
  kohl_status status = kohl_hdf5_find(r->ctx, r->file, "/model_weights", &kind);
  if (!status && kind == KOHL_HDF5_GROUP) {
    r->root = "/model_weights";
    status = read_config(r);
  }
  if (!status) status = check_writer(r);
  if (!status) status = read_list(r, r->root, "layer_names", &layers);
  if (!status && !layers.found) return no_layers(r);
  for (size_t i = 0; i < layers.count && !status; i++) status = add_layer(r, layers.text[i]);
  kohl_hdf5_texts_free(r->ctx, &layers);
  return status ? status : kohl_keras_store_finish(r->ctx, r->source);
}

kohl_status kohl_keras_h5_source(kohl_context *ctx, const char *path, kohl_source *source) {
  reader r = {.ctx = ctx, .source = source};
  kohl_status status = kohl_keras_store_open(ctx, source, "a Keras .h5 file");
  if (status) return status;
  kohl_keras_store *store = source->state;
  status = kohl_hdf5_open(ctx, path, &store->file);
  r.file = store->file;
  return status ? status : read_layers(&r);
}
