/* What the fields of heads must be to each other. */
#include <stdio.h>
#include <string.h>

#include "kernels/core/context.h"
#include "nn/json.h"
#include "train/recipe_field.h"

/* "heads.2.", or "" where heads are not listed. */
typedef struct prefix {
  char text[24];
} prefix;

static prefix prefix_of(const kohl_recipe *recipe, int head) {
  prefix p = {""};
  if (recipe->heads_listed) snprintf(p.text, sizeof p.text, "heads.%d.", head + 1);
  return p;
}

static kohl_status check_loss(kohl_context *ctx, const kohl_recipe *recipe, int head, const char *where) {
  const kohl_recipe_head *h = &recipe->heads[head];
  const bool sigmoid = h->loss.name == KOHL_LOSS_SIGMOID, several = kohl_recipe_several(recipe, head);
  const prefix p = prefix_of(recipe, head);
  if (!sigmoid && h->loss.positive_weights != KOHL_WEIGHTS_NONE) {
    return kohl_fail(
        ctx, KOHL_BAD_INPUT,
        "%s: field '%sloss.positive_weights': value 'balanced', which softmax does not read, expected none or "
        "loss.name sigmoid",
        where, p.text);
  }
  if (several && !sigmoid) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'data.several_labels': value 'true' with loss.name softmax, which knows one label of "
                     "all, expected loss.name sigmoid",
                     where);
  }
  if (several && h->loss.class_weights != KOHL_WEIGHTS_NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field '%sloss.class_weights': a picture with several labels has no class to be weighed by, "
                     "expected none; loss.positive_weights weighs labels",
                     where, p.text);
  }
  if (recipe->accumulate > 1 && recipe->head_count > 1 && h->loss.weights_divide_by == KOHL_DIVIDE_BY_WEIGHTS) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field '%sloss.weights_divide_by': value 'weights' with several heads and accumulate %lld, "
                     "whose gradients need one divisor, expected batch",
                     where, p.text, (long long)recipe->accumulate);
  }
  return KOHL_OK;
}

static kohl_status check_name(kohl_context *ctx, const kohl_recipe *recipe, int head, const char *where) {
  const char *name = recipe->heads[head].head.name;
  if (!kohl_recipe_name_good(name)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'heads.%d.name': value '%s', expected 1 to %d letters, digits, _ or -, and no name of "
                     "another column (path, label, split, weight, group ...)",
                     where, head + 1, kohl_quote(name, strlen(name)).text, KOHL_RECIPE_NAME - 1);
  }
  for (int h = 0; h < head; h++) {
    if (strcmp(recipe->heads[h].head.name, name) != 0) continue;
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'heads.%d.name': value '%s', which head %d has, expected another",
                     where, head + 1, name, h + 1);
  }
  return KOHL_OK;
}

/* What only a list of heads gives a meaning. */
static kohl_status check_alone(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  const kohl_recipe_head *h = &recipe->heads[0];
  if (h->head.name[0]) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'head.name': value '%s', which a head that is alone has not, "
                     "expected a list `heads`",
                     where, kohl_quote(h->head.name, strlen(h->head.name)).text);
  }
  if (h->head.weight == 1) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field 'head.weight': value %g of the only head, expected 1", where,
                   h->head.weight);
}

kohl_status kohl_recipe_check_heads(kohl_context *ctx, const kohl_recipe *recipe, const char *where) {
  kohl_status status = recipe->heads_listed ? KOHL_OK : check_alone(ctx, recipe, where);
  if (recipe->heads_listed && recipe->data.several_labels) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: field 'data.several_labels': value 'true' with `heads`, each of which takes several by "
                     "loss.name sigmoid, expected false",
                     where);
  }
  for (int h = 0; h < recipe->head_count && status == KOHL_OK; h++) {
    if (recipe->heads_listed) status = check_name(ctx, recipe, h, where);
    if (status == KOHL_OK) status = check_loss(ctx, recipe, h, where);
  }
  return status;
}

kohl_status kohl_recipe_check_figure(kohl_context *ctx, const kohl_recipe *recipe, const kohl_recipe_figure *figure,
                                     const char *path, const char *where) {
  if (kohl_recipe_head_of(recipe, figure) >= 0) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: field '%s': no head '%s', expected one of `heads`", where, path,
                   figure->head);
}
