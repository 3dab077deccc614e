/* What a recipe's fields must be to each other. */
#include <string.h>

#include "kernels/core/context.h"
#include "train/recipe_field.h"

/* Sets of optimizers. */
enum {
  SGD = 1 << KOHL_OPTIMIZER_SGD,
  RMSPROP = 1 << KOHL_OPTIMIZER_RMSPROP,
  ADAM = 1 << KOHL_OPTIMIZER_ADAM | 1 << KOHL_OPTIMIZER_ADAMW,
};

/* Who reads a key of the optimizer that not all of them read. */
static const struct {
  const char *path, *readers;
  int set;
} keys[] = {
    {"optimizer.momentum", "sgd or rmsprop", SGD | RMSPROP},
    {"optimizer.nesterov", "sgd", SGD},
    {"optimizer.lr_place", "sgd", SGD},
    {"optimizer.rho", "rmsprop", RMSPROP},
    {"optimizer.beta1", "adam or adamw", ADAM},
    {"optimizer.beta2", "adam or adamw", ADAM},
    {"optimizer.epsilon", "rmsprop, adam or adamw", RMSPROP | ADAM},
};

/* The word of a field, and its length. */
static const char *word_of(const char *words, int index, int *length) {
  for (; index > 0; index--) words += strcspn(words, "|") + 1;
  *length = (int)strcspn(words, "|");
  return words;
}

static const char *optimizer_of(const kohl_recipe *recipe, int *length) {
  const char *path = "optimizer.name";
  return word_of(kohl_recipe_fields[kohl_recipe_field_find(path, strlen(path))].words, recipe->optimizer.name, length);
}

/* A key that the optimizer does not read must have its default: a setting without effect is a mistake. */
static kohl_status check_key(kohl_context *ctx, const kohl_recipe *recipe, const char *where, size_t index) {
  const kohl_recipe_field *field =
      &kohl_recipe_fields[kohl_recipe_field_find(keys[index].path, strlen(keys[index].path))];
  kohl_recipe defaults; /* a number or a word, which take no memory */
  char expected[KOHL_RECIPE_EXPECTED];
  kohl_status status;
  if (!kohl_recipe_field_parse(ctx, field, field->initial, &defaults, expected, &status)) return status;
  const void *own = (const char *)recipe + field->offset, *initial = (const char *)&defaults + field->offset;
  int length, n;
  const char *name = optimizer_of(recipe, &length);
  if (field->kind == KOHL_RECIPE_WORD) {
    const int value = *(const kohl_recipe_word *)own;
    if (value == *(const kohl_recipe_word *)initial) return KOHL_OK;
    const char *word = word_of(field->words, value, &n);
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field '%s': value '%.*s', which %.*s does not read, expected %s or %s",
                     where, field->path, n, word, length, name, field->initial, keys[index].readers);
  }
  const double value = *(const kohl_recipe_real *)own;
  if (value == *(const kohl_recipe_real *)initial) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field '%s': value %.16g, which %.*s does not read, expected %s or %s",
                   where, field->path, value, length, name, field->initial, keys[index].readers);
}

/* Each place of epsilon belongs to a formula.  There is no place that all mean, so that whoever takes another optimizer
 * says which formula is meant; sgd has none and takes the default. */
static kohl_status check_place(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  const char *path = "optimizer.epsilon_place";
  const kohl_recipe_field *field = &kohl_recipe_fields[kohl_recipe_field_find(path, strlen(path))];
  const int place = recipe->optimizer.epsilon_place, one = 1 << recipe->optimizer.name;
  const bool adams = place == KOHL_PLACE_HAT || place == KOHL_PLACE_PLAIN;
  int length, n;
  const char *name = optimizer_of(recipe, &length), *word = word_of(field->words, place, &n), *expected = NULL;
  if (one & ADAM && !adams) expected = "hat (Keras) or plain (PyTorch)";
  if (one & RMSPROP && adams) expected = "outside (Keras 2, PyTorch) or inside (Keras 3, slim)";
  if (one & SGD && place != KOHL_PLACE_OUTSIDE) expected = "outside, the default, since it has no epsilon";
  if (!expected) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field '%s': value '%.*s', expected for %.*s %s", where, path, n, word,
                   length, name, expected);
}

static kohl_status check_optimizer(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    if (keys[i].set & 1 << recipe->optimizer.name) continue;
    kohl_status status = check_key(ctx, recipe, where, i);
    if (status != KOHL_OK) return status;
  }
  const bool moves = recipe->optimizer.momentum > 0;
  if (recipe->optimizer.nesterov && !moves) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'optimizer.nesterov': value 'true' with momentum 0, expected more",
                     where);
  }
  if (recipe->optimizer.lr_place == KOHL_PLACE_INSIDE && !moves) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'optimizer.lr_place': value 'inside' with momentum 0, expected more", where);
  }
  if (recipe->optimizer.clip_norm > 0 && recipe->optimizer.clip_norm < 1e-30) { /* it is a float in the step */
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'optimizer.clip_norm': value %g, expected 0 or at least 1e-30",
                     where, recipe->optimizer.clip_norm);
  }
  return check_place(ctx, recipe, where);
}

kohl_status kohl_recipe_check(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  double held = recipe->data.validation + recipe->data.test;
  if (!(held < 1)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'data.validation': %g and data.test %g, expected a sum below 1",
                     where, recipe->data.validation, recipe->data.test);
  }
  if (recipe->loss.name != KOHL_LOSS_SIGMOID && recipe->loss.positive_weights != KOHL_WEIGHTS_NONE) {
    return kohl_fail(
        ctx, KOHL_BAD_INPUT,
        "%s: field 'loss.positive_weights': value 'balanced', which softmax does not read, expected none or "
        "loss.name sigmoid",
        where);
  }
  if (recipe->data.cap > 0 && recipe->data.oversample > recipe->data.cap) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'data.oversample': value %lld, expected at most data.cap, %lld",
                     where, (long long)recipe->data.oversample, (long long)recipe->data.cap);
  }
  return check_optimizer(ctx, recipe, where);
}
