/* Sorting samples by path: quicksort, and heap sort for a part that quicksort divides badly.
 *
 * qsort can neither be given the list that the names lie in, nor does it say what memory it takes; nothing is
 * allocated here.  A comparison is a look at two names anywhere in memory, which is what sorting costs: quicksort
 * makes half as many as heap sort, and one name of the two is the pivot's. */
#include <string.h>

#include "datasets/samples.h"

/* A part of at most FEW samples is sorted by insertion.  PARTS: the larger part waits, so each is less than half of the
 * one before, and there are at most KOHL_SAMPLES = 2^24 samples. */
enum { FEW = 8, PARTS = 25 };

typedef struct {
  kohl_sample *sample;
  size_t count;
  int depth; /* how often it may still be divided by quicksort */
} part;

/* Compares two paths as one text each, without making them. */
static int compare_paths(const kohl_samples *s, const kohl_sample *a, const kohl_sample *b) {
  const char *names[2] = {kohl_text_at(&s->texts, a->name), kohl_text_at(&s->texts, b->name)};
  if (a->folder == b->folder) return strcmp(names[0], names[1]);
  const char *at[2] = {s->folders.text[a->folder], s->folders.text[b->folder]};
  bool in_name[2] = {false, false};
  for (;; at[0]++, at[1]++) {
    for (int i = 0; i < 2; i++) {
      if (*at[i] || in_name[i]) continue;
      at[i] = names[i];
      in_name[i] = true;
    }
    if (*at[0] != *at[1] || !*at[0]) return (int)(unsigned char)*at[0] - (int)(unsigned char)*at[1];
  }
}

static void swap(kohl_sample *a, kohl_sample *b) {
  kohl_sample other = *a;
  *a = *b;
  *b = other;
}

static void sift(const kohl_samples *s, kohl_sample *heap, size_t root, size_t count) {
  for (size_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && compare_paths(s, &heap[child], &heap[child + 1]) < 0) child++;
    if (compare_paths(s, &heap[root], &heap[child]) >= 0) return;
    swap(&heap[root], &heap[child]);
  }
}

static void heap_sort(const kohl_samples *s, kohl_sample *heap, size_t count) {
  for (size_t i = count / 2; i-- > 0;) sift(s, heap, i, count);
  for (size_t left = count; left-- > 1;) {
    swap(&heap[0], &heap[left]);
    sift(s, heap, 0, left);
  }
}

static void insertion_sort(const kohl_samples *s, kohl_sample *sample, size_t count) {
  for (size_t i = 1; i < count; i++) {
    kohl_sample moved = sample[i];
    size_t at = i;
    for (; at > 0 && compare_paths(s, &moved, &sample[at - 1]) < 0; at--) sample[at] = sample[at - 1];
    sample[at] = moved;
  }
}

/* Brings samples before the pivot, which is the median of three, to the front; returns how many: 1 to count - 1, all
 * at most the pivot, those behind them at least.  count >= 3. */
static size_t divide(const kohl_samples *s, kohl_sample *sample, size_t count) {
  kohl_sample *low = &sample[0], *middle = &sample[count / 2], *high = &sample[count - 1];
  if (compare_paths(s, middle, low) < 0) swap(middle, low);
  if (compare_paths(s, high, middle) < 0) swap(high, middle);
  if (compare_paths(s, middle, low) < 0) swap(middle, low);
  kohl_sample pivot = *middle;
  for (size_t i = 0, j = count - 1;;) { /* the ends stop both searches */
    while (compare_paths(s, &sample[++i], &pivot) < 0) {
    }
    while (compare_paths(s, &pivot, &sample[--j]) < 0) {
    }
    if (i >= j) return j + 1;
    swap(&sample[i], &sample[j]);
  }
}

void kohl_samples_sort(kohl_samples *samples, size_t first) {
  part waiting[PARTS], now = {samples->sample + first, samples->count - first, 0};
  size_t count = 0;
  for (size_t n = now.count; n > 1; n /= 2) now.depth += 2;
  for (;;) {
    while (now.count > FEW && now.depth > 0) {
      size_t before = divide(samples, now.sample, now.count);
      now.depth--;
      part front = {now.sample, before, now.depth}, back = {now.sample + before, now.count - before, now.depth};
      bool front_first = front.count < back.count;
      waiting[count++] = front_first ? back : front;
      now = front_first ? front : back;
    }
    if (now.count > FEW) {
      heap_sort(samples, now.sample, now.count);
    } else {
      insertion_sort(samples, now.sample, now.count);
    }
    if (count == 0) return;
    now = waiting[--count];
  }
}
