/* Fuzz target: any bytes as predictions.  What is taken is consistent, and says the same when it is written and read
 * again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/predictions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const kohl_predictions *p) {
  if (p->count == 0 || p->classes < 1 || !p->marks != !p->chosen) abort();
  size_t classes = (size_t)p->classes;
  for (size_t i = 0; i < p->count; i++) {
    int first = -1;
    if (!*p->file[i] || p->truth[i] < -1 || p->truth[i] >= p->classes) abort();
    for (size_t c = 0; c < classes; c++) {
      float value = p->probabilities[i * classes + c];
      if (!(value >= 0 && value <= 1)) abort();
      if (p->marks && (p->marks[i * classes + c] > 1 || p->chosen[i * classes + c] > 1)) abort();
      if (p->marks && p->marks[i * classes + c] && first < 0) first = (int)c;
    }
    if (p->marks ? p->truth[i] != first : p->truth[i] < 0) abort();
  }
}

static void compare(const kohl_predictions *a, const kohl_predictions *b) {
  size_t cells = a->count * (size_t)a->classes;
  if (a->count != b->count || a->classes != b->classes || !a->marks != !b->marks) abort();
  for (size_t i = 0; i < cells; i++) {
    /* not memcmp: -0 comes back as -0 or 0 */
    if (a->probabilities[i] != b->probabilities[i]) abort();
  }
  if (a->marks && (memcmp(a->marks, b->marks, cells) || memcmp(a->chosen, b->chosen, cells))) abort();
  if (memcmp(a->truth, b->truth, a->count * sizeof *a->truth)) abort();
  for (size_t i = 0; i < a->count; i++) {
    if (strcmp(a->file[i], b->file[i])) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static kohl_context *ctx; /* one for all inputs: making one takes longer than they do */
  static char path[] = "/tmp/kohl_fuzz_predictions_XXXXXX";
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  if (!ctx && (kohl_context_create(&options, &ctx) != KOHL_OK || close(mkstemp(path)))) return 0;
  kohl_csv *csv;
  kohl_predictions p, again;
  if (kohl_csv_open_memory(ctx, "fuzz", (const char *)data, size, &csv) != KOHL_OK) return 0;
  if (kohl_predictions_from_csv(ctx, csv, &p) == KOHL_OK) {
    check(&p);
    if (kohl_predictions_write(ctx, &p, path) == KOHL_OK) {
      if (kohl_predictions_read(ctx, path, &again) != KOHL_OK) abort();
      compare(&p, &again);
      kohl_predictions_free(ctx, &again);
      unlink(path);
    }
  } else if (strncmp(kohl_context_error(ctx), "fuzz", 4) || p.labels || p.file || p.probabilities) {
    abort();
  }
  kohl_predictions_free(ctx, &p);
  kohl_csv_close(ctx, csv);
  return 0;
}
