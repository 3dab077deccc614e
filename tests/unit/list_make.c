/* Contexts and lists for tests; list_make.h says what. */
#include "tests/unit/list_make.h"

#include <check.h>
#include <string.h>

static void count_warnings(kohl_log_level level, const char *text, void *user) {
  (void)text;
  *(size_t *)user += level == KOHL_LOG_WARNING;
}

kohl_context *list_context(int threads, size_t *warnings) {
  kohl_context_options options = kohl_context_options_default();
  kohl_context *ctx;
  options.threads = threads;
  options.log = count_warnings;
  options.log_user = warnings;
  *warnings = 0;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

void list_from_text(kohl_context *ctx, const char *text, const kohl_source_options *options, kohl_samples *out) {
  kohl_csv *csv;
  ck_assert_int_eq(kohl_csv_open_memory(ctx, "t.csv", text, strlen(text), &csv), KOHL_OK);
  kohl_status status = kohl_samples_from_csv(ctx, csv, NULL, options, out);
  ck_assert_msg(status == KOHL_OK, "%s", kohl_context_error(ctx));
  kohl_csv_close(ctx, csv);
}
