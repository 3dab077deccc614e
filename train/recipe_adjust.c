/* What a recipe changes for a base that is not the published one: the text of base.adjust,
 *
 *   ARCHITECTURE: KEY=VALUE KEY='A VALUE WITH SPACES'; ARCHITECTURE: ...
 *
 * Each assignment goes the way of `--set`, but for one thing: a key that every phase says itself by now, since the
 * command line said it for the phases that the recipe leaves open, is no mistake. */
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/json.h"
#include "train/recipe_field.h"

enum { ASSIGNMENT = 256 };

/* The assignment that text begins with, without its quotes; text moves behind it. */
static kohl_status take_assignment(kohl_context *ctx, const char **text, const char *end, char out[ASSIGNMENT]) {
  const char *from = *text;
  size_t n = 0;
  bool quoted = false;
  for (; from < end && (quoted || *from != ' '); from++) {
    if (*from == '\'') {
      quoted = !quoted;
    } else if (n + 1 < ASSIGNMENT) {
      out[n++] = *from;
    } else {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "an assignment of more than %d bytes", ASSIGNMENT - 1);
    }
  }
  out[n] = 0;
  if (quoted) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "'%s': a quote that is not closed, expected another before the next `;`",
                     kohl_quote(*text, (size_t)(from - *text)).text);
  }
  *text = from;
  return KOHL_OK;
}

/* Assignments between text and end, separated by spaces. */
static kohl_status apply(kohl_context *ctx, kohl_recipe *recipe, const char *text, const char *end) {
  while (text < end) {
    char assignment[ASSIGNMENT];
    kohl_status status = take_assignment(ctx, &text, end, assignment);
    if (status == KOHL_OK && assignment[0]) status = kohl_recipe_assign(ctx, recipe, assignment, false);
    if (status != KOHL_OK) return status == KOHL_USAGE ? KOHL_BAD_INPUT : status;
    text += text < end;
  }
  return KOHL_OK;
}

static kohl_status adjust(kohl_context *ctx, kohl_recipe *recipe, const char *text, const char *arch) {
  kohl_status status = KOHL_OK;
  while (*text && status == KOHL_OK) {
    text += strspn(text, " ;");
    size_t entry = strcspn(text, ";");
    const char *colon = memchr(text, ':', entry);
    if (entry && !colon) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "value '%s', expected ARCHITECTURE: KEY=VALUE ...; ...",
                       kohl_quote(text, entry).text);
    }
    if (entry && (size_t)(colon - text) == strlen(arch) && !memcmp(text, arch, strlen(arch))) {
      status = apply(ctx, recipe, colon + 1, text + entry);
    }
    text += entry;
  }
  return status;
}

kohl_status kohl_recipe_adjust(kohl_context *ctx, kohl_recipe *recipe, const char *arch) {
  char *text;
  kohl_status status = kohl_strdup(ctx, recipe->base.adjust, &text);
  if (status != KOHL_OK) return status;
  status = kohl_recipe_set(ctx, recipe, "base.adjust=");
  if (status == KOHL_OK) status = adjust(ctx, recipe, text, arch);
  if (status != KOHL_OK && status != KOHL_NO_RESOURCE) kohl_fail_prefix(ctx, "field 'base.adjust'");
  kohl_free(ctx, text);
  return status;
}
