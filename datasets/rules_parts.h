/* Rules under construction, and the folding of texts; for the files of rules only. */
#ifndef KOHL_DATASETS_RULES_PARTS_H
#define KOHL_DATASETS_RULES_PARTS_H

#include "datasets/rules.h"

/* Who uses a phrase, and as what. */
typedef struct kohl_rules_use {
  int32_t class; /* -1: the whole file, an exclusion */
  bool exclude;
  uint32_t next; /* position + 1 in use, 0 ends */
} kohl_rules_use;

typedef struct kohl_rules_phrase {
  uint64_t hash;
  uint32_t text, bytes, characters; /* text: where it begins in the pool */
  uint32_t use;                     /* position + 1 of the first in use */
  uint64_t seen;                    /* the last scan that found it */
} kohl_rules_phrase;

/* What a class has in the field at hand. */
typedef struct kohl_rules_tally {
  uint64_t scan, excluded; /* the scan that the numbers are of; the item in which the class is excluded */
  uint32_t hits, phrase;   /* phrase: its longest */
} kohl_rules_tally;

typedef struct kohl_rules_hit {
  uint32_t phrase;
  int field;
} kohl_rules_hit;

struct kohl_rules {
  char *pool; /* all texts, each with its zero */
  size_t pool_bytes, pool_capacity;
  uint32_t field[KOHL_RULES_FIELDS]; /* positions in the pool, as the next one */
  size_t fields;
  uint32_t *class;
  size_t classes, class_capacity;
  kohl_rules_phrase *phrase;
  size_t phrases, phrase_capacity;
  kohl_rules_use *use;
  size_t uses, use_capacity;
  uint32_t *slot; /* position + 1 of a phrase, 0 is free; a power of two of them, less than half in use */
  size_t slots;
  size_t longest; /* words of a phrase */
  /* What labelling writes on. */
  char *folded;
  size_t folded_capacity;
  kohl_rules_hit *hit;
  size_t hit_capacity;
  kohl_rules_tally *tally; /* one for each class */
  size_t tally_capacity;
  uint64_t scans;
};

/* Folds text into words with one blank between them, or a line end where a phrase must not go on; returns the bytes,
 * at most strlen(text), plus a zero. */
size_t kohl_rules_fold(const char *text, char *out);

/* Copies a text into the pool. */
kohl_status kohl_rules_keep(kohl_context *ctx, kohl_rules *rules, const char *text, size_t bytes, uint32_t *at);

/* Adds a folded phrase for a class (-1: an exclusion for all).  *other: NULL, or why it is refused. */
kohl_status kohl_rules_add(kohl_context *ctx, kohl_rules *rules, int class, bool exclude, const char *folded,
                           size_t bytes, const char **other);

#endif
