/* Labels out of metadata: a file of rules says by which words a class is known, in which columns.
 *
 * Not a language: whole words are looked up, nothing is stemmed, plurals are written out.  The file is YAML:
 *
 *   fields: [object_name, title]         columns, the most trusted first
 *   exclude: [facsimile, plaster cast]   an item with one of these in any of the fields stays without a label
 *   classes:
 *     scarab:
 *       synonyms: [scarab, scarabs, heart scarab]
 *       exclude: [seal impression]       with one of these in any of the fields the item is no scarab
 *     coin: [coin, coins]                the short form, without exclusions
 *
 * Words: letters and digits, with case and the marks of Latin letters folded away (A-Z, U+00C0-U+017F and
 * U+1E00-U+1EFF become a-z, U+00DF ss, U+00E6 ae, U+0153 oe, U+00FE th; combining marks and soft hyphens are left out).
 * Greek, Cyrillic and other scripts are compared as they stand.  A phrase of several words matches where nothing but
 * blanks, hyphens, apostrophes and underscores is between them: "heart scarab" stands in "Heart-Scarab", not in
 * "heart, scarab".
 *
 * The label: fields are tried in their order; in the first one that has a synonym of a class that is not excluded, the
 * class with the most of its synonyms wins (each counts once), of equal ones the one whose longest synonym has more
 * characters, of equal ones the one that comes first in the file. */
#ifndef KOHL_DATASETS_RULES_H
#define KOHL_DATASETS_RULES_H

#include "kernels/core/context.h"

enum {
  KOHL_RULES_BYTES = 4 << 20, /* of a file, at most */
  KOHL_RULES_FIELDS = 16,
  KOHL_RULES_CLASSES = 10000,
  KOHL_RULES_WORDS = 16, /* of a phrase */
};

typedef struct kohl_rules kohl_rules;

typedef enum kohl_rules_why {
  KOHL_RULES_NO_MATCH,
  KOHL_RULES_EXCLUDED, /* by an exclusion of the whole file */
  KOHL_RULES_MOST,     /* the only class of the field, or the one with most synonyms */
  KOHL_RULES_LONGER,   /* as many as another's, and a longer word */
  KOHL_RULES_FIRST,    /* as many and as long as another's, which comes later in the file */
} kohl_rules_why;
enum { KOHL_RULES_WHYS = KOHL_RULES_FIRST + 1 };

typedef struct kohl_rules_result {
  kohl_rules_why why;
  int label;        /* class, or -1 */
  int field;        /* in which it was found, or -1 */
  int rival;        /* with LONGER and FIRST the class that had as many, else -1 */
  int hits;         /* synonyms of the class in the field */
  const char *word; /* the longest of these, folded, or the exclusion; NULL: no match.  Owned by the rules */
} kohl_rules_result;

/* Reads rules.  KOHL_BAD_INPUT is one line "FILE:LINE: field 'KEY': what, expected what".  *out is the caller's until
 * kohl_rules_free; NULL on failure. */
kohl_status kohl_rules_read(kohl_context *ctx, const char *path, kohl_rules **out);
kohl_status kohl_rules_parse(kohl_context *ctx, const char *name, const char *text, size_t bytes, kohl_rules **out);
void kohl_rules_free(kohl_context *ctx, kohl_rules *rules);

/* Names as in the file; owned by the rules. */
size_t kohl_rules_fields(const kohl_rules *rules);
const char *kohl_rules_field(const kohl_rules *rules, size_t i);
size_t kohl_rules_classes(const kohl_rules *rules);
const char *kohl_rules_class(const kohl_rules *rules, size_t i);

/* Labels one item: texts has one text for each field, UTF-8 (malformed bytes are letters like no other), NULL for none.
 * Time is that of reading the texts times the words of the longest phrase.  One thread at a time per rules.
 * KOHL_NO_RESOURCE is the only failure. */
kohl_status kohl_rules_label(kohl_context *ctx, kohl_rules *rules, const char *const *texts, kohl_rules_result *out);

#endif
