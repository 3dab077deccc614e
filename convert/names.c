/* Keras's tensor names; see names.h.  Renaming sorts the layers of one prefix by number: the k-th of the file is
 * the k-th of the network, because Keras numbers in the order of creation whatever it counted before. */
#include "convert/names.h"

#include <stdio.h>
#include <string.h>

#include "nn/json.h"
#include "nn/keys.h"

enum { INCEPTION_CELLS = 94 };

static const struct {
  const char *keras, *suffix;
} kinds[] = {{"kernel", "weight"}, {"bias", "bias"},        {"gamma", "gamma"},
             {"beta", "beta"},     {"moving_mean", "mean"}, {"moving_variance", "variance"}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

const char *kohl_keras_kind(const char *suffix) {
  for (size_t i = 0; i < KINDS; i++)
    if (strcmp(kinds[i].suffix, suffix) == 0) return kinds[i].keras;
  return suffix;
}

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

static kohl_status take_h5(kohl_context *ctx, const kohl_keras_h5_tensor *from, kohl_keras_tensor *tensor) {
  tensor->info = &from->info;
  tensor->kind = from->kind;
  return kohl_strdup(ctx, from->kind ? from->layer : from->info.name, &tensor->layer);
}

/* Splits at the last slash; a name without a known kind stays whole. */
static kohl_status split(kohl_context *ctx, const kohl_tensor_info *info, kohl_keras_tensor *tensor) {
  tensor->info = info;
  kohl_status status = kohl_strdup(ctx, info->name, &tensor->layer);
  if (status) return status;
  char *slash = strrchr(tensor->layer, '/');
  if (!slash || slash == tensor->layer) return KOHL_OK;
  size_t length = strlen(slash + 1);
  if (length > 2 && strcmp(slash + 1 + length - 2, ":0") == 0) length -= 2;
  for (size_t i = 0; i < KINDS; i++)
    if (strlen(kinds[i].keras) == length && strncmp(kinds[i].keras, slash + 1, length) == 0)
      tensor->kind = kinds[i].keras;
  if (tensor->kind) *slash = 0;
  return KOHL_OK;
}

static int compare_numbers(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

/* The distinct numbers of a prefix's layers, ascending; *numbers has room for names->count. */
static size_t collect(const kohl_keras_names *names, const char *prefix, int *numbers) {
  size_t count = 0, distinct = 0;
  for (size_t i = 0; i < names->count; i++) {
    int number = names->tensors[i].kind ? kohl_keras_number(names->tensors[i].layer, prefix) : -1;
    if (number >= 0) numbers[count++] = number;
  }
  kohl_heap_sort(numbers, count, sizeof *numbers, compare_numbers);
  for (size_t i = 0; i < count; i++)
    if (i == 0 || numbers[i] != numbers[i - 1]) numbers[distinct++] = numbers[i];
  return distinct;
}

/* Gives the layers of a prefix new names: targets in order, or (NULL) the prefix with 1, 2, ... */
static kohl_status rename_layers(kohl_context *ctx, kohl_keras_names *names, const char *prefix, const int *numbers,
                                 size_t count, const char *const *targets) {
  for (size_t i = 0; i < names->count; i++) {
    kohl_keras_tensor *tensor = &names->tensors[i];
    int number = tensor->kind ? kohl_keras_number(tensor->layer, prefix) : -1;
    if (number < 0) continue;
    size_t k = 0;
    while (k < count && numbers[k] != number) k++;
    char text[KOHL_NAME_TEXT], *copy;
    snprintf(text, sizeof text, "%s_%zu", prefix, k + 1);
    kohl_status status = kohl_strdup(ctx, targets ? targets[k] : text, &copy);
    if (status) return status;
    kohl_free(ctx, tensor->layer);
    tensor->layer = copy;
  }
  return KOHL_OK;
}

/* Cells of Inception: names 1..94 are the creation order already; others must be just 94. */
static kohl_status rename_cells(kohl_context *ctx, const char *path, kohl_keras_names *names, const char *prefix,
                                int *numbers) {
  size_t count = collect(names, prefix, numbers);
  if (count == 0 || (numbers[0] >= 1 && numbers[count - 1] <= INCEPTION_CELLS)) return KOHL_OK;
  if (count == INCEPTION_CELLS) return rename_layers(ctx, names, prefix, numbers, count, NULL);
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: layers '%s*': %zu with numbers %d to %d, expected numbers 1 to %d or exactly %d layers", path,
                   prefix, count, numbers[0], numbers[count - 1], INCEPTION_CELLS, INCEPTION_CELLS);
}

static bool has_layer(const kohl_keras_names *names, const char *layer) {
  for (size_t i = 0; i < names->count; i++)
    if (names->tensors[i].kind && strcmp(names->tensors[i].layer, layer) == 0) return true;
  return false;
}

static bool is_head(const kohl_preset *preset, const char *layer) {
  for (int i = 0; preset->head[i]; i++)
    if (strcmp(preset->head[i], layer) == 0) return true;
  return false;
}

/* A head of dense layers under Keras's own numbers becomes the preset's head; one of another length is not it. */
static kohl_status rename_head(kohl_context *ctx, const char *path, kohl_keras_names *names, const char *arch,
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

static int compare_names(const char *layer, const char *kind, const kohl_keras_tensor *tensor) {
  int order = strcmp(layer, tensor->layer);
  return order ? order : strcmp(kind ? kind : "", tensor->kind ? tensor->kind : "");
}

static int compare_tensors(const void *a, const void *b) {
  const kohl_keras_tensor *x = a, *y = b;
  int order = compare_names(x->layer, x->kind, y);
  return order ? order : strcmp(x->info->name, y->info->name);
}

kohl_keras_tensor *kohl_keras_names_find(const kohl_keras_names *names, const char *layer, const char *kind) {
  size_t low = 0, high = names->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = compare_names(layer, kind, &names->tensors[middle]);
    if (order == 0) return &names->tensors[middle];
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return NULL;
}

static kohl_status check_unique(kohl_context *ctx, const char *path, const kohl_keras_names *names) {
  for (size_t i = 1; i < names->count; i++) {
    const kohl_keras_tensor *a = &names->tensors[i - 1], *b = &names->tensors[i];
    if (compare_names(a->layer, a->kind, b) == 0)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensors '%s' and '%s' both are the %s of layer '%s'", path,
                       kohl_quote(a->info->name, strlen(a->info->name)).text,
                       kohl_quote(b->info->name, strlen(b->info->name)).text, a->kind ? a->kind : "value",
                       kohl_quote(a->layer, strlen(a->layer)).text);
  }
  return KOHL_OK;
}

kohl_status kohl_keras_names_sort(kohl_context *ctx, const char *path, kohl_keras_names *names) {
  kohl_heap_sort(names->tensors, names->count, sizeof *names->tensors, compare_tensors);
  return check_unique(ctx, path, names);
}

kohl_status kohl_keras_names_read(kohl_context *ctx, const char *path, const kohl_source *source, const char *arch,
                                  const kohl_preset *preset, bool need_head, kohl_keras_names *names) {
  int *numbers = NULL;
  names->count = kohl_source_count(source);
  kohl_status status =
      kohl_alloc(ctx, names->count, sizeof *names->tensors, "the file's tensor names", &names->tensors);
  if (status) names->count = 0;
  if (!status) status = kohl_alloc(ctx, names->count, sizeof *numbers, "the file's layer numbers", &numbers);
  for (size_t i = 0; i < names->count && !status; i++) {
    names->tensors[i].at = i;
    status = source->h5 ? take_h5(ctx, kohl_keras_h5_tensor_at(source->h5, i), &names->tensors[i])
                        : split(ctx, kohl_source_tensor(source, i), &names->tensors[i]);
  }
  if (!status && strcmp(arch, "inception_v3") == 0) {
    status = rename_cells(ctx, path, names, "conv2d", numbers);
    if (!status) status = rename_cells(ctx, path, names, "batch_normalization", numbers);
  }
  if (!status && preset) status = rename_head(ctx, path, names, arch, preset, need_head, numbers);
  if (!status) status = kohl_keras_names_sort(ctx, path, names);
  kohl_free(ctx, numbers);
  return status;
}

void kohl_keras_names_free(kohl_context *ctx, kohl_keras_names *names) {
  for (size_t i = 0; i < names->count; i++) kohl_free(ctx, names->tensors[i].layer);
  kohl_free(ctx, names->tensors);
  *names = (kohl_keras_names){0};
}
