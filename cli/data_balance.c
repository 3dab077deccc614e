/* kohl data balance: new pictures as files, until every class has N in the training part. */
#include <math.h>
#include <string.h>

#include "cli/data_verbs.h"
#include "cli/json.h"
#include "datasets/augment.h"
#include "datasets/augment_text.h"
#include "datasets/expand.h"
#include "datasets/fit.h"
#include "kernels/core/alloc.h"

enum { SIDE = 224 /* of new pictures, where --size does not say it */, TO_MOST = 1 << 24 };

/* What the threads share. */
typedef struct {
  kohl_augmentation augmentation;
  uint64_t seed;
  long to; /* pictures of a class */
} maker;

/* The numbers of experiment D: flip, brightness, zoom, shift, a small rotation. */
static const char usual[] =
    "horizontal_flip=1,brightness=0.8:1.2,zoom=0.9:1.1,width_shift=0.1,height_shift=0.1,rotation=10";

static uint8_t to_byte(float grey) {
  long value = lrintf(grey);
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* The fitted picture, augmented; keyed by the sample and the number of its draw, so that no other sample matters. */
static kohl_status augment(const maker *m, kohl_context *ctx, const kohl_picture *fitted, kohl_extra extra,
                           uint8_t *dst, int w, int h) {
  size_t floats = (size_t)w * (size_t)h * 3;
  float *made = NULL;
  void *workspace = NULL;
  kohl_augment_params params;
  kohl_augment_picture picture = {.src = fitted->rgb, .h = fitted->h, .w = fitted->w, .p = h, .q = w};
  kohl_augment_draw(&m->augmentation, m->seed, 0, (uint64_t)extra.sample << 32 | extra.draw, &params);
  kohl_status status = kohl_alloc(ctx, floats, sizeof *made, "a new picture", &made);
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, kohl_augment_workspace(ctx, h, w), 1, "augmentation", &workspace);
  }
  picture.dst = made;
  if (status == KOHL_OK) status = kohl_augment_apply(ctx, &m->augmentation, &params, &picture, workspace);
  for (size_t i = 0; status == KOHL_OK && i < floats; i++) dst[i] = to_byte(made[i]);
  kohl_free(ctx, made);
  kohl_free(ctx, workspace);
  return status;
}

/* The picture on white.  Runs in worker threads. */
static kohl_status make_pixels(void *user, kohl_context *ctx, const kohl_samples *samples, kohl_extra extra,
                               uint8_t *dst, int w, int h) {
  const maker *m = user;
  int crop = m->augmentation.crop;
  kohl_fit fit = {
      .w = crop ? crop : w, .h = crop ? crop : h, .mode = KOHL_FIT_LETTERBOX, .filter = KOHL_FILTER_LANCZOS};
  memset(fit.background, 255, sizeof fit.background);
  kohl_picture picture, fitted = {0};
  kohl_status status = kohl_sample_picture(ctx, samples, extra.sample, NULL, &picture);
  if (status == KOHL_OK) status = kohl_picture_fit(ctx, &picture, &fit, &fitted);
  if (status == KOHL_OK) status = augment(m, ctx, &fitted, extra, dst, w, h);
  kohl_picture_free(ctx, &picture);
  kohl_picture_free(ctx, &fitted);
  return status;
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

static int read_options(cli *c, maker *m, int *h, int *w) {
  const cli_value *size = cli_get(c, CLI_OPTION_size), *text = cli_get(c, CLI_OPTION_augment);
  const cli_value *to = cli_get(c, CLI_OPTION_to); /* text, since it is a format of `kohl export` */
  *w = *h = SIDE;
  if (!to->set) return cli_fail(c, KOHL_USAGE, "--to: missing, expected the pictures that a class has at least");
  if (!cli_number_parse(to->text, 1, TO_MOST, &m->to))
    return cli_fail(c, KOHL_USAGE, "--to: value '%s', expected a whole number of 1 to %d", to->text, TO_MOST);
  int code = size->set ? cli_parse_size(c, size->text, h, w) : 0;
  if (code) return code;
  m->augmentation = kohl_augmentation_none();
  m->seed = (uint64_t)cli_get(c, CLI_OPTION_seed)->number;
  kohl_status status = kohl_augmentation_parse(c->ctx, "--augment", text->set ? text->text : usual, &m->augmentation);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  int crop = m->augmentation.crop;
  if (!crop || (crop >= *h && crop >= *w)) return 0;
  return cli_fail(c, KOHL_USAGE, "--augment: key 'crop': value '%d', expected at least the %d x %d pixels of --size",
                  crop, *h, *w);
}

int data_balance(cli *c, char **operands, int operand_count) {
  (void)operand_count; /* two: the caller looks */
  maker m;
  int w, h, code = read_options(c, &m, &h, &w);
  if (code) return code;
  data_division division;
  kohl_extra *extras = NULL;
  size_t count = 0, written = 0;
  code = data_open_split(c, operands[0], &division);
  if (code == 0) {
    const kohl_samples *samples = &division.samples;
    kohl_expand_options options = {.w = w, .h = h, .make = make_pixels, .user = &m};
    options.progress = data_progress(c);
    options.progress_user = c;
    kohl_status status =
        kohl_extras_plan(c->ctx, samples, (size_t)m.to, m.seed, &extras, &count);
    if (status == KOHL_OK) status = kohl_expand(c->ctx, samples, extras, count, &options, operands[1], &written);
    cli_clear_line(c);
    code = status == KOHL_OK ? print_result(c, samples, extras, count, written) : cli_fail_library(c, status);
  }
  if (code == 0 && written < count) code = (int)KOHL_BAD_INPUT;
  code = data_end_division(c, operands[0], &division, code);
  kohl_free(c->ctx, extras);
  kohl_samples_free(c->ctx, &division.samples);
  return code;
}
