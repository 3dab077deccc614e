/* The table of a recipe's keys: one row per FIELD of recipe.def, and text to value and back.  Used by the readers. */
#ifndef KOHL_TRAIN_RECIPE_FIELD_H
#define KOHL_TRAIN_RECIPE_FIELD_H

#include "train/recipe.h"

typedef enum kohl_recipe_kind {
  KOHL_RECIPE_TEXT,
  KOHL_RECIPE_INT,
  KOHL_RECIPE_REAL, /* also as a fraction, "1/6" */
  KOHL_RECIPE_WORD,
  KOHL_RECIPE_COLOUR,
  KOHL_RECIPE_LIST_OF_INT,
} kohl_recipe_kind;

typedef struct kohl_recipe_field {
  const char *path; /* "optimizer.lr"; without a dot at the top level */
  kohl_recipe_kind kind;
  size_t offset; /* in kohl_recipe */
  const char *initial;
  double low, high;
  const char *words; /* "a|b|c" */
  const char *doc;
} kohl_recipe_field;

enum {
  KOHL_RECIPE_FIELDS = 0
#define FIELD(...) +1
#include "train/recipe.def"
#undef FIELD
};

/* In the order of recipe.def. */
extern const kohl_recipe_field kohl_recipe_fields[KOHL_RECIPE_FIELDS];

/* The row of "group.key" (length bytes), or -1. */
int kohl_recipe_field_find(const char *path, size_t length);

/* Sets one field from text.  False when the text is not a value of the field: `expected` then says what is, as "a
 * number from 0 to 1".  Memory for a TEXT that is refused is *status. */
enum { KOHL_RECIPE_EXPECTED = 256 };
bool kohl_recipe_field_parse(kohl_context *ctx, const kohl_recipe_field *field, const char *text, kohl_recipe *recipe,
                             char expected[KOHL_RECIPE_EXPECTED], kohl_status *status);

/* Lines of the keys of a YAML text, found by libyaml's events. */
typedef struct kohl_recipe_line {
  char path[64]; /* "optimizer.lr"; longer ones are cut */
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
