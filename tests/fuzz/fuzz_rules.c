/* Any bytes as a rules file, and the same bytes as a text to be labelled by it and by a file that is good. */
#include <stdlib.h>
#include <string.h>

#include "datasets/csv.h"
#include "datasets/rules_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good[] =
    "fields: [a, b]\nexclude: [cast]\nclasses:\n  x: {synonyms: [x, x y, ring], exclude: [no x]}\n  y: [y, x, jar]\n";

static void label(kohl_context *ctx, kohl_rules *rules, const char *text, const char *second) {
  const char *texts[KOHL_RULES_FIELDS] = {text, second};
  kohl_rules_result r;
  if (kohl_rules_label(ctx, rules, texts, &r) != KOHL_OK) abort();
  bool labelled = r.why >= KOHL_RULES_MOST;
  if (labelled != (r.label >= 0 && r.field >= 0 && r.hits > 0 && r.word) || (labelled && r.label == r.rival)) abort();
  if ((r.rival >= 0) != (r.why >= KOHL_RULES_LONGER) || r.label >= (int)kohl_rules_classes(rules)) abort();
}

/* Folding is never longer than its text; what is folded changes no more, but for line ends, which are blanks to it.  (A
 * malformed byte may meet another when what is between them goes, so that the two are a character.) */
static void fold(const char *text) {
  size_t bytes = strlen(text);
  char *once = malloc(bytes + 1), *twice = malloc(bytes + 1);
  size_t n = kohl_rules_fold(text, once);
  if (n > bytes || strlen(once) != n) abort();
  bool valid = kohl_utf8_valid(text, bytes);
  if (valid && (!kohl_utf8_valid(once, n) || kohl_rules_fold(once, twice) != n)) abort();
  for (size_t i = 0; valid && i < n; i++) {
    if (twice[i] != (once[i] == '\n' ? ' ' : once[i])) abort();
  }
  free(once);
  free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static kohl_context *ctx; /* one for all inputs: making one takes longer than they do */
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_rules *rules;
  if (!ctx && kohl_context_create(&options, &ctx) != KOHL_OK) return 0;
  char *text = malloc(size + 1);
  memcpy(text, data, size);
  text[size] = 0;
  fold(text);
  if (kohl_rules_parse(ctx, "fuzz", (const char *)data, size, &rules) == KOHL_OK) {
    label(ctx, rules, text, kohl_rules_class(rules, 0));
    label(ctx, rules, NULL, text);
    kohl_rules_free(ctx, rules);
  } else if (strncmp(kohl_context_error(ctx), "fuzz", 4) || rules) {
    abort();
  }
  if (kohl_rules_parse(ctx, "good", good, sizeof good - 1, &rules) != KOHL_OK) abort();
  label(ctx, rules, text, text + size / 2);
  kohl_rules_free(ctx, rules);
  free(text);
  return 0;
}
