/* Sorted lists of names: unique or not, and found again quickly.  The sort neither allocates nor recurses and takes
 * n log n steps on any input, so names from a hostile file cannot make it slow. */
#ifndef KOHL_NN_KEYS_H
#define KOHL_NN_KEYS_H

#include <stddef.h>

typedef struct kohl_key {
  const char *text; /* not owned; may contain zeros */
  size_t length;
  size_t index; /* the caller's number for it */
} kohl_key;

/* Sorts by bytes, equal texts by index. */
void kohl_keys_sort(kohl_key *keys, size_t count);

/* In a sorted list: the second of two equal texts, or NULL when all are different. */
const kohl_key *kohl_keys_duplicate(const kohl_key *keys, size_t count);

/* In a sorted list: the first key with this text, or NULL. */
const kohl_key *kohl_keys_find(const kohl_key *keys, size_t count, const char *text, size_t length);

/* Heap sort of count items of size bytes.  Not stable: compare should order any two items. */
void kohl_heap_sort(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b));

#endif
