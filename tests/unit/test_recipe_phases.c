/* Phases of recipes: which key is whose, what is refused, overrides, the way there and back, the rules between keys;
 * and every recipe of the tree. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/recipe_field.h"

static kohl_context *ctx;

static void open_context(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}

static void close_context(void) { kohl_context_destroy(ctx); }

static kohl_recipe read_text(const char *text) {
  kohl_recipe r;
  ck_assert_msg(kohl_recipe_parse(ctx, "r.yaml", text, strlen(text), &r) == KOHL_OK, "%s", kohl_context_error(ctx));
  return r;
}

static void check_begins(const char *text, const char *begins) {
  ck_assert_msg(strncmp(text, begins, strlen(begins)) == 0, "'%s', expected '%s...'", text, begins);
  ck_assert_ptr_null(strchr(text, '\n'));
}

static void set(kohl_recipe *r, const char *assignment) {
  ck_assert_msg(kohl_recipe_set(ctx, r, assignment) == KOHL_OK, "%s", kohl_context_error(ctx));
}

/* A recipe reads back as it was written. */
static void check_written(const kohl_recipe *r) {
  char *first, *second;
  ck_assert_int_eq(kohl_recipe_print(ctx, r, &first), KOHL_OK);
  kohl_recipe again = read_text(first);
  ck_assert_int_eq(kohl_recipe_print(ctx, &again, &second), KOHL_OK);
  ck_assert_str_eq(first, second);
  ck_assert_int_eq(again.phase_count, r->phase_count);
  for (int i = KOHL_RECIPE_PHASE_FIRST; i < KOHL_RECIPE_FIELDS; i++) {
    for (int p = 0; p < r->phase_count; p++) {
      const kohl_recipe_field *field = &kohl_recipe_fields[i];
      const void *a = kohl_recipe_field_at(r, i, p), *b = kohl_recipe_field_at(&again, i, p);
      if (field->kind == KOHL_RECIPE_TEXT) ck_assert_str_eq(*(char *const *)a, *(char *const *)b);
      if (field->kind == KOHL_RECIPE_REAL) ck_assert_double_eq(*(const double *)a, *(const double *)b);
    }
  }
  kohl_recipe_free(ctx, &again);
  kohl_free(ctx, first);
  kohl_free(ctx, second);
}

/* The list: keys of phases behind all others, top-level keys of a phase before its groups, `best` in stop.metric. */
START_TEST(the_list) {
  const char *best = NULL, *stop = NULL;
  bool group = false;
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    if (strcmp(field->path, "best") == 0) best = field->words;
    if (strcmp(field->path, "stop.metric") == 0) stop = field->words;
    if (i == KOHL_RECIPE_PHASE_FIRST) ck_assert_str_eq(field->path, "name");
    if (i < KOHL_RECIPE_PHASE_FIRST) continue;
    ck_assert(strchr(field->path, '.') || !group);
    group |= strchr(field->path, '.') != NULL;
  }
  ck_assert_ptr_nonnull(best);
  ck_assert_ptr_nonnull(stop);
  ck_assert_int_eq(strncmp(stop, "best|", 5), 0);
  ck_assert_str_eq(stop + 5, best);
}
END_TEST

START_TEST(one_phase_is_the_top_level) {
  kohl_recipe r = read_text("epochs: 7\ntrain: last 2\noptimizer: {lr: 1e-2}\nschedule: {name: cosine, warmup: 1.5}\n");
  ck_assert_int_eq(r.phase_count, 1);
  ck_assert(!r.phases_listed);
  ck_assert_int_eq(r.phases[0].epochs, 7);
  ck_assert_str_eq(r.phases[0].train, "last 2");
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1e-2);
  ck_assert_int_eq(r.phases[0].schedule.name, KOHL_SCHEDULE_COSINE);
  ck_assert_double_eq(r.phases[0].schedule.warmup, 1.5);
  check_written(&r);
  set(&r, "phases.1.epochs=9"); /* its only phase, so that what comes is not its own either */
  set(&r, "train=all");
  ck_assert_int_eq(r.phase.epochs, 9);
  set(&r, "epochs=8");
  ck_assert_int_eq(r.phases[0].epochs, 8);
  ck_assert_str_eq(r.phases[0].train, "all");
  char *text;
  ck_assert_int_eq(kohl_recipe_print(ctx, &r, &text), KOHL_OK);
  ck_assert_ptr_null(strstr(text, "phases:"));
  kohl_free(ctx, text);
  kohl_recipe_free(ctx, &r);
}
END_TEST

static const char two[] =
    "optimizer: {lr: 1e-4, decay: 1e-6}\n"
    "freeze: a*\n"
    "phases:\n"
    "  - epochs: 30\n"
    "  - train: last 4\n"
    "    epochs: 20\n"
    "    optimizer: {lr: 5e-5, decay: 0}\n"
    "    begin: best\n";

START_TEST(a_phase_has_what_it_says_and_else_the_top_level) {
  kohl_recipe r = read_text(two);
  ck_assert_int_eq(r.phase_count, 2);
  ck_assert_str_eq(r.phases[0].train, "head");
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1e-4);
  ck_assert_double_eq(r.phases[0].optimizer.decay, 1e-6);
  ck_assert_int_eq(r.phases[1].epochs, 20);
  ck_assert_double_eq(r.phases[1].optimizer.lr, 5e-5);
  ck_assert_double_eq(r.phases[1].optimizer.decay, 0);
  ck_assert_int_eq(r.phases[1].begin, KOHL_BEGIN_BEST);
  for (int p = 0; p < 2; p++) ck_assert_str_eq(r.phases[p].freeze, "a*");
  check_written(&r);
  kohl_recipe_free(ctx, &r);
}
END_TEST

START_TEST(overrides) {
  kohl_recipe r = read_text(two);
  set(&r, "optimizer.lr=2e-3");
  ck_assert_double_eq(r.phases[0].optimizer.lr, 2e-3);
  ck_assert_double_eq(r.phases[1].optimizer.lr, 5e-5);
  set(&r, "freeze=b, c");
  for (int p = 0; p < 2; p++) ck_assert_str_eq(r.phases[p].freeze, "b, c");
  set(&r, "phases.2.freeze=d");
  set(&r, "freeze=");
  ck_assert_str_eq(r.phases[0].freeze, "");
  ck_assert_str_eq(r.phases[1].freeze, "d");
  set(&r, "phases.1.optimizer.lr=1");
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1);
  const char *bad[][2] = {
      {"optimizer.lr=3", "--set optimizer.lr=3: field 'optimizer.lr': every phase says its own, expected phases.N."},
      {"epochs=3", "--set epochs=3: field 'epochs': every phase says its own"},
      {"phases.3.epochs=1",
       "--set phases.3.epochs=1: field 'phases.3.epochs': no such phase, expected phases.N.KEY "
       "with N from 1 to 2"},
      {"phases.0.epochs=1", "--set phases.0.epochs=1: field 'phases.0.epochs': no such phase"},
      {"phases.12.epochs=1", "--set phases.12.epochs=1: field 'phases.12.epochs': no such phase"},
      {"phases.=1", "--set phases.=1: field 'phases.': no such phase"},
      {"phases.1=1", "--set phases.1=1: field 'phases.1': no such phase"},
      {"phases.1.=1", "--set phases.1.=1: field 'phases.1.': no such field"},
      {"phases=1", "--set phases=1: field 'phases': no such field"},
      {"phases.1.batch=1", "--set phases.1.batch=1: field 'phases.1.batch': no such field of a phase"},
      {"phases.1.epochs=0", "--set phases.1.epochs=0: field 'phases.1.epochs': value '0', expected a whole number"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_int_eq(kohl_recipe_set(ctx, &r, bad[i][0]), KOHL_USAGE);
    check_begins(kohl_context_error(ctx), bad[i][1]);
  }
  ck_assert_double_eq(r.phase.optimizer.lr, 2e-3);
  ck_assert_int_eq(r.phases[0].epochs, 30);
  check_written(&r);
  kohl_recipe_free(ctx, &r);
}
END_TEST

/* Overrides come before base.adjust, and once more behind it: they have the last word in any spelling. */
START_TEST(overrides_and_adjustments) {
  static const char *const spelled[] = {"optimizer.lr=1", "phases.1.optimizer.lr=1"};
  for (int i = 0; i < 2; i++) {
    kohl_recipe r = read_text(two);
    set(&r, "base.adjust=a: optimizer.lr=3 phases.2.train='last 5'");
    set(&r, spelled[i]);
    ck_assert_msg(kohl_recipe_adjust(ctx, &r, "a") == KOHL_OK, "%s", kohl_context_error(ctx));
    set(&r, spelled[i]);
    ck_assert_double_eq(r.phases[0].optimizer.lr, 1);
    ck_assert_double_eq(r.phases[1].optimizer.lr, 5e-5);
    ck_assert_str_eq(r.phases[1].train, "last 5");
    kohl_recipe_free(ctx, &r);
  }
}
END_TEST

static const char *const wrong[][2] = {
    {"phases:\n  - train: head\n  - optimizer:\n      lr: x\n",
     "r.yaml:4: field 'phases.2.optimizer.lr': value 'x', expected a number from"},
    {"phases:\n  - optimizer:\n      rate: 3\n", "r.yaml:3: field 'phases.1.optimizer.rate': no such field"},
    {"phases:\n  - epochs: 3\n  - batch: 3\n", "r.yaml:3: field 'phases.2.batch': no such field"},
    {"phases: []\n", "r.yaml:1: field 'phases': Insufficient entries"},
    {"phases:\n", "r.yaml:1: field 'phases': Expecting SEQUENCE"},
    {"phases: {train: head}\n", "r.yaml:1: field 'phases': Expecting SEQUENCE"},
    {"phases:\n  - {}\n  - 3\n", "r.yaml:3: field 'phases.2': Expecting MAPPING"},
    {"phases: [{}, {}, {}, {}, {}, {}, {}, {}, {}]\n", "r.yaml:1: field 'phases': Excessive entries"},
    {"phases:\n  - {}\n  - train: a\n    train: b\n", "r.yaml:4: field 'phases.2.train': given again, expected once"},
    {"phases: [{begin: best}]\n", "r.yaml: field 'phases.1.begin': value 'best' in the first phase"},
    {"begin: best\n", "r.yaml: field 'begin': value 'best' in the first phase"},
    {"phases: [{}, {optimizer: {name: adam}}]\n",
     "r.yaml: field 'phases.2.optimizer.epsilon_place': value 'outside', expected for adam hat"},
    {"optimizer: {momentum: 0.5}\nphases: [{}, {optimizer: {name: adam, epsilon_place: hat}}]\n",
     "r.yaml: field 'phases.2.optimizer.momentum': value 0.5, which adam does not read, expected 0 or sgd or rmsprop"},
    {"phases: [{}, {schedule: {every: 3}}]\n",
     "r.yaml: field 'phases.2.schedule.every': value 3, which constant does not read, expected 10 or step"},
    {"schedule: {name: cosine, factor: 0.5}\n",
     "r.yaml: field 'schedule.factor': value 0.5, which cosine does not read"},
    {"schedule: {name: step, floor: 0.5}\n", "r.yaml: field 'schedule.floor': value 0.5, which step does not read"},
    {"schedule: {name: step, compare: previous}\n",
     "r.yaml: field 'schedule.compare': value 'previous', which step does not read, expected best or plateau"},
    {"schedule: {stop: true}\n", "r.yaml: field 'schedule.stop': value 'true', which constant does not read"},
    {"schedule: {warmup_from: 0.5}\n",
     "r.yaml: field 'schedule.warmup_from': value 0.5, which schedule.warmup 0 does not read"},
    {"epochs: 3\nschedule: {warmup: 3.5}\n",
     "r.yaml: field 'schedule.warmup': value 3.5, expected at most the phase's epochs, 3"},
    {"schedule: {factor: 0}\n", "r.yaml:1: field 'schedule.factor': value '0', expected a number from 1e-06 to 1"},
    {"stop: {metric: val_loss}\n",
     "r.yaml: field 'stop.metric': value 'val_loss', which stop.patience 0 does not read, expected best or stop."},
    {"stop: {min_delta: 1}\n", "r.yaml: field 'stop.min_delta': value 1, which stop.patience 0 does not read"},
    {"train: last 0\n", "r.yaml: field 'train': value 'last 0', expected head, all, last N"},
    {"freeze: a,\n", "r.yaml: field 'freeze': value 'a,', expected patterns"},
    {"augment: {zoom: [1.1, 0.9]}\n",
     "r.yaml:1: field 'augment.zoom': value '[1.1,0.9]', expected a range [LOW, HIGH] within 0.01 to 100"},
    {"augment: {zoom: [1]}\n", "r.yaml:1: field 'augment.zoom': value '[1]', expected a range"},
    {"augment: {zoom: []}\n", "r.yaml:1: field 'augment.zoom': value '[]', expected a range"},
    {"augment: {zoom: [1, 2, 3]}\n", "r.yaml:1: field 'augment.zoom': value '[1,2,3]', expected a range"},
    {"augment: {contrast: 2}\n", "r.yaml:1: field 'augment.contrast': Expecting SEQUENCE"},
    {"pictures: {size: 64}\naugment: {crop: 63}\n",
     "r.yaml: field 'augment.crop': value 63, expected 0 or at least pictures.size, 64"},
    {"features: {variants: 2}\n", "r.yaml: field 'features.variants': value 2, but nothing is augmented"},
    {"features: {variants: 2, cache: false}\naugment: {shear: 3}\n",
     "r.yaml: field 'features.variants': value 2 with features.cache false"},
    {"data: {several_labels: true}\n", "r.yaml: field 'data.several_labels': value 'true' with loss.name softmax"},
    {"data: {several_labels: true}\nloss: {name: sigmoid}\n",
     "r.yaml: field 'loss.class_weights': a picture with several"},
    {"accumulate: 1025\n", "r.yaml:1: field 'accumulate': value '1025', expected a whole number from 1 to 1024"},
    {"best: val_f1\n", "r.yaml:1: field 'best': value 'val_f1', expected one of val_accuracy|"},
};

START_TEST(what_is_refused) {
  kohl_recipe r;
  ck_assert_int_eq(kohl_recipe_parse(ctx, "r.yaml", wrong[_i][0], strlen(wrong[_i][0]), &r), KOHL_BAD_INPUT);
  check_begins(kohl_context_error(ctx), wrong[_i][1]);
}
END_TEST

START_TEST(augmentation) {
  kohl_recipe r = read_text("");
  const kohl_augmentation none = kohl_augmentation_none();
  kohl_augmentation a = kohl_recipe_augmentation(&r);
  ck_assert_int_eq(memcmp(&a.zoom, &none.zoom, sizeof a.zoom), 0);
  ck_assert_ptr_null(kohl_augmentation_check(&a));
  ck_assert(!kohl_recipe_augments(&r));
  set(&r, "augment.fill=wrap"); /* how, not whether */
  ck_assert(!kohl_recipe_augments(&r));
  static const char *const one[] = {"rotation=20",
                                    "width_shift=0.2",
                                    "height_shift=1/5",
                                    "zoom=0.9:1.1",
                                    "shear=3",
                                    "horizontal_flip=true",
                                    "vertical_flip=true",
                                    "brightness=[0.5,2]",
                                    "contrast=0.5,1",
                                    "saturation=1:2",
                                    "crop=300"};
  for (size_t i = 0; i < sizeof one / sizeof *one; i++) {
    kohl_recipe single = read_text("");
    char assignment[64];
    snprintf(assignment, sizeof assignment, "augment.%s", one[i]);
    set(&single, assignment);
    set(&r, assignment);
    ck_assert_msg(kohl_recipe_augments(&single), "%s", one[i]);
    kohl_recipe_free(ctx, &single);
  }
  set(&r, "augment.colour=#010203");
  a = kohl_recipe_augmentation(&r);
  ck_assert_double_eq(a.rotation, 20);
  ck_assert_double_eq(a.width_shift, 0.2);
  ck_assert_double_eq(a.height_shift, 0.2);
  ck_assert_double_eq(a.zoom[0], 0.9);
  ck_assert_double_eq(a.zoom[1], 1.1);
  ck_assert_double_eq(a.shear, 3);
  ck_assert(a.horizontal_flip && a.vertical_flip);
  ck_assert_double_eq(a.brightness[1], 2);
  ck_assert_double_eq(a.contrast[0], 0.5);
  ck_assert_double_eq(a.saturation[1], 2);
  ck_assert_int_eq(a.crop, 300);
  ck_assert_int_eq(a.fill, KOHL_FILL_WRAP);
  for (int c = 0; c < 3; c++) ck_assert_float_eq(a.colour[c], (float)(c + 1));
  check_written(&r);
  kohl_recipe_free(ctx, &r);
}
END_TEST

/* Every word of augment.fill has the number that kernels/ give it. */
START_TEST(fills) {
  kohl_recipe r = read_text("");
  for (int i = 0; i < KOHL_FILLS; i++) {
    char assignment[64];
    snprintf(assignment, sizeof assignment, "augment.fill=%s", kohl_fill_name((kohl_fill)i));
    set(&r, assignment);
    ck_assert_int_eq(r.augment.fill, i);
  }
  kohl_recipe_free(ctx, &r);
}
END_TEST

/* Eight phases with long texts are the largest recipe; what is written can be read. */
START_TEST(the_largest_recipe) {
  kohl_recipe r = read_text("phases: [{}, {}, {}, {}, {}, {}, {}, {}]\n");
  char *text = malloc(5000);
  static const char *const keys[] = {"name", "train", "freeze", "base.name", "base.model", "base.at", "base.adjust"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    size_t n = (size_t)snprintf(text, 64, "%s=", keys[i]);
    memset(text + n, '"', 4095); /* two bytes each in the file */
    text[n + 4095] = 0;
    set(&r, text);
  }
  free(text);
  check_written(&r);
  kohl_recipe_free(ctx, &r);
}
END_TEST

/* Tests run in the tree's root. */
START_TEST(recipes_of_the_tree) {
  DIR *folder = opendir("recipes");
  ck_assert_ptr_nonnull(folder);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder));) {
    const char *dot = strrchr(entry->d_name, '.');
    if (!dot || strcmp(dot, ".yaml") != 0 || strstr(entry->d_name, "_rules")) continue;
    char path[300];
    snprintf(path, sizeof path, "recipes/%s", entry->d_name);
    kohl_recipe r;
    ck_assert_msg(kohl_recipe_read(ctx, path, &r) == KOHL_OK, "%s", kohl_context_error(ctx));
    check_written(&r);
    static const char *const bases[] = {"vgg19", "squeezenet1_1", "inception_v3"};
    for (int i = 0; i < 3; i++) { /* and so it does for another base */
      kohl_recipe other;
      ck_assert_int_eq(kohl_recipe_read(ctx, path, &other), KOHL_OK);
      ck_assert_msg(kohl_recipe_adjust(ctx, &other, bases[i]) == KOHL_OK, "%s", kohl_context_error(ctx));
      ck_assert_msg(kohl_recipe_check(ctx, &other, path) == KOHL_OK, "%s", kohl_context_error(ctx));
      check_written(&other);
      kohl_recipe_free(ctx, &other);
    }
    kohl_recipe_free(ctx, &r);
    count++;
  }
  closedir(folder);
  ck_assert_int_ge(count, 5);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("recipe_phases");
  TCase *tests = tcase_create("recipe_phases");
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, the_list);
  tcase_add_test(tests, one_phase_is_the_top_level);
  tcase_add_test(tests, a_phase_has_what_it_says_and_else_the_top_level);
  tcase_add_test(tests, overrides);
  tcase_add_test(tests, overrides_and_adjustments);
  tcase_add_loop_test(tests, what_is_refused, 0, (int)(sizeof wrong / sizeof *wrong));
  tcase_add_test(tests, augmentation);
  tcase_add_test(tests, fills);
  tcase_add_test(tests, the_largest_recipe);
  tcase_add_test(tests, recipes_of_the_tree);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
