/* The layout of Keras's legacy .h5; see h5.h.  What a tensor is called has changed often ("block1_conv1_W_1:0",
 * "conv2d_1/kernel:0", "model/conv2d_1/kernel"), so that its meaning comes from the group, the order and the shapes
 * where the name does not say it. */
#include "convert/keras/h5.h"

#include <stdio.h>
#include <string.h>

#include "convert/hdf5/hdf5.h"
#include "nn/json.h"

enum {
  MOST_PARTS = 1024,     /* of a list that Keras has split: layer_names0, layer_names1, ... */
  MOST_CONFIG = 8 << 20, /* bytes */
  SPARE = 32 << 20,      /* bytes that a small file may ask for above twice its own */
  LAYER_WEIGHTS = 4,     /* of a layer that is no model */
  NAME = KOHL_SAFETENSORS_NAME
};

typedef struct entry {
  kohl_keras_h5_tensor tensor;
  char *path;  /* in the file, from the root */
  char *layer; /* owned text behind tensor.layer */
} entry;

struct kohl_keras_h5 {
  char *path;
  kohl_hdf5 *file;
  const char *root; /* "" or "/model_weights" */
  entry *entries;
  size_t count, capacity;
  size_t name_bytes, value_bytes; /* of the entries: names as texts, values as f32 */
  kohl_hdf5_texts config;
};

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

/* What tensors end in: Keras 2 and 3, then Keras 1 (whose running_std is a variance). */
static const struct {
  const char *word, *kind;
  bool end; /* the name may only end in it, after an underscore */
} words[] = {{"kernel", "kernel", false},
             {"bias", "bias", false},
             {"gamma", "gamma", true},
             {"beta", "beta", true},
             {"moving_mean", "moving_mean", false},
             {"moving_variance", "moving_variance", false},
             {"W", "kernel", true},
             {"b", "bias", true},
             {"running_mean", "moving_mean", true},
             {"running_std", "moving_variance", true}};

/* The length of a name without an ending of one mark and digits. */
static size_t without_number(const char *name, size_t length, char mark) {
  size_t at = length;
  while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9') at--;
  return at > 1 && at < length && name[at - 1] == mark ? at - 1 : length;
}

static const char *find_kind(const char *name) {
  size_t length = without_number(name, strlen(name), ':');
  length = without_number(name, length, '_');
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    size_t n = strlen(words[i].word);
    if (length < n || strncmp(name + length - n, words[i].word, n) != 0) continue;
    if (length == n || (words[i].end && name[length - n - 1] == '_')) return words[i].kind;
  }
  return NULL;
}

/* Tensors of a layer whose names say nothing: by Keras's order and by shape. */
static void guess_kinds(entry *entries, size_t count) {
  static const char *const norm[] = {"gamma", "beta", "moving_mean", "moving_variance"};
  for (size_t i = 0; i < count; i++)
    if (entries[i].tensor.kind) return;
  if (count == 1 || count == 2) {
    if (entries[0].tensor.info.dims < 2 || (count == 2 && entries[1].tensor.info.dims != 1)) return;
    entries[0].tensor.kind = "kernel";
    if (count == 2) entries[1].tensor.kind = "bias";
  } else if (count == LAYER_WEIGHTS) {
    for (size_t i = 0; i < count; i++)
      if (entries[i].tensor.info.dims != 1) return;
    for (size_t i = 0; i < count; i++) entries[i].tensor.kind = norm[i];
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
static kohl_status inner_layer(kohl_context *ctx, const char *group, const char *weight, char **out) {
  char text[NAME + 1];
  size_t length = folder_length(weight), n = strlen(group), from = 0;
  memcpy(text, weight, length); /* at most NAME bytes: hdf5.c sees to that */
  text[length] = 0;
  for (const char *at = text; (at = strstr(at, group)) != NULL; at++)
    if ((at == text || at[-1] == '/') && at[n] == '/') from = (size_t)(at - text) + n + 1;
  return kohl_strdup(ctx, length ? text + from : group, out);
}

/* What a file makes us hold is bounded by its size: names that share their bytes, and values that gzip has packed. */
static kohl_status check_sizes(kohl_context *ctx, kohl_keras_h5 *h5, const entry *e) {
  const kohl_tensor_info *info = &e->tensor.info;
  size_t bytes = info->bytes / kohl_safetensors_dtype_bytes(info->dtype), file = (size_t)kohl_hdf5_bytes(h5->file);
  h5->name_bytes += strlen(e->path) + strlen(e->layer);
  if (h5->name_bytes > file + (SPARE >> 4))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': the names are longer than the file", h5->path,
                     QUOTE(e->path));
  if (kohl_mul_size(bytes, sizeof(float), &bytes) && kohl_add_size(h5->value_bytes, bytes, &h5->value_bytes) &&
      h5->value_bytes / 2 <= file + SPARE / 2)
    return KOHL_OK;
  return kohl_fail(
      ctx, KOHL_BAD_INPUT,
      "%s: tensor '%s': with it the weights are more than twice the file's %zu bytes, expected a file that "
      "is not compressed",
      h5->path, QUOTE(e->path), file);
}

static kohl_status add_tensor(kohl_context *ctx, kohl_keras_h5 *h5, const char *group, const char *weight,
                              bool inside) {
  char path[3 * NAME + 32];
  kohl_status status = kohl_grow(ctx, &h5->entries, &h5->capacity, h5->count + 1, sizeof *h5->entries, "the tensors");
  if (status) return status;
  entry *e = &h5->entries[h5->count++];
  snprintf(path, sizeof path, "%s/%s/%s", h5->root, group, weight);
  status = kohl_strdup(ctx, path, &e->path);
  if (!status) status = inside ? inner_layer(ctx, group, weight, &e->layer) : kohl_strdup(ctx, group, &e->layer);
  if (!status) status = kohl_hdf5_tensor(ctx, h5->file, e->path, &e->tensor.info);
  if (!status) status = check_sizes(ctx, h5, e);
  if (status) return status;
  e->tensor.layer = e->layer;
  e->tensor.info.name = e->path + strlen(h5->root) + 1;
  const char *slash = strrchr(weight, '/');
  e->tensor.kind = find_kind(slash ? slash + 1 : weight);
  return KOHL_OK;
}

/* A list of names that Keras splits where it is longer than an attribute may be. */
static kohl_status read_list(kohl_context *ctx, kohl_keras_h5 *h5, const char *group, const char *name,
                             kohl_hdf5_texts *texts) {
  kohl_status status = kohl_hdf5_texts_read(ctx, h5->file, group, name, NAME, texts);
  bool more = !texts->found;
  for (int i = 0; i < MOST_PARTS && more && !status; i++) {
    char part[64];
    bool before = texts->found;
    texts->found = false;
    snprintf(part, sizeof part, "%s%d", name, i);
    status = kohl_hdf5_texts_read(ctx, h5->file, group, part, NAME, texts);
    more = texts->found;
    texts->found |= before;
  }
  return status;
}

static kohl_status add_layer(kohl_context *ctx, kohl_keras_h5 *h5, const char *layer) {
  char group[2 * NAME + 32];
  kohl_hdf5_kind kind;
  kohl_hdf5_texts weights = {0};
  size_t first = h5->count;
  snprintf(group, sizeof group, "%s/%s", h5->root, layer);
  kohl_status status = kohl_hdf5_find(ctx, h5->file, group, &kind);
  if (!status && kind != KOHL_HDF5_GROUP)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s' of 'layer_names' is missing in the file", h5->path,
                       QUOTE(layer));
  if (!status) status = read_list(ctx, h5, group, "weight_names", &weights);
  if (!status && !weights.found)
    status =
        kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s': attribute 'weight_names' is missing", h5->path, QUOTE(layer));
  bool inside = is_model(&weights);
  for (size_t i = 0; i < weights.count && !status; i++) {
    status = add_tensor(ctx, h5, layer, weights.text[i], inside);
    if (!status && h5->count > KOHL_SAFETENSORS_COUNT)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %d tensors", h5->path, KOHL_SAFETENSORS_COUNT);
    if (!status) status = kohl_check_cancel(ctx);
  }
  if (!status && !inside && weights.count) guess_kinds(&h5->entries[first], h5->count - first);
  kohl_hdf5_texts_free(ctx, &weights);
  return status;
}

/* One text attribute of the root, where it is there. */
static kohl_status read_word(kohl_context *ctx, kohl_keras_h5 *h5, const char *attribute, char word[NAME + 1]) {
  kohl_hdf5_texts texts = {0};
  word[0] = 0;
  kohl_status status = kohl_hdf5_texts_read(ctx, h5->file, h5->root, attribute, NAME, &texts);
  if (!status && texts.count) memcpy(word, texts.text[0], strlen(texts.text[0]) + 1);
  kohl_hdf5_texts_free(ctx, &texts);
  return status;
}

/* Who wrote the file.  Theano's convolutions are flipped, in files that say so by their name or their backend. */
static kohl_status check_writer(kohl_context *ctx, kohl_keras_h5 *h5) {
  char backend[NAME + 1], version[NAME + 1];
  const char *slash = strrchr(h5->path, '/');
  kohl_status status = read_word(ctx, h5, "backend", backend);
  if (!status) status = read_word(ctx, h5, "keras_version", version);
  if (status) return status;
  if (strstr(slash ? slash : h5->path, "_th_kernels") || strcmp(backend, "theano") == 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: holds Theano's kernels, which are flipped; expected a file of TensorFlow's (tf_kernels)",
                     h5->path);
  if (version[0] && (version[0] < '1' || version[0] > '3' || version[1] != '.'))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: attribute 'keras_version': value '%s', expected 1.x, 2.x or 3.x",
                     h5->path, QUOTE(version));
  return KOHL_OK;
}

static kohl_status no_layers(kohl_context *ctx, kohl_keras_h5 *h5) {
  static const char *const newer[] = {"/layers", "/_layer_checkpoint_dependencies"};
  for (size_t i = 0; i < sizeof newer / sizeof newer[0]; i++) {
    kohl_hdf5_kind kind;
    kohl_status status = kohl_hdf5_find(ctx, h5->file, newer[i], &kind);
    if (status) return status;
    if (kind == KOHL_HDF5_GROUP)
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s: is a Keras 3 .weights.h5 file, expected Keras's older layout, which Keras 3 writes with "
                       "model.save('FILE.h5')",
                       h5->path);
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: attribute 'layer_names' is missing, expected weights saved by Keras",
                   h5->path);
}

static kohl_status read_layers(kohl_context *ctx, kohl_keras_h5 *h5) {
  kohl_hdf5_kind kind;
  kohl_hdf5_texts layers = {0};
  h5->root = "";
  kohl_status status = kohl_hdf5_find(ctx, h5->file, "/model_weights", &kind);
  if (!status && kind == KOHL_HDF5_GROUP) {
    h5->root = "/model_weights";
    status = kohl_hdf5_texts_read(ctx, h5->file, "", "model_config", MOST_CONFIG, &h5->config);
  }
  if (!status) status = check_writer(ctx, h5);
  if (!status) status = read_list(ctx, h5, h5->root, "layer_names", &layers);
  if (!status && !layers.found) status = no_layers(ctx, h5);
  for (size_t i = 0; i < layers.count && !status; i++) status = add_layer(ctx, h5, layers.text[i]);
  kohl_hdf5_texts_free(ctx, &layers);
  if (!status && h5->count == 0) status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: holds no weights", h5->path);
  return status;
}

kohl_status kohl_keras_h5_open(kohl_context *ctx, const char *path, kohl_keras_h5 **out) {
  kohl_keras_h5 *h5;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *h5, "a Keras file", &h5);
  if (status) return status;
  status = kohl_strdup(ctx, path, &h5->path);
  if (!status) status = kohl_hdf5_open(ctx, path, &h5->file);
  if (!status) status = read_layers(ctx, h5);
  if (status)
    kohl_keras_h5_close(ctx, h5);
  else
    *out = h5;
  return status;
}

void kohl_keras_h5_close(kohl_context *ctx, kohl_keras_h5 *h5) {
  if (!h5) return;
  for (size_t i = 0; i < h5->count; i++) {
    kohl_free(ctx, h5->entries[i].path);
    kohl_free(ctx, h5->entries[i].layer);
  }
  kohl_free(ctx, h5->entries);
  kohl_hdf5_texts_free(ctx, &h5->config);
  kohl_hdf5_close(ctx, h5->file);
  kohl_free(ctx, h5->path);
  kohl_free(ctx, h5);
}

size_t kohl_keras_h5_count(const kohl_keras_h5 *h5) { return h5->count; }

const kohl_keras_h5_tensor *kohl_keras_h5_tensor_at(const kohl_keras_h5 *h5, size_t index) {
  return &h5->entries[index].tensor;
}

kohl_status kohl_keras_h5_read(kohl_context *ctx, kohl_keras_h5 *h5, const kohl_tensor_info *info, size_t first,
                               size_t slices, float *out) {
  char path[3 * NAME + 32];
  snprintf(path, sizeof path, "%s/%s", h5->root, info->name);
  return kohl_hdf5_read(ctx, h5->file, path, info, first, slices, out);
}

const char *kohl_keras_h5_config(const kohl_keras_h5 *h5) { return h5->config.count == 1 ? h5->config.text[0] : NULL; }
