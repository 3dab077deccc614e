/* Look-ups in a pickle that was read. */
#include <string.h>

#include "convert/torch/pickle.h"

void kohl_torch_pickle_free(kohl_context *ctx, kohl_torch_pickle *pickle) {
  kohl_free(ctx, pickle->items);
  kohl_free(ctx, pickle->runs);
  kohl_free(ctx, pickle->objects);
  *pickle = (kohl_torch_pickle){0};
}

size_t kohl_torch_count(const kohl_torch_pickle *pickle, const kohl_torch_value *value) {
  return pickle->objects[value->object].count;
}

const kohl_torch_value *kohl_torch_items(const kohl_torch_pickle *pickle, const kohl_torch_value *value) {
  const kohl_torch_object *object = &pickle->objects[value->object];
  return object->run ? &pickle->items[pickle->runs[object->run - 1].first] : NULL;
}

const kohl_torch_value *kohl_torch_next(const kohl_torch_pickle *pickle, const kohl_torch_value *value,
                                        kohl_torch_walk *walk) {
  if (!walk->begun) *walk = (kohl_torch_walk){.run = pickle->objects[value->object].run, .begun = true};
  if (!walk->run) return NULL;
  const kohl_torch_run *run = &pickle->runs[walk->run - 1];
  const kohl_torch_value *item = &pickle->items[run->first + walk->at];
  if (++walk->at == run->count) {
    walk->run = run->next;
    walk->at = 0;
  }
  return item;
}

bool kohl_torch_is_word(const kohl_torch_value *value, const char *word) {
  return value->kind == KOHL_TORCH_TEXT && value->length == strlen(word) &&
         memcmp(value->text, word, value->length) == 0;
}

const kohl_torch_value *kohl_torch_field(const kohl_torch_pickle *pickle, const kohl_torch_value *dict,
                                         const char *key) {
  const kohl_torch_value *found = NULL, *item;
  kohl_torch_walk walk = {0};
  while ((item = kohl_torch_next(pickle, dict, &walk)) != NULL) {
    const kohl_torch_value *value = kohl_torch_next(pickle, dict, &walk);
    if (kohl_torch_is_word(item, key)) found = value;
  }
  return found;
}

const char *kohl_torch_kind_name(const kohl_torch_value *value) {
  static const char *const names[] = {
      [KOHL_TORCH_NONE] = "None",     [KOHL_TORCH_BOOL] = "a truth value", [KOHL_TORCH_INT] = "a whole number",
      [KOHL_TORCH_REAL] = "a number", [KOHL_TORCH_TEXT] = "a text",        [KOHL_TORCH_GLOBAL] = "a type",
      [KOHL_TORCH_TUPLE] = "a tuple", [KOHL_TORCH_LIST] = "a list",        [KOHL_TORCH_DICT] = "a dict",
      [KOHL_TORCH_SET] = "a set",     [KOHL_TORCH_STORAGE] = "a storage",  [KOHL_TORCH_CALL] = "a tensor",
      [KOHL_TORCH_MARK] = "nothing",
  };
  return names[value->kind];
}
