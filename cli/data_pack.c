/* kohl data pack SOURCE OUT: all pictures of a source, decoded and fitted once, in one file that trains without
 * decoding.  The defaults are those of a recipe's `pictures`. */
#include "cli/data_pack.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/data_verbs.h"
#include "cli/json.h"
#include "datasets/pack.h"
#include "train/recipe.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A value that a recipe has too is read by the recipe's reader. */
static int read_value(cli *c, kohl_recipe *recipe, const char *key, const char *option, const char *value,
                      const char *expected) {
  char assignment[256];
  int n = snprintf(assignment, sizeof assignment, "%s=%s", key, value);
  if (n > 0 && (size_t)n < sizeof assignment && kohl_recipe_set(c->ctx, recipe, assignment) == KOHL_OK) return 0;
  return cli_fail(c, KOHL_USAGE, "%s: value '%s', expected %s", option, value, expected);
}

/* What the options say, as the library wants it. */
static int read_options(cli *c, kohl_preprocessing *pre, kohl_pack_options *options) {
  kohl_recipe recipe;
  const char *size = cli_get(c, CLI_OPTION_size)->text, *bad = cli_get(c, CLI_OPTION_bad_pictures)->text;
  if (!size) return cli_fail(c, KOHL_USAGE, "no --size H[xW], expected that of the packed pictures");
  int code = cli_parse_size(c, size, &pre->fit.h, &pre->fit.w);
  if (code) return code;
  if (kohl_recipe_default(c->ctx, &recipe) != KOHL_OK) return cli_fail_library(c, KOHL_NO_RESOURCE);
  code = read_value(c, &recipe, "pictures.background", "--background", cli_get(c, CLI_OPTION_background)->text,
                    "white, black, grey or #rrggbb");
  if (code == 0) code = read_value(c, &recipe, "limits.bad_pictures", "--bad-pictures", bad, "a share of 0 to 1");
  kohl_fit_mode_find(cli_get(c, CLI_OPTION_fit)->text, &pre->fit.mode);
  kohl_filter_find(cli_get(c, CLI_OPTION_filter)->text, &pre->fit.filter);
  pre->fit.resize = pre->fit.h > pre->fit.w ? pre->fit.h : pre->fit.w;
  pre->decode.fast = *cli_get(c, CLI_OPTION_decode)->text == 'f';
  for (int i = 0; i < 3; i++) pre->fit.background[i] = pre->decode.background[i] = recipe.pictures.background.rgb[i];
  options->bad_limit = recipe.limits.bad_pictures;
  kohl_recipe_free(c->ctx, &recipe);
  return code;
}

static int report(cli *c, const kohl_samples *samples, const kohl_fit *fit, const char *path, double seconds) {
  struct stat st;
  uint64_t bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
  if (!cli_format_is(c, "json")) {
    printf("%s: %zu pictures of %zu classes, %d x %d, %.1f MB, %zu bad; %.1f s, %.0f pictures/s\n", path,
           samples->count, samples->class_count, fit->h, fit->w, (double)bytes / 1e6, samples->bad, seconds,
           seconds > 0 ? (double)samples->count / seconds : 0.0);
    return cli_flush(c, 0);
  }
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "path", path);
  cli_json_count(&w, "pictures", samples->count);
  cli_json_count(&w, "classes", samples->class_count);
  cli_json_count(&w, "bad", samples->bad);
  cli_json_count(&w, "height", (uint64_t)fit->h);
  cli_json_count(&w, "width", (uint64_t)fit->w);
  cli_json_count(&w, "bytes", bytes);
  cli_json_number(&w, "seconds", seconds);
  kohl_json_write_object_end(&w);
  return cli_print_json(c, &w);
}

int data_pack(cli *c, char **operands, int count) {
  (void)count; /* two: the caller looks */
  const char *source = operands[0], *out = operands[1];
  kohl_preprocessing pre = kohl_preprocessing_default();
  kohl_pack_options options = kohl_pack_options_default();
  long threads = cli_get(c, CLI_OPTION_threads)->number;
  options.workers = threads > 0 ? (int)(threads < 256 ? threads : 256) : -1;
  int code = read_options(c, &pre, &options);
  if (code) return code;
  options.progress = data_progress(c);
  options.progress_user = c;
  kohl_source_options source_options = data_source_options(c);
  kohl_samples samples;
  double begin = now();
  kohl_status status = kohl_samples_open(c->ctx, source, &source_options, &samples);
  if (status == KOHL_OK) status = kohl_pack_write(c->ctx, &samples, &pre, &options, out);
  cli_clear_line(c);
  code = status == KOHL_OK ? report(c, &samples, &pre.fit, out, now() - begin) : cli_fail_library(c, status);
  kohl_samples_free(c->ctx, &samples);
  return code;
}
