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
} kohl_recipe_kind;

typedef struct kohl_recipe_field {
  const char *path; /* "optimizer.lr"; without a dot at the top level */
  kohl_recipe_kind kind;
  size_t offset; /* in kohl_recipe; of a key of phases: in kohl_recipe_phase */
  const char *initial;
  double low, high;
  const char *words; /* "a|b|c" */
  const char *doc;
} kohl_recipe_field;

/* Keys of the whole run come first, then those that a phase can say for itself. */
enum {
  KOHL_RECIPE_RUN_FIELDS = 0
#define FIELD(...) +1
#define PHASE_FIELD(...)
#include "train/recipe.def"
#undef FIELD
#undef PHASE_FIELD
  ,
  KOHL_RECIPE_PHASE_FIELDS = 0
#define FIELD(...)
#define PHASE_FIELD(...) +1
#include "train/recipe.def"
#undef FIELD
#undef PHASE_FIELD
  ,
  KOHL_RECIPE_FIELDS = KOHL_RECIPE_RUN_FIELDS + KOHL_RECIPE_PHASE_FIELDS
};

/* In the order of recipe.def. */
extern const kohl_recipe_field kohl_recipe_fields[KOHL_RECIPE_FIELDS];

/* The row of "group.key" (length bytes), or -1. */
int kohl_recipe_field_find(const char *path, size_t length);

/* The place of field `index` in a recipe: of the whole run or the default of all phases with phase -1, or in
 * phases[phase], for a key that phases have. */
void *kohl_recipe_field_at(const kohl_recipe *recipe, int index, int phase);

/* Sets one field, which is at `at`, from text.  False when the text is not a value of the field: `expected` then says
 * what is, as "a number from 0 to 1".  Memory for a TEXT that is refused is *status. */
enum { KOHL_RECIPE_EXPECTED = 256 };
bool kohl_recipe_field_parse(kohl_context *ctx, const kohl_recipe_field *field, const char *text, void *at,
                             char expected[KOHL_RECIPE_EXPECTED], kohl_status *status);

/* Every phase gets the keys of recipe->phase that it does not say itself.  A failed allocation leaves the recipe fit to
 * be freed. */
kohl_status kohl_recipe_settle(kohl_context *ctx, kohl_recipe *recipe);

/* kohl_recipe_set; with must_act false also where every phase says the key itself, so that none is changed. */
kohl_status kohl_recipe_assign(kohl_context *ctx, kohl_recipe *recipe, const char *assignment, bool must_act);

/* The words of a field: the one with this number, and its length. */
const char *kohl_recipe_word_text(const kohl_recipe_field *field, int word, int *length);

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
