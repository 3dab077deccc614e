/* Finds the dict of tensors in a checkpoint and lists it; see state.h. */
#include "convert/torch/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const wrappers[] = {"state_dict", "model", "net", "model_state_dict", "ema"};
static const char *const prefixes[] = {"module.", "model.", "backbone."};

/* Has a dict a tensor among its values, or another wrapper? */
static bool is_promising(const kohl_torch_pickle *pickle, const kohl_torch_value *dict) {
  kohl_torch_walk walk = {0};
  const kohl_torch_value *key;
  while ((key = kohl_torch_next(pickle, dict, &walk)) != NULL) {
    const kohl_torch_value *value = kohl_torch_next(pickle, dict, &walk);
    if (value->kind == KOHL_TORCH_CALL) return true;
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0] && value->kind == KOHL_TORCH_DICT; i++)
      if (kohl_torch_is_word(key, wrappers[i])) return true;
  }
  return false;
}

/* Goes into wrappers, as far as there are dicts: {"model": {"state_dict": {...}}}. */
static const kohl_torch_value *unwrap(const kohl_torch_pickle *pickle, const kohl_torch_value *value) {
  enum { MOST_INSIDE = 4 };
  for (int depth = 0; depth < MOST_INSIDE; depth++) {
    const kohl_torch_value *inner = NULL;
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0] && !inner; i++) {
      const kohl_torch_value *field = kohl_torch_field(pickle, value, wrappers[i]);
      if (field && field->kind == KOHL_TORCH_DICT && is_promising(pickle, field)) inner = field;
    }
    if (!inner) break;
    value = inner;
  }
  return value;
}

static kohl_status no_tensors(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                              const kohl_torch_value *dict) {
  if (kohl_torch_field(pickle, dict, "param_groups"))
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: holds the state of an optimizer alone, expected weights: torch.save(model.state_dict(), "
                     "'FILE')",
                     path);
  kohl_torch_walk walk = {0};
  const kohl_torch_value *key = kohl_torch_next(pickle, dict, &walk);
  char first[128] = "empty";
  if (key && key->kind == KOHL_TORCH_TEXT)
    snprintf(first, sizeof first, "its first key is '%s'", kohl_quote((const char *)key->text, key->length).text);
  else if (key)
    snprintf(first, sizeof first, "its first key is %s", kohl_torch_kind_name(key));
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: holds a dict without tensors (%s), expected a state dict, or one under 'state_dict', 'model', "
                   "'net', 'model_state_dict' or 'ema'",
                   path, first);
}

/* Counts tensors and the bytes of their names. */
static kohl_status measure(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                           const kohl_torch_value *dict, size_t *count, size_t *text) {
  kohl_torch_walk walk = {0};
  const kohl_torch_value *key;
  *count = *text = 0;
  while ((key = kohl_torch_next(pickle, dict, &walk)) != NULL) {
    if (kohl_torch_next(pickle, dict, &walk)->kind != KOHL_TORCH_CALL) continue;
    if (key->kind != KOHL_TORCH_TEXT)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a tensor's key is %s, expected its name", path,
                       kohl_torch_kind_name(key));
    if (key->length == 0 || key->length > KOHL_SAFETENSORS_NAME)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: a tensor's name has %u bytes, expected 1 to %d", path,
                       (unsigned)key->length, KOHL_SAFETENSORS_NAME);
    if (memchr(key->text, 0, key->length))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': its name contains a zero byte", path,
                       kohl_quote((const char *)key->text, key->length).text);
    ++*count;
    *text += key->length + 1; /* at most 2^20 names of 513 bytes */
  }
  if (*count == 0) return no_tensors(ctx, path, pickle, dict);
  if (*count > KOHL_SAFETENSORS_COUNT)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu tensors, expected at most %d", path, *count, KOHL_SAFETENSORS_COUNT);
  return KOHL_OK;
}

static kohl_status add(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle, kohl_torch_state *state,
                       const kohl_torch_value *key, const kohl_torch_value *call, char *name) {
  kohl_source_tensor *tensor = &state->tensors[state->count];
  memcpy(name, key->text, key->length);
  name[key->length] = 0;
  tensor->info.name = name;
  tensor->layout = (kohl_layout){.output_first = true, .channels_first = true};
  tensor->step = 1;
  kohl_status status =
      kohl_torch_tensor_read(ctx, path, pickle, state, name, call, &tensor->info, &state->places[state->count]);
  state->count += !status;
  return status;
}

/* Drops a prefix that all names share, and another behind it: "module.backbone.conv1.weight". */
static void strip(kohl_torch_state *state) {
  for (size_t p = 0; p < sizeof prefixes / sizeof prefixes[0];) {
    size_t length = strlen(prefixes[p]);
    bool all = true;
    for (size_t i = 0; i < state->count && all; i++) {
      const char *name = state->tensors[i].info.name;
      all = strncmp(name, prefixes[p], length) == 0 && name[length];
    }
    for (size_t i = 0; i < state->count && all; i++) state->tensors[i].info.name += length;
    p = all ? 0 : p + 1;
  }
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static kohl_status check_names(kohl_context *ctx, const char *path, const kohl_torch_state *state) {
  const char **names;
  kohl_status status = kohl_alloc(ctx, state->count, sizeof *names, "a file's names", &names);
  if (status) return status;
  for (size_t i = 0; i < state->count; i++) names[i] = state->tensors[i].info.name;
  qsort(names, state->count, sizeof *names, by_text);
  for (size_t i = 1; i < state->count && !status; i++) {
    if (strcmp(names[i - 1], names[i]) == 0)
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': its name appears twice", path,
                         kohl_quote(names[i], strlen(names[i])).text);
  }
  kohl_free(ctx, names);
  return status;
}

kohl_status kohl_torch_state_read(kohl_context *ctx, const char *path, const kohl_torch_pickle *pickle,
                                  kohl_torch_state *state) {
  if (pickle->root.kind != KOHL_TORCH_DICT)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: holds %s, expected a dict of named tensors: torch.save(model.state_dict(), 'FILE')", path,
                     kohl_torch_kind_name(&pickle->root));
  const kohl_torch_value *dict = unwrap(pickle, &pickle->root), *key;
  size_t count, text;
  kohl_status status = measure(ctx, path, pickle, dict, &count, &text);
  if (!status) status = kohl_torch_storages_read(ctx, path, pickle, state);
  if (!status) status = kohl_alloc(ctx, count, sizeof *state->tensors, "a file's tensors", &state->tensors);
  if (!status) status = kohl_alloc(ctx, count, sizeof *state->places, "a file's tensors", &state->places);
  if (!status) status = kohl_alloc(ctx, text, 1, "a file's names", &state->names);
  char *name = state->names;
  kohl_torch_walk walk = {0};
  while (!status && (key = kohl_torch_next(pickle, dict, &walk)) != NULL) {
    const kohl_torch_value *value = kohl_torch_next(pickle, dict, &walk);
    if (value->kind != KOHL_TORCH_CALL) continue;
    status = add(ctx, path, pickle, state, key, value, name);
    name += key->length + 1;
  }
  if (status) return status;
  strip(state);
  return check_names(ctx, path, state);
}

void kohl_torch_state_free(kohl_context *ctx, kohl_torch_state *state) {
  kohl_free(ctx, state->storages);
  kohl_free(ctx, state->tensors);
  kohl_free(ctx, state->places);
  kohl_free(ctx, state->names);
  *state = (kohl_torch_state){0};
}
