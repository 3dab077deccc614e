/* The nearest spelling of a mistyped word. */
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

enum { LONGEST = 64 };

static size_t smallest(size_t a, size_t b, size_t c) { return a < b ? (a < c ? a : c) : (b < c ? b : c); }

/* Edits (insert, remove, replace, swap neighbours) from a to b, both shorter than LONGEST. */
static size_t distance(const char *a, const char *b) {
  size_t n = strlen(b), row[3][LONGEST + 1];
  for (size_t j = 0; j <= n; j++) row[0][j] = j;
  for (size_t i = 1; a[i - 1]; i++) {
    size_t *now = row[i % 3], *last = row[(i + 2) % 3], *older = row[(i + 1) % 3];
    now[0] = i;
    for (size_t j = 1; j <= n; j++) {
      now[j] = smallest(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && older[j - 2] + 1 < now[j]) now[j] = older[j - 2] + 1;
    }
  }
  return row[strlen(a) % 3][n];
}

const char *cli_nearest(const char *word, const char *const *names, size_t count) {
  size_t length = strlen(word), best = length / 3 + 1;
  const char *nearest = NULL;
  if (length >= LONGEST) return NULL;
  for (size_t i = 0; i < count; i++) {
    if (strlen(names[i]) >= LONGEST) continue;
    size_t d = distance(word, names[i]);
    if (d > best || (nearest && d == best)) continue;
    best = d;
    nearest = names[i];
  }
  return nearest;
}
