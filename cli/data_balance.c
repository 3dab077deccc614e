/* kohl data balance: new pictures as files, until every class has N in the training part. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/data_verbs.h"
#include "cli/json.h"
#include "datasets/expand.h"
#include "datasets/fit.h"
#include "kernels/core/alloc.h"

enum { SIDE = 224 /* of new pictures, where --size does not say it */ };

/* The picture on white, mirrored in every odd draw.  Runs in worker threads. */
static kohl_status make_pixels(void *user, kohl_context *ctx, const kohl_samples *samples, kohl_extra extra,
                               uint8_t *dst, int w, int h) {
  (void)user;
  kohl_fit fit = {.w = w, .h = h, .mode = KOHL_FIT_LETTERBOX, .filter = KOHL_FILTER_LANCZOS};
  memset(fit.background, 255, sizeof fit.background);
  kohl_picture picture, fitted = {0};
  kohl_status status = kohl_picture_read(ctx, samples->sample[extra.sample].path, NULL, &picture);
  if (status == KOHL_OK) status = kohl_picture_fit(ctx, &picture, &fit, &fitted);
  size_t row = (size_t)w * 3;
  for (size_t y = 0; status == KOHL_OK && y < (size_t)h; y++) {
    for (size_t x = 0; x < (size_t)w; x++) {
      size_t from = extra.draw % 2 ? (size_t)w - 1 - x : x;
      memcpy(dst + y * row + x * 3, fitted.rgb + y * row + from * 3, 3);
    }
  }
  kohl_picture_free(ctx, &picture);
  kohl_picture_free(ctx, &fitted);
  return status;
}

static void show_progress(void *user, size_t done, size_t count) {
  cli *c = user;
  printf("\r\033[K%zu of %zu pictures", done, count);
  fflush(stdout);
  c->line_open = true;
}

static int print_result(cli *c, const kohl_samples *s, const kohl_extra *extras, size_t count, size_t written) {
  size_t *n;
  kohl_status status = kohl_alloc(c->ctx, 2 * s->class_count, sizeof *n, "counts", &n);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  for (size_t i = 0; i < s->count; i++) n[2 * (size_t)s->sample[i].label] += s->sample[i].split == KOHL_SPLIT_TRAIN;
  for (size_t i = 0; i < count; i++) n[2 * (size_t)s->sample[extras[i].sample].label + 1]++;
  int code;
  if (cli_format_is(c, "json")) {
    kohl_json_writer w;
    kohl_json_write_begin(&w, c->ctx);
    kohl_json_write_object_begin(&w);
    cli_json_count(&w, "planned", count);
    cli_json_count(&w, "written", written);
    kohl_json_write_key(&w, "classes");
    kohl_json_write_array_begin(&w);
    for (size_t i = 0; i < s->class_count; i++) {
      kohl_json_write_object_begin(&w);
      cli_json_text(&w, "class", s->classes[i]);
      cli_json_count(&w, "train", n[2 * i]);
      cli_json_count(&w, "planned", n[2 * i + 1]);
      kohl_json_write_object_end(&w);
    }
    kohl_json_write_array_end(&w);
    kohl_json_write_object_end(&w);
    code = cli_print_json(c, &w);
  } else {
    cli_table *t = cli_table_new("class|>train|>new");
    for (size_t i = 0; i < s->class_count; i++) {
      cli_table_cell(t, s->classes[i]);
      cli_table_cellf(t, "%zu", n[2 * i]);
      cli_table_cellf(t, "%zu", n[2 * i + 1]);
    }
    code = cli_print_table(c, t);
  }
  kohl_free(c->ctx, n);
  return code;
}

int data_balance(cli *c) {
  int w = SIDE, h = SIDE, code = data_operands(c, 2, "balance [options] SOURCE OUT --to N");
  const cli_value *to = cli_get(c, CLI_OPTION_to), *size = cli_get(c, CLI_OPTION_size);
  if (code == 0 && !to->set)
    code = cli_fail(c, KOHL_USAGE, "--to: missing, expected the pictures that a class has at least");
  if (code == 0 && size->set) code = cli_parse_size(c, size->text, &h, &w);
  if (code == 0) code = cli_begin(c);
  if (code) return code;
  kohl_samples samples;
  kohl_extra *extras = NULL;
  size_t count = 0, written = 0;
  code = data_open_split(c, c->options.operands[1], &samples);
  if (code == 0) {
    kohl_expand_options options = {.w = w, .h = h, .make = make_pixels, .user = c};
    if (isatty(STDOUT_FILENO) && !cli_get(c, CLI_OPTION_quiet)->set) options.progress = show_progress;
    kohl_status status = kohl_extras_plan(c->ctx, &samples, (size_t)to->number,
                                          (uint64_t)cli_get(c, CLI_OPTION_seed)->number, &extras, &count);
    if (status == KOHL_OK) {
      status = kohl_expand(c->ctx, &samples, extras, count, &options, c->options.operands[2], &written);
    }
    cli_clear_line(c);
    code = status == KOHL_OK ? print_result(c, &samples, extras, count, written) : cli_fail_library(c, status);
  }
  if (code == 0 && written < count) code = (int)KOHL_BAD_INPUT;
  kohl_free(c->ctx, extras);
  kohl_samples_free(c->ctx, &samples);
  return code;
}
