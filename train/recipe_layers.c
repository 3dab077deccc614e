/* Which layers a phase trains, as far as the text of `train` and `freeze` says it without a graph. */
#include <string.h>

#include "train/recipe.h"

/* The next of the patterns that commas separate, without the spaces around it; *text moves behind it, to NULL behind
 * the last one.  NULL: no more.  One with nothing in it has *length 0. */
static const char *next_pattern(const char **text, size_t *length) {
  if (!*text) return NULL;
  const char *first = *text + strspn(*text, " ");
  const size_t whole = strcspn(first, ",");
  *length = whole;
  while (*length > 0 && first[*length - 1] == ' ') --*length;
  *text = first[whole] ? first + whole + 1 : NULL;
  return first;
}

bool kohl_recipe_patterns_read(const char *text) {
  size_t length;
  while (next_pattern(&text, &length)) {
    if (length == 0) return false;
  }
  return true;
}

/* Goes back to the last star where the rest does not fit: the shortest match of a star is tried first, and no earlier
 * star has to be tried again. */
static bool matches(const char *pattern, size_t length, const char *name) {
  size_t at = 0, star = SIZE_MAX;
  const char *from = name; /* where what follows the last star was tried */
  while (*name) {
    if (at < length && pattern[at] == '*') {
      star = at++;
      from = name;
    } else if (at < length && (pattern[at] == '?' || pattern[at] == *name)) {
      at++;
      name++;
    } else if (star != SIZE_MAX) {
      at = star + 1;
      name = ++from;
    } else {
      return false;
    }
  }
  while (at < length && pattern[at] == '*') at++;
  return at == length;
}

bool kohl_recipe_patterns_match(const char *patterns, const char *name) {
  const char *pattern;
  size_t length;
  while ((pattern = next_pattern(&patterns, &length))) {
    if (length > 0 && matches(pattern, length, name)) return true;
  }
  return false;
}

/* "4" to 4; 0 when it is no number from 1 to 100000. */
static int read_count(const char *text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9' && value <= 100000; text++) value = 10 * value + (*text - '0');
  return *text || value > 100000 ? 0 : value;
}

bool kohl_recipe_train_read(const char *text, kohl_recipe_train *out) {
  *out = (kohl_recipe_train){KOHL_TRAIN_PATTERNS, 0, text};
  if (strcmp(text, "head") == 0) {
    out->kind = KOHL_TRAIN_HEAD;
    return true;
  }
  if (strcmp(text, "all") == 0) {
    out->kind = KOHL_TRAIN_ALL;
    return true;
  }
  if (strncmp(text, "last ", 5) == 0) {
    out->kind = KOHL_TRAIN_LAST;
    out->last = read_count(text + 5);
    return out->last > 0;
  }
  if (strncmp(text, "from ", 5) == 0) {
    out->kind = KOHL_TRAIN_FROM;
    out->text = text + 5 + strspn(text + 5, " ");
    return *out->text != 0 && !strchr(out->text, ' ') && !strchr(out->text, ',');
  }
  return kohl_recipe_patterns_read(text);
}
