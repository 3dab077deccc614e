/* Names of tensors; see names.h.  Renaming sorts the layers of one prefix by number: the k-th of the file is the k-th
 * of the network, because Keras numbers in the order of creation whatever it counted before. */
#include "convert/names.h"

#include <stdio.h>
#include <string.h>

#include "nn/keys.h"

enum { INCEPTION_CELLS = 94 };
#define AVERAGE "/ExponentialMovingAverage" /* TF-Slim's name for one, behind the weight's */

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static const char *const suffixes[] = {"weight", "bias", "gamma", "beta", "mean", "variance"};
enum { SUFFIXES = sizeof suffixes / sizeof suffixes[0] };

int kohl_keras_number(const char *layer, const char *prefix) {
  size_t length = strlen(prefix);
  if (strncmp(layer, prefix, length) != 0) return -1;
  layer += length;
  if (*layer == 0) return 0;
  if (layer[0] != '_' || layer[1] < '1' || layer[1] > '9' || strlen(layer) > 8) return -1;
  int number = 0;
  for (layer++; *layer; layer++) {
    if (*layer < '0' || *layer > '9') return -1;
    number = 10 * number + (*layer - '0');
  }
  return number;
}

int64_t kohl_name_outputs(const kohl_name *name) {
  const kohl_tensor_info *info = &name->tensor->info;
  if (info->dims != 2 && info->dims != 4) return -1;
  return info->shape[name->layout.output_first ? 0 : info->dims - 1];
}

/* ---- the publisher --- */

typedef struct key_list {
  kohl_key *keys;
  size_t count;
} key_list;

static kohl_status list_keys(kohl_context *ctx, const kohl_source *source, key_list *list) {
  list->count = source->count;
  kohl_status status = kohl_alloc(ctx, source->count, sizeof *list->keys, "the file's names", &list->keys);
  if (status) return status;
  for (size_t i = 0; i < source->count; i++) {
    const char *name = source->tensors[i].info.name;
    list->keys[i] = (kohl_key){name, strlen(name), i};
  }
  kohl_keys_sort(list->keys, list->count);
  return KOHL_OK;
}

/* Calls for every weight of the architecture that the file has under the publisher's name; returns how many. */
typedef kohl_status weight_found(kohl_context *ctx, kohl_names *names, size_t index, const char *layer,
                                 const char *suffix);

static kohl_status walk(kohl_context *ctx, const key_list *list, const kohl_graph *graph, kohl_naming naming,
                        const char *ending, weight_found *found, kohl_names *names, size_t *count) {
  char text[KOHL_SAFETENSORS_NAME + 64];
  *count = 0;
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    bool norm = node->layer == KOHL_LAYER_batch_norm;
    if (!norm && node->layer != KOHL_LAYER_conv2d && node->layer != KOHL_LAYER_dense) continue;
    for (int k = norm ? 2 : 0; k < (norm ? SUFFIXES : 2); k++) {
      if (!kohl_naming_name(naming, graph->arch, node->name, suffixes[k], text)) continue;
      strcat(text, ending);
      const kohl_key *key = kohl_keys_find(list->keys, list->count, text, strlen(text));
      if (!key) continue;
      ++*count;
      kohl_status status = found ? found(ctx, names, key->index, node->name, suffixes[k]) : KOHL_OK;
      if (status) return status;
    }
  }
  return KOHL_OK;
}

kohl_status kohl_names_naming(kohl_context *ctx, const kohl_source *source, const char *arch, kohl_naming *naming) {
  *naming = KOHL_NAMING_KERAS;
  if (source->count == 0 || source->tensors[0].layer) return KOHL_OK;
  key_list list = {0};
  kohl_graph *graph = NULL;
  size_t most = 0, count;
  kohl_status status = list_keys(ctx, source, &list);
  if (!status) status = kohl_arch_build(ctx, arch, NULL, &graph);
  for (int i = 0; i < KOHL_NAMING_COUNT && !status; i++) {
    status = walk(ctx, &list, graph, (kohl_naming)i, "", NULL, NULL, &count);
    if (!status && count > most) {
      most = count;
      *naming = (kohl_naming)i;
    }
  }
  kohl_graph_destroy(ctx, graph);
  kohl_free(ctx, list.keys);
  return status;
}

/* ---- names of the tensors --- */

static kohl_status take_whole(kohl_context *ctx, const kohl_source_tensor *tensor, kohl_name *name) {
  name->tensor = tensor;
  name->layout = tensor->layout;
  name->suffix = tensor->layer ? tensor->suffix : NULL;
  return kohl_strdup(ctx, name->suffix ? tensor->layer : tensor->info.name, &name->layer);
}

/* Keras's "<layer>/<kind>" with an optional ":0", split at the last slash; a name without a known kind stays whole. */
static void split(kohl_name *name) {
  static const char *const kinds[] = {"kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"};
  char *slash = strrchr(name->layer, '/');
  if (!slash || slash == name->layer) return;
  size_t length = strlen(slash + 1);
  if (length > 2 && strcmp(slash + 1 + length - 2, ":0") == 0) length -= 2;
  for (int i = 0; i < SUFFIXES; i++)
    if (strlen(kinds[i]) == length && strncmp(kinds[i], slash + 1, length) == 0) name->suffix = suffixes[i];
  if (name->suffix) *slash = 0;
}

static kohl_status rename_one(kohl_context *ctx, kohl_names *names, size_t index, const char *layer,
                              const char *suffix) {
  char *copy;
  kohl_status status = kohl_strdup(ctx, layer, &copy);
  if (status) return status;
  kohl_free(ctx, names->names[index].layer);
  names->names[index].layer = copy;
  names->names[index].suffix = suffix;
  return KOHL_OK;
}

/* The moving average takes the place of the tensor that has this meaning so far, which loses it. */
static kohl_status replace_one(kohl_context *ctx, kohl_names *names, size_t index, const char *layer,
                               const char *suffix) {
  for (size_t i = 0; i < names->count; i++) {
    const kohl_name *name = &names->names[i];
    if (name->suffix != suffix || strcmp(name->layer, layer) != 0) continue;
    kohl_status status = rename_one(ctx, names, i, name->tensor->info.name, NULL);
    if (status) return status;
    names->names[i].ignored = true;
  }
  return rename_one(ctx, names, index, layer, suffix);
}

static kohl_status rename_published(kohl_context *ctx, const kohl_source *source, const char *arch, bool averages,
                                    kohl_names *names) {
  key_list list = {0};
  kohl_graph *graph = NULL;
  size_t count;
  kohl_status status = list_keys(ctx, source, &list);
  if (!status) status = kohl_arch_build(ctx, arch, NULL, &graph);
  if (!status) status = walk(ctx, &list, graph, names->naming, "", rename_one, names, &count);
  if (!status && averages) status = walk(ctx, &list, graph, names->naming, AVERAGE, replace_one, names, &count);
  for (size_t i = 0; i < names->count && !status; i++) {
    kohl_name *name = &names->names[i];
    name->layout = kohl_naming_layout(names->naming);
    name->ignored |= !name->suffix && kohl_naming_ignores(names->naming, arch, name->tensor->info.name);
  }
  kohl_graph_destroy(ctx, graph);
  kohl_free(ctx, list.keys);
  return status;
}

/* ---- Keras's numbers --- */

static int compare_numbers(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

/* The distinct numbers of a prefix's layers, ascending; *numbers has room for names->count. */
static size_t collect(const kohl_names *names, const char *prefix, int *numbers) {
  size_t count = 0, distinct = 0;
  for (size_t i = 0; i < names->count; i++) {
    int number = names->names[i].suffix ? kohl_keras_number(names->names[i].layer, prefix) : -1;
    if (number >= 0) numbers[count++] = number;
  }
  kohl_heap_sort(numbers, count, sizeof *numbers, compare_numbers);
  for (size_t i = 0; i < count; i++)
    if (i == 0 || numbers[i] != numbers[i - 1]) numbers[distinct++] = numbers[i];
  return distinct;
}

/* Gives the layers of a prefix new names: targets in order, or (NULL) the prefix with 1, 2, ... */
static kohl_status rename_layers(kohl_context *ctx, kohl_names *names, const char *prefix, const int *numbers,
                                 size_t count, const char *const *targets) {
  for (size_t i = 0; i < names->count; i++) {
    const kohl_name *name = &names->names[i];
    int number = name->suffix ? kohl_keras_number(name->layer, prefix) : -1;
    if (number < 0) continue;
    size_t k = 0;
    while (k < count && numbers[k] != number) k++;
    char text[KOHL_NAME_TEXT];
    snprintf(text, sizeof text, "%s_%zu", prefix, k + 1);
    kohl_status status = rename_one(ctx, names, i, targets ? targets[k] : text, name->suffix);
    if (status) return status;
  }
  return KOHL_OK;
}

/* Cells of Inception: names 1..94 are the creation order already; others must be just 94. */
static kohl_status rename_cells(kohl_context *ctx, const char *path, kohl_names *names, const char *prefix,
                                int *numbers) {
  size_t count = collect(names, prefix, numbers);
  if (count == 0 || (numbers[0] >= 1 && numbers[count - 1] <= INCEPTION_CELLS)) return KOHL_OK;
  if (count == INCEPTION_CELLS) return rename_layers(ctx, names, prefix, numbers, count, NULL);
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: layers '%s*': %zu with numbers %d to %d, expected numbers 1 to %d or exactly %d layers", path,
                   prefix, count, numbers[0], numbers[count - 1], INCEPTION_CELLS, INCEPTION_CELLS);
}

static bool has_layer(const kohl_names *names, const char *layer) {
  for (size_t i = 0; i < names->count; i++)
    if (names->names[i].suffix && strcmp(names->names[i].layer, layer) == 0) return true;
  return false;
}

static bool is_head(const kohl_preset *preset, const char *layer) {
  for (int i = 0; preset->head[i]; i++)
    if (strcmp(preset->head[i], layer) == 0) return true;
  return false;
}

/* A head of dense layers under Keras's own numbers becomes the preset's head; one of another length is not it. */
static kohl_status rename_head(kohl_context *ctx, const char *path, kohl_names *names, const char *arch,
                               const kohl_preset *preset, bool need_head, int *numbers) {
  size_t count = collect(names, "dense", numbers), expected = (size_t)kohl_preset_head_count(preset), own = 0;
  for (size_t i = 0; i < count; i++) {
    char name[32];
    snprintf(name, sizeof name, numbers[i] ? "dense_%d" : "dense", numbers[i]);
    own += is_head(preset, name);
  }
  if (count == 0 || own == count) return KOHL_OK;
  for (int i = 0; preset->head[i]; i++)
    if (has_layer(names, preset->head[i]) && kohl_keras_number(preset->head[i], "dense") < 0) return KOHL_OK;
  if (count == expected) return rename_layers(ctx, names, "dense", numbers, count, preset->head);
  if (!need_head) return KOHL_OK;
  char others[256];
  kohl_preset_list(arch, (int)count, others, sizeof others);
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: the head has %zu dense layers, expected %zu for preset '%s'; presets of %s with %zu: %s", path,
                   count, expected, preset->name, arch, count, others[0] ? others : "none");
}

static kohl_status rename_numbers(kohl_context *ctx, const char *path, const char *arch, const kohl_preset *preset,
                                  bool need_head, kohl_names *names) {
  int *numbers = NULL;
  kohl_status status = kohl_alloc(ctx, names->count, sizeof *numbers, "the file's layer numbers", &numbers);
  if (!status && strcmp(arch, "inception_v3") == 0) {
    status = rename_cells(ctx, path, names, "conv2d", numbers);
    if (!status) status = rename_cells(ctx, path, names, "batch_normalization", numbers);
  }
  if (!status && preset) status = rename_head(ctx, path, names, arch, preset, need_head, numbers);
  kohl_free(ctx, numbers);
  return status;
}

/* ---- the sorted list --- */

static int compare_names(const char *layer, const char *suffix, const kohl_name *name) {
  int order = strcmp(layer, name->layer);
  return order ? order : strcmp(suffix ? suffix : "", name->suffix ? name->suffix : "");
}

static int compare_all(const void *a, const void *b) {
  const kohl_name *x = a, *y = b;
  int order = compare_names(x->layer, x->suffix, y);
  return order ? order : strcmp(x->tensor->info.name, y->tensor->info.name);
}

kohl_name *kohl_names_find(const kohl_names *names, const char *layer, const char *suffix) {
  size_t low = 0, high = names->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare_names(layer, suffix, &names->names[middle]);
    if (order == 0) return &names->names[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

kohl_status kohl_names_sort(kohl_context *ctx, const char *path, kohl_names *names) {
  kohl_heap_sort(names->names, names->count, sizeof *names->names, compare_all);
  for (size_t i = 1; i < names->count; i++) {
    const kohl_name *a = &names->names[i - 1], *b = &names->names[i];
    if (compare_names(a->layer, a->suffix, b) == 0)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensors '%s' and '%s' both are the %s of layer '%s'", path,
                       QUOTE(a->tensor->info.name), QUOTE(b->tensor->info.name), a->suffix ? a->suffix : "value",
                       QUOTE(a->layer));
  }
  return KOHL_OK;
}

kohl_status kohl_names_read(kohl_context *ctx, const kohl_source *source, const char *arch, kohl_naming naming,
                            const kohl_preset *preset, bool need_head, bool averages, kohl_names *names) {
  names->naming = naming;
  names->count = source->count;
  kohl_status status = kohl_alloc(ctx, names->count, sizeof *names->names, "the file's tensor names", &names->names);
  if (status) names->count = 0;
  for (size_t i = 0; i < names->count && !status; i++) {
    names->names[i].index = i;
    status = take_whole(ctx, &source->tensors[i], &names->names[i]);
    if (!status && naming == KOHL_NAMING_KERAS && !source->tensors[i].layer) split(&names->names[i]);
  }
  if (!status && naming == KOHL_NAMING_KERAS)
    status = rename_numbers(ctx, source->path, arch, preset, need_head, names);
  else if (!status)
    status = rename_published(ctx, source, arch, averages, names);
  return status ? status : kohl_names_sort(ctx, source->path, names);
}

void kohl_names_free(kohl_context *ctx, kohl_names *names) {
  for (size_t i = 0; i < names->count; i++) kohl_free(ctx, names->names[i].layer);
  kohl_free(ctx, names->names);
  *names = (kohl_names){0};
}
