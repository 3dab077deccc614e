/* Tensors of an HDF5 file of Keras's; see store.h. */
#include "convert/keras/store.h"

#include <math.h>
#include <string.h>

#include "convert/keras/config.h"
#include "nn/keys.h"

enum { SPARE = 32 << 20 /* bytes that a small file may ask for above twice its own */ };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static size_t count_values(const kohl_tensor_info *info) {
  return info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
}

/* Values of a slice along kohl_hdf5_axis; at least 1, as it divides. */
static size_t slice_values(const kohl_tensor_info *info) {
  size_t values = 1;
  for (int i = kohl_hdf5_axis(info) + 1; i < info->dims; i++) values *= (size_t)info->shape[i]; /* info->bytes fits */
  return values ? values : 1;
}

static kohl_status read_values(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count,
                               float *out) {
  kohl_keras_store *store = source->state;
  const kohl_source_tensor *tensor = &source->tensors[index];
  const char *path = store->texts[index].path;
  if (count == 0) return KOHL_OK;
  kohl_status status =
      kohl_hdf5_read(ctx, store->file, path, &tensor->info, first / tensor->step, count / tensor->step, out);
  if (status || tensor->info.dtype != KOHL_SAFETENSORS_F64) return status;
  for (size_t i = 0; i < count; i++) /* the library makes infinity of what is too large */
    if (isinf(out[i]))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %g as a float, expected a finite number",
                       source->path, QUOTE(tensor->info.name), first + i, (double)out[i]);
  return KOHL_OK;
}

static kohl_status read_graph(kohl_context *ctx, kohl_source *source, int size, kohl_graph **out) {
  kohl_keras_store *store = source->state;
  return kohl_keras_config_read(ctx, source, store->what, store->config, &store->places, size, out);
}

static void close_store(kohl_context *ctx, kohl_source *source) {
  kohl_keras_store *store = source->state;
  for (size_t i = 0; i < source->count; i++) {
    kohl_free(ctx, store->texts[i].path);
    kohl_free(ctx, store->texts[i].layer);
  }
  kohl_free(ctx, store->texts);
  kohl_free(ctx, source->tensors);
  kohl_free(ctx, store->config);
  kohl_keras_places_free(ctx, &store->places);
  kohl_hdf5_close(ctx, store->file);
  kohl_map_close(&store->map);
  kohl_free(ctx, store);
  source->tensors = NULL;
  source->state = NULL;
  source->count = 0;
}

static const kohl_source_calls calls = {read_values, read_graph, close_store};

kohl_status kohl_keras_store_open(kohl_context *ctx, kohl_source *source, const char *format) {
  kohl_status status = kohl_alloc(ctx, 1, sizeof(kohl_keras_store), "a Keras file", &source->state);
  if (status) return status;
  source->format = format;
  source->call = &calls;
  return KOHL_OK;
}

kohl_status kohl_keras_store_config(kohl_context *ctx, kohl_source *source, const char *what, const char *json) {
  kohl_keras_store *store = source->state;
  kohl_status status = kohl_strdup(ctx, json, &store->config);
  if (status) return status;
  store->what = what;
  source->describes = true;
  status = kohl_keras_places_read(ctx, json, &store->places);
  return status == KOHL_BAD_INPUT ? KOHL_OK : status; /* weights alone may be wanted; the network says what is wrong */
}

static kohl_status check_sizes(kohl_context *ctx, kohl_source *source, const kohl_keras_text *text,
                               const kohl_tensor_info *info) {
  kohl_keras_store *store = source->state;
  size_t bytes, file = (size_t)kohl_hdf5_bytes(store->file);
  store->name_bytes += strlen(text->path) + strlen(text->layer);
  if (store->name_bytes > file + (SPARE >> 4))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': the names are longer than the file", source->path,
                     QUOTE(text->path));
  if (kohl_mul_size(count_values(info), sizeof(float), &bytes) &&
      kohl_add_size(store->value_bytes, bytes, &store->value_bytes) && store->value_bytes / 2 <= file + SPARE / 2)
    return KOHL_OK;
  return kohl_fail(
      ctx, KOHL_BAD_INPUT,
      "%s: tensor '%s': with it the weights are more than twice the file's %zu bytes, expected a file that "
      "is not compressed",
      source->path, QUOTE(text->path), file);
}

kohl_status kohl_keras_store_add(kohl_context *ctx, kohl_source *source, const char *root, const char *path,
                                 const char *layer, const char *suffix) {
  kohl_keras_store *store = source->state;
  size_t need = source->count + 1, length = strlen(path) - strlen(root) - 1;
  if (need > KOHL_SAFETENSORS_COUNT)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %d tensors", source->path, KOHL_SAFETENSORS_COUNT);
  if (length > KOHL_SAFETENSORS_NAME)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': a name of %zu bytes, expected at most %d", source->path,
                     QUOTE(path), length, KOHL_SAFETENSORS_NAME);
  kohl_status status =
      kohl_grow(ctx, &source->tensors, &store->tensors_capacity, need, sizeof *source->tensors, "the tensors");
  if (!status)
    status = kohl_grow(ctx, &store->texts, &store->texts_capacity, need, sizeof *store->texts, "their names");
  if (status) return status;
  kohl_source_tensor *tensor = &source->tensors[source->count];
  kohl_keras_text *text = &store->texts[source->count++];
  status = kohl_strdup(ctx, path, &text->path);
  if (!status) status = kohl_strdup(ctx, layer, &text->layer);
  if (!status) status = kohl_hdf5_tensor(ctx, store->file, path, &tensor->info);
  if (!status) status = check_sizes(ctx, source, text, &tensor->info);
  if (status) return status;
  tensor->info.name = text->path + strlen(root) + 1;
  tensor->layer = text->layer;
  tensor->suffix = suffix;
  tensor->step = slice_values(&tensor->info);
  return KOHL_OK;
}

kohl_status kohl_keras_store_finish(kohl_context *ctx, kohl_source *source) {
  kohl_key *keys;
  if (source->count == 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: holds no weights", source->path);
  kohl_status status = kohl_alloc(ctx, source->count, sizeof *keys, "the names of tensors", &keys);
  if (status) return status;
  for (size_t i = 0; i < source->count; i++) {
    const char *name = source->tensors[i].info.name;
    keys[i] = (kohl_key){name, strlen(name), i};
  }
  kohl_keys_sort(keys, source->count);
  const kohl_key *twice = kohl_keys_duplicate(keys, source->count);
  const kohl_source_tensor *tensor = twice ? &source->tensors[twice->index] : NULL;
  if (tensor)
    status =
        kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s' is listed twice: both are the %s of layer '%s'", source->path,
                  QUOTE(tensor->info.name), tensor->suffix ? tensor->suffix : "value", QUOTE(tensor->layer));
  kohl_free(ctx, keys);
  return status;
}
