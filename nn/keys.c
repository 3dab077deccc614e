/* Sorted lists of names, and the heap sort under them. */
#include "nn/keys.h"

#include <string.h>

static void swap(char *a, char *b, size_t size) {
  char old[64];
  for (size_t n; size > 0; size -= n, a += n, b += n) {
    n = size < sizeof old ? size : sizeof old;
    memcpy(old, a, n);
    memcpy(a, b, n);
    memcpy(b, old, n);
  }
}

/* Lets item `at` sink until no child is greater. */
static void sink(char *items, size_t at, size_t count, size_t size, int (*compare)(const void *, const void *)) {
  for (;;) {
    size_t child = 2 * at + 1;
    if (child >= count) return;
    if (child + 1 < count && compare(items + child * size, items + (child + 1) * size) < 0) child++;
    if (compare(items + at * size, items + child * size) >= 0) return;
    swap(items + at * size, items + child * size, size);
    at = child;
  }
}

void kohl_heap_sort(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b)) {
  char *bytes = items;
  for (size_t at = count / 2; at > 0; at--) sink(bytes, at - 1, count, size, compare);
  for (size_t last = count; last > 1; last--) {
    swap(bytes, bytes + (last - 1) * size, size);
    sink(bytes, 0, last - 1, size, compare);
  }
}

static int compare_text(const char *a, size_t a_length, const char *b, size_t b_length) {
  size_t common = a_length < b_length ? a_length : b_length;
  int order = common ? memcmp(a, b, common) : 0;
  return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_keys(const void *a, const void *b) {
  const kohl_key *x = a, *y = b;
  int order = compare_text(x->text, x->length, y->text, y->length);
  return order ? order : (x->index > y->index) - (x->index < y->index);
}

void kohl_keys_sort(kohl_key *keys, size_t count) { kohl_heap_sort(keys, count, sizeof *keys, compare_keys); }

const kohl_key *kohl_keys_duplicate(const kohl_key *keys, size_t count) {
  for (size_t i = 1; i < count; i++) {
    if (compare_text(keys[i - 1].text, keys[i - 1].length, keys[i].text, keys[i].length) == 0) return &keys[i];
  }
  return NULL;
}

const kohl_key *kohl_keys_find(const kohl_key *keys, size_t count, const char *text, size_t length) {
  size_t low = 0, high = count; /* every key before low is smaller, every key from high on is not */
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare_text(keys[middle].text, keys[middle].length, text, length) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == count || compare_text(keys[low].text, keys[low].length, text, length) != 0) return NULL;
  return &keys[low];
}
