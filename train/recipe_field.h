/* The table of a recipe's keys: one row per key of recipe.def, and text to value and back.  Used by the readers. */
#ifndef KOHL_TRAIN_RECIPE_FIELD_H
#define KOHL_TRAIN_RECIPE_FIELD_H

#include "train/recipe.h"

typedef enum kohl_recipe_kind {
  KOHL_RECIPE_TEXT,
  KOHL_RECIPE_INT,
  KOHL_RECIPE_REAL, /* also as a fraction, "1/6" */
  KOHL_RECIPE_WORD,
  KOHL_RECIPE_COLOUR,
  KOHL_RECIPE_RANGE, /* [low, high] */
  KOHL_RECIPE_LIST_OF_INT,
  KOHL_RECIPE_FIGURE, /* a word, or HEAD.WORD */
} kohl_recipe_kind;

typedef struct kohl_recipe_field {
  const char *path; /* "optimizer.lr"; without a dot at the top level */
  kohl_recipe_kind kind;
  size_t offset; /* in kohl_recipe; of a key of heads or phases: in kohl_recipe_head or kohl_recipe_phase */
  const char *initial;
  double low, high;
  const char *words; /* "a|b|c" */
  const char *doc;
} kohl_recipe_field;

/* Keys of the whole run come first, then those that a head can say for itself, then those of a phase. */
enum {
  KOHL_RECIPE_RUN_FIELDS = 0
#define FIELD(...) +1
#define HEAD_FIELD(...)
#define PHASE_FIELD(...)
#include "train/recipe.def"
#undef FIELD
#undef HEAD_FIELD
  ,
  KOHL_RECIPE_PHASE_FIRST = 0
#define FIELD(...) +1
#define HEAD_FIELD(...) +1
#include "train/recipe.def"
#undef PHASE_FIELD
  ,
  KOHL_RECIPE_FIELDS = 0
#define PHASE_FIELD(...) +1
#include "train/recipe.def"
#undef FIELD
#undef HEAD_FIELD
#undef PHASE_FIELD
};

/* What a recipe can list, and whose elements have keys of their own. */
typedef struct kohl_recipe_scope {
  const char *key, *noun;       /* "heads", "head" */
  const char *without;          /* begin of a path that an element's key goes without: "head."; "" */
  int first, end, most;         /* its fields; elements, at most */
  size_t all, items, size, own; /* places of the values for all elements and of the elements, and of `own` in one */
  size_t count, listed;         /* places of their number, and of whether the recipe lists them */
} kohl_recipe_scope;
enum { KOHL_RECIPE_SCOPES = 2 };
extern const kohl_recipe_scope kohl_recipe_scopes[KOHL_RECIPE_SCOPES]; /* heads, phases */

/* The scope of a field, or NULL for one of the whole run. */
const kohl_recipe_scope *kohl_recipe_scope_of(int index);
static inline int *kohl_recipe_count(const kohl_recipe *recipe, const kohl_recipe_scope *scope) {
  return (int *)((char *)recipe + scope->count);
}
static inline bool *kohl_recipe_listed(const kohl_recipe *recipe, const kohl_recipe_scope *scope) {
  return (bool *)((char *)recipe + scope->listed);
}
/* The bits of the keys that an element says itself. */
static inline uint64_t *kohl_recipe_own(const kohl_recipe *recipe, const kohl_recipe_scope *scope, int item) {
  return (uint64_t *)((char *)recipe + scope->items + (size_t)item * scope->size + scope->own);
}
/* The key of a field within an element. */
const char *kohl_recipe_element_key(int index);

/* In the order of recipe.def. */
extern const kohl_recipe_field kohl_recipe_fields[KOHL_RECIPE_FIELDS];

/* The row of "group.key" (length bytes), or -1. */
int kohl_recipe_field_find(const char *path, size_t length);

/* The place of field `index` in a recipe: of the whole run or the default of all heads or phases with item -1, or in
 * element `item` of its scope. */
void *kohl_recipe_field_at(const kohl_recipe *recipe, int index, int item);

/* Sets one field, which is at `at`, from text.  False when the text is not a value of the field: `expected` then says
 * what is, as "a number from 0 to 1".  Memory for a TEXT that is refused is *status. */
enum { KOHL_RECIPE_EXPECTED = 256 };
bool kohl_recipe_field_parse(kohl_context *ctx, const kohl_recipe_field *field, const char *text, void *at,
                             char expected[KOHL_RECIPE_EXPECTED], kohl_status *status);

/* Every head and phase gets the keys of recipe->head or ->phase that it does not say itself.  A failed allocation
 * leaves the recipe fit to be freed. */
kohl_status kohl_recipe_settle(kohl_context *ctx, kohl_recipe *recipe);

/* kohl_recipe_set; with must_act false also where every element says the key itself, so that none is changed. */
kohl_status kohl_recipe_assign(kohl_context *ctx, kohl_recipe *recipe, const char *assignment, bool must_act);

/* The words of a field: the one with this number, and its length. */
const char *kohl_recipe_word_text(const kohl_recipe_field *field, int word, int *length);

/* 1 to 32 letters, digits, _ and -, and no name that a column of a list of pictures has. */
bool kohl_recipe_name_good(const char *name);

/* What the fields of the heads must be to each other; called by kohl_recipe_check. */
kohl_status kohl_recipe_check_heads(kohl_context *ctx, const kohl_recipe *recipe, const char *where);

/* Whether a figure names a head that there is; path is its field's. */
kohl_status kohl_recipe_check_figure(kohl_context *ctx, const kohl_recipe *recipe, const kohl_recipe_figure *figure,
                                     const char *path, const char *where);

/* What the fields of one phase must be to each other; called by kohl_recipe_check. */
kohl_status kohl_recipe_check_phase(kohl_context *ctx, const kohl_recipe *recipe, int phase, const char *where);

/* Lines of the keys of a YAML text and of the elements of its lists, found by libyaml's events. */
typedef struct kohl_recipe_line {
  char path[64]; /* "optimizer.lr", "phases.2.optimizer.lr", "phases.2"; longer ones are cut */
  int line;
} kohl_recipe_line;
typedef struct kohl_recipe_lines {
  kohl_recipe_line *line;
  size_t count, capacity;
} kohl_recipe_lines;

/* Scans.  Broken YAML, a repeated key, an alias, a second document and nesting beyond 8 are KOHL_BAD_INPUT naming
 * name and the line.  The caller frees lines->line, also on failure. */
kohl_status kohl_recipe_scan(kohl_context *ctx, const char *name, const char *text, size_t bytes,
                             kohl_recipe_lines *lines);

/* The line of a key, or of the longest part of its path that is there, or 1. */
int kohl_recipe_line_of(const kohl_recipe_lines *lines, const char *path);

#endif
