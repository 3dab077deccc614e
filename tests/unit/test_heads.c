/* Several heads from a recipe: what each is told, figures by their names, the model file, resume; and what is refused.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "infer/classify.h"
#include "kernels/core/alloc.h"
#include "tests/unit/fit_pictures.h"
#include "train/evaluate.h"
#include "train/recipe.h"

/* The pictures of fit_set_up with two more columns: material is warm for red and cold for the others, marks are none, x
 * or x;y by the place in the class.  Cells of places with place % 2 == hole are empty; -1: none are. */
static void write_list(const char *name, int hole) {
  static const char *const colours[] = {"red", "green", "blue"}, *const marks[] = {"", "x", "x;y"};
  static char csv[1 << 14];
  strcpy(csv, "path,label,material,marks\n");
  for (int c = 0; c < 3; c++) {
    for (int i = 0; i < 12 + 6 * c; i++) {
      char row[160];
      snprintf(row, sizeof row, "data/%s/%02d.png,%s,%s,%s\n", colours[c], i, colours[c],
               i % 2 == hole ? ""
               : c           ? "cold"
                             : "warm",
               marks[i % 3]);
      strcat(csv, row);
    }
  }
  fit_write_text(name, csv);
}

static const char *const common =
    "pictures: {fit: stretch, filter: bilinear}\n"
    "head: {dense: [16], dropout: 0.25}\n"
    "loss: {class_weights: none}\n"
    "optimizer: {lr: 3e-3, decay: 1e-3}\n"
    "epochs: 8\nbatch: 7\nseed: 3\n";

static void write_recipe(const char *name, const char *heads) {
  char text[2048];
  snprintf(text, sizeof text, "%s%s", common, heads);
  fit_write_text(name, text);
}

static void set_up(void) {
  fit_set_up();
  write_list("all.csv", -1);
  write_list("even.csv", 0);
  write_list("odd.csv", 1);
  write_recipe("one.yaml", "");
  write_recipe("listed.yaml", "heads:\n  - name: object\n");
  write_recipe("two.yaml", "heads:\n  - name: object\n  - {name: material, weight: 0.5}\n");
  write_recipe("three.yaml",
               "heads:\n  - name: object\n    loss: {class_weights: balanced}\n"
               "  - {name: material, pool: global_avg, dense: []}\n"
               "  - name: signs\n    column: marks\n    loss: {name: sigmoid, positive_weights: balanced}\n");
}

static kohl_status train(kohl_context *ctx, const char *recipe, const char *data, const char *run, bool resume,
                         const char *const *sets, size_t count, const kohl_train_hooks *hooks) {
  kohl_train_options options = {.recipe = fit_path(recipe),
                                .data = fit_path(data),
                                .run = fit_path(run),
                                .resume = resume,
                                .init_from = fit_path("base.safetensors"),
                                .overrides = sets,
                                .override_count = count,
                                .hooks = hooks};
  return kohl_train(ctx, &options, NULL);
}

/* The head of a list of one is the head that is alone: the same bits. */
START_TEST(a_list_of_one_changes_nothing) {
  kohl_context *ctx = fit_context(2);
  fit_ok(ctx, train(ctx, "one.yaml", "all.csv", "alone", false, NULL, 0, NULL));
  fit_ok(ctx, train(ctx, "listed.yaml", "all.csv", "listed", false, NULL, 0, NULL));
  fit_same_state("alone/last.ckpt", "listed/last.ckpt");
  kohl_context_destroy(ctx);
}
END_TEST

/* Gradients of the first step, and the largest size of what the heads read. */
/* 6 x 6 x 6 inputs; tensors begin at multiples of 16 floats. */
enum { MATERIAL = 216 * 2 + 16, OBJECT = 656 + 16 };
typedef struct seen {
  float gradient[MATERIAL + OBJECT];
  float largest;
} seen;

static void on_input(void *user, int64_t step, float *input, size_t floats) {
  seen *s = user;
  for (size_t i = 0; i < floats && step == 0; i++) s->largest = fmaxf(s->largest, fabsf(input[i]));
}

static void on_gradients(void *user, int64_t step, float *gradients, size_t count) {
  seen *s = user;
  ck_assert_uint_eq(count, MATERIAL + OBJECT);
  if (step == 0) memcpy(s->gradient, gradients, sizeof s->gradient);
}

static void look(kohl_context *ctx, const char *data, const char *run, const char *weight, seen *out) {
  const char *const sets[] = {"head.dense=[]", "head.dropout=0", "epochs=1", weight};
  const kohl_train_hooks hooks = {on_input, on_gradients, out};
  memset(out, 0, sizeof *out);
  fit_ok(ctx, train(ctx, "two.yaml", data, run, false, sets, 4, &hooks));
}

/* Each head's gradients are its own loss's times its weight, exactly; a picture without a label adds nothing to them
 * and changes nothing of the others'. */
START_TEST(gradients_are_of_the_sum) {
  static seen half, whole, even, odd;
  kohl_context *ctx = fit_context(1);
  look(ctx, "all.csv", "g_half", "heads.2.weight=0.5", &half);
  look(ctx, "all.csv", "g_whole", "heads.2.weight=1", &whole);
  look(ctx, "even.csv", "g_even", "heads.2.weight=1", &even);
  look(ctx, "odd.csv", "g_odd", "heads.2.weight=1", &odd);
  bool nothing = true;
  for (int i = 0; i < MATERIAL; i++) {
    ck_assert(whole.gradient[i] == 2 * half.gradient[i]);
    nothing &= even.gradient[i] == 0.0f || odd.gradient[i] == 0.0f;
    /* up to 7 products of at most 1/7 and the largest input, in chains of at most 7 with a division each: 8 roundings,
     * for the whole and for its parts */
    const double limit = 2 * 8 * 0x1p-24 * (double)fmaxf(whole.largest, 1.0f);
    const double parts = (double)even.gradient[i] + (double)odd.gradient[i];
    ck_assert_msg(fabs((double)whole.gradient[i] - parts) <= limit, "%d: %g, expected %g", i, (double)whole.gradient[i],
                  parts);
  }
  ck_assert(!nothing); /* else the first batch is no test */
  for (int i = MATERIAL; i < MATERIAL + OBJECT; i++) {
    ck_assert(whole.gradient[i] == half.gradient[i]);
    ck_assert(whole.gradient[i] == even.gradient[i] && whole.gradient[i] == odd.gradient[i]);
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* Two phases, dropout, accumulated gradients, pools that differ, and cells that are empty. */
START_TEST(resume_is_bit_exact) {
  static const long polls[] = {5, 60, 200, 333, 500};
  static const char *const sets[] = {"accumulate=2", "train=all", "best=material.val_loss"};
  kohl_context *ctx = fit_context(2);
  fit_ok(ctx, train(ctx, "three.yaml", "even.csv", "whole", false, sets, 3, NULL));
  for (size_t i = 0; i < sizeof polls / sizeof *polls; i++) {
    char run[32], best[64], last[64];
    snprintf(run, sizeof run, "stopped%zu", i);
    snprintf(best, sizeof best, "%s/best.safetensors", run);
    snprintf(last, sizeof last, "%s/last.ckpt", run);
    fit_polls_left = polls[i];
    kohl_status status = train(ctx, "three.yaml", "even.csv", run, false, sets, 3, NULL);
    fit_polls_left = -1;
    ck_assert_msg(status == KOHL_INTERRUPTED, "stop %zu: %s", i, kohl_status_text(status));
    fit_ok(ctx, train(ctx, "three.yaml", "even.csv", run, true, sets, 3, NULL));
    fit_same_file("whole/best.safetensors", best);
    fit_same_state("whole/last.ckpt", last);
  }
  kohl_context_destroy(ctx);
}
END_TEST

static kohl_status count_result(void *user, const kohl_classified *r) {
  ck_assert_int_eq(r->status, KOHL_OK);
  ck_assert(r->more[0].probabilities[1] > 0.5f && !r->more[0].chosen); /* warm */
  ck_assert_ptr_nonnull(r->more[1].chosen);
  for (int c = 0; c < 2; c++) ck_assert(r->more[1].chosen[c] == (r->more[1].probabilities[c] >= 0.5f));
  ++*(int *)user;
  return KOHL_OK;
}

START_TEST(every_head_is_judged_kept_and_asked) {
  static const char header[] =
      "phase,epoch,step,lr,loss,accuracy,val_loss,val_accuracy,val_balanced_accuracy,val_macro_f1,object_loss,"
      "object_accuracy,val_object_loss,val_object_accuracy,val_object_balanced_accuracy,val_object_macro_f1,"
      "material_loss,";
  kohl_context *ctx = fit_context(2);
  fit_ok(ctx, train(ctx, "three.yaml", "even.csv", "three", false, NULL, 0, NULL));
  size_t bytes;
  char *text = fit_load("three/metrics.csv", &bytes);
  ck_assert_int_eq(strncmp(text, header, strlen(header)), 0);
  free(text);
  text = fit_load("three/run.json", &bytes);
  ck_assert_msg(strstr(text, "\"material\":{\"classes\":2,\"pictures_without_label\":27,\"val_loss\":") != NULL, "%s",
                text);
  free(text);
  kohl_model *model;
  fit_ok(ctx, kohl_model_open(ctx, fit_path("three/best.safetensors"), &model));
  ck_assert_uint_eq(kohl_model_heads(model), 3);
  const kohl_model_head object = kohl_model_head_at(model, 0), signs = kohl_model_head_at(model, 2);
  ck_assert_str_eq(object.layer, "object");
  ck_assert_int_eq(object.task, KOHL_TASK_ONE_LABEL);
  ck_assert_str_eq(signs.layer, "signs");
  ck_assert_int_eq(signs.task, KOHL_TASK_MANY_LABELS);
  ck_assert_str_eq(signs.labels[1], "y");
  kohl_classifier *classifier;
  const kohl_classifier_options defaults = kohl_classifier_options_default();
  const char *files[2] = {fit_path("data/red/03.png"), fit_path("data/red/08.png")};
  int results = 0;
  fit_ok(ctx, kohl_classifier_create(ctx, model, &defaults, &classifier));
  fit_ok(ctx, kohl_classify(classifier, files, 2, count_result, &results));
  ck_assert_int_eq(results, 2);
  kohl_classifier_destroy(classifier);
  kohl_model_destroy(ctx, model);
  /* the run's own list has the heads' names as columns; a file of the user's need not have them all */
  kohl_evaluate_options options = kohl_evaluate_options_default();
  kohl_evaluation e;
  fit_ok(ctx, kohl_evaluate(ctx, fit_path("three/best.safetensors"), fit_path("three/validation.csv"), &options, &e));
  ck_assert_str_eq(e.head, "object");
  ck_assert_uint_eq(e.metrics.n, 9);
  ck_assert_double_eq(e.metrics.accuracy, 1.0);
  ck_assert_uint_eq(e.more_count, 2);
  ck_assert_uint_lt(e.more[0].metrics.n, 9); /* those that have a label */
  ck_assert_double_eq(e.more[0].metrics.accuracy, 1.0);
  ck_assert(e.more[1].many);
  kohl_predictions kept;
  fit_ok(ctx, kohl_predictions_read(ctx, fit_path("three/predictions-material.csv"), &kept));
  ck_assert_uint_eq(kept.count, e.more[0].metrics.n);
  kohl_predictions_free(ctx, &kept);
  kohl_evaluation_free(ctx, &e);
  ck_assert_int_eq(kohl_evaluate(ctx, fit_path("three/best.safetensors"), fit_path("even.csv"), &options, &e),
                   KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no column named 'signs'"));
  options.head = "material";
  fit_ok(ctx, kohl_evaluate(ctx, fit_path("three/best.safetensors"), fit_path("all.csv"), &options, &e));
  ck_assert_uint_eq(e.metrics.n, 54);
  ck_assert_uint_eq(e.more_count, 0);
  kohl_evaluation_free(ctx, &e);
  options.head = "period";
  ck_assert_int_eq(kohl_evaluate(ctx, fit_path("three/best.safetensors"), fit_path("all.csv"), &options, &e),
                   KOHL_USAGE);
  kohl_context_destroy(ctx);
}
END_TEST

/* The figure of the named head decides: its best epoch by metrics.csv is the one that is kept. */
START_TEST(best_of_a_named_head) {
  static const char *const set = "best=material.val_loss";
  kohl_context *ctx = fit_context(2);
  kohl_train_options options = {.recipe = fit_path("two.yaml"),
                                .data = fit_path("odd.csv"),
                                .run = fit_path("named"),
                                .init_from = fit_path("base.safetensors"),
                                .overrides = &set,
                                .override_count = 1};
  kohl_train_result result;
  fit_ok(ctx, kohl_train(ctx, &options, &result));
  size_t bytes;
  char *text = fit_load("named/metrics.csv", &bytes), *line = strchr(text, '\n') + 1;
  double least = INFINITY;
  int best = 0;
  for (int epoch = 1; *line; epoch++) {
    char *field = line;
    for (int i = 0; i < 18; i++) field = strchr(field, ',') + 1; /* val_material_loss */
    const double value = strtod(field, NULL);
    if (value < least) least = value, best = epoch;
    line = strchr(line, '\n') + 1;
  }
  ck_assert_int_eq(result.best_epoch, best);
  free(text);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(what_is_refused) {
  static const char *const cases[][2] = {
      {"heads:\n  - dense: []\n", "r.yaml: field 'heads.1.name': value '', expected 1 to 32 letters"},
      {"heads:\n  - name: a b\n", "r.yaml: field 'heads.1.name': value 'a b', expected 1 to 32 letters"},
      {"heads:\n  - name: Label\n", "r.yaml: field 'heads.1.name': value 'Label', expected 1 to 32 letters"},
      {"heads:\n  - name: a\n  - name: a\n", "r.yaml: field 'heads.2.name': value 'a', which head 1 has"},
      {"heads:\n  - {name: a, epochs: 3}\n", "r.yaml:2: field 'heads.1.epochs': no such field"},
      {"heads:\n  - {name: a, weight: 0}\n", "r.yaml:2: field 'heads.1.weight': value '0', expected a number from"},
      {"heads: []\n", "r.yaml:1: field 'heads'"},
      {"best: b.val_loss\nheads:\n  - name: a\n", "r.yaml: field 'best': no head 'b', expected one of `heads`"},
      {"best: a.val_loss\n", "r.yaml: field 'best': no head 'a'"},
      {"stop: {metric: b.val_loss, patience: 1}\nheads:\n  - name: a\n", "r.yaml: field 'stop.metric': no head 'b'"},
      {"stop: {metric: a.best}\n", "r.yaml:1: field 'stop.metric': value 'a.best', expected one of"},
      {"head: {name: a}\n", "r.yaml: field 'head.name': value 'a', which a head that is alone has not"},
      {"head: {weight: 2}\n", "r.yaml: field 'head.weight': value 2 of the only head"},
      {"data: {several_labels: true}\nheads:\n  - name: a\n", "r.yaml: field 'data.several_labels': value 'true' with"},
      {"heads:\n  - {name: a, loss: {name: sigmoid}}\n", "r.yaml: field 'heads.1.loss.class_weights': a picture with"},
      {"accumulate: 2\nloss: {weights_divide_by: weights}\nheads:\n  - name: a\n  - name: b\n",
       "r.yaml: field 'heads.1.loss.weights_divide_by': value 'weights' with several heads and accumulate 2"},
  };
  kohl_context *ctx = fit_context(1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    kohl_recipe r;
    ck_assert_int_eq(kohl_recipe_parse(ctx, "r.yaml", cases[i][0], strlen(cases[i][0]), &r), KOHL_BAD_INPUT);
    const char *error = kohl_context_error(ctx);
    ck_assert_msg(strncmp(error, cases[i][1], strlen(cases[i][1])) == 0, "'%s', expected '%s...'", error, cases[i][1]);
  }
  static const struct {
    const char *recipe, *data, *set;
    const char *text;
  } runs[] = {
      {"two.yaml", "data", NULL, "no column 'material' for head 'material', expected a CSV"},
      {"two.yaml", "all.csv", "heads.2.column=colour", "no column named 'colour'"},
      {"two.yaml", "all.csv", "heads.1.name=conv",
       "head 'conv': its layer 'conv' would have the name of one of the base"},
      {"two.yaml", "none.csv", NULL, "0 classes of training pictures for head material, expected at least 2"},
  };
  fit_write_text("none.csv", "path,label,material\ndata/red/00.png,a,\ndata/red/01.png,b,\ndata/red/02.png,a,\n");
  for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
    char run[32];
    snprintf(run, sizeof run, "refused%zu", i);
    kohl_status status = train(ctx, runs[i].recipe, runs[i].data, run, false, &runs[i].set, runs[i].set != NULL, NULL);
    ck_assert_msg(status == KOHL_BAD_INPUT, "%zu: %s", i, kohl_status_text(status));
    ck_assert_msg(strstr(kohl_context_error(ctx), runs[i].text) != NULL, "%s", kohl_context_error(ctx));
  }
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(overrides) {
  kohl_context *ctx = fit_context(1);
  kohl_recipe r;
  char *text;
  fit_ok(ctx, kohl_recipe_read(ctx, fit_path("three.yaml"), &r));
  fit_ok(ctx, kohl_recipe_set(ctx, &r, "head.dense=[4]"));
  fit_ok(ctx, kohl_recipe_set(ctx, &r, "heads.3.loss.label_smoothing=0.5"));
  ck_assert_int_eq(r.heads[0].head.dense.count, 1);
  ck_assert_int_eq(r.heads[1].head.dense.count, 0); /* its own */
  ck_assert_double_eq(r.heads[2].loss.label_smoothing, 0.5);
  ck_assert_double_eq(r.heads[1].loss.label_smoothing, 0);
  ck_assert_int_eq(kohl_recipe_set(ctx, &r, "heads.4.dense=[]"), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no such head, expected heads.N.KEY with N from 1 to 3"));
  ck_assert_int_eq(kohl_recipe_set(ctx, &r, "heads.1.epochs=1"), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no such field of a head"));
  ck_assert_int_eq(kohl_recipe_set(ctx, &r, "head.name=a"), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "every head says its own, expected heads.N.name"));
  fit_ok(ctx, kohl_recipe_print(ctx, &r, &text));
  kohl_recipe again;
  fit_ok(ctx, kohl_recipe_parse(ctx, "again", text, strlen(text), &again));
  ck_assert_int_eq(again.head_count, 3);
  ck_assert_str_eq(again.heads[2].head.column, "marks");
  ck_assert_int_eq(again.heads[2].loss.positive_weights, KOHL_WEIGHTS_BALANCED);
  kohl_recipe_free(ctx, &again);
  kohl_free(ctx, text);
  kohl_recipe_free(ctx, &r);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(heads_of_a_model) {
  static const char *const labels[] = {"a", "b", "c"};
  kohl_context *ctx = fit_context(1);
  kohl_model *model;
  fit_ok(ctx, train(ctx, "two.yaml", "all.csv", "model", false, NULL, 0, NULL));
  fit_ok(ctx, kohl_model_open(ctx, fit_path("model/best.safetensors"), &model));
  static const struct {
    const char *layer, *text;
    kohl_model_task task;
    size_t count;
  } cases[] = {
      {"nowhere", "head 'nowhere': no such layer", KOHL_TASK_ONE_LABEL, 2},
      {"object", "head 'object': the last layer", KOHL_TASK_ONE_LABEL, 3},
      {"material", "head 'material': 3 labels, but the layer gives 1x1x2 values", KOHL_TASK_ONE_LABEL, 3},
      {"material", "head 'material': task 'many_labels' of a softmax layer", KOHL_TASK_MANY_LABELS, 2},
      {"material", "head 'material' is given twice", KOHL_TASK_ONE_LABEL, 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ck_assert_int_eq(kohl_model_add_head(ctx, model, cases[i].layer, cases[i].task, labels, cases[i].count),
                     KOHL_BAD_INPUT);
    ck_assert_msg(!strncmp(kohl_context_error(ctx), cases[i].text, strlen(cases[i].text)), "%s",
                  kohl_context_error(ctx));
    ck_assert_uint_eq(model->more_count, 1);
  }
  fit_ok(ctx, kohl_model_save(ctx, model, fit_path("copy.safetensors")));
  fit_same_file("model/best.safetensors", "copy.safetensors");
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("heads");
  TCase *tests = tcase_create("heads");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, set_up, fit_tear_down);
  tcase_add_test(tests, a_list_of_one_changes_nothing);
  tcase_add_test(tests, gradients_are_of_the_sum);
  tcase_add_test(tests, resume_is_bit_exact);
  tcase_add_test(tests, every_head_is_judged_kept_and_asked);
  tcase_add_test(tests, best_of_a_named_head);
  tcase_add_test(tests, what_is_refused);
  tcase_add_test(tests, overrides);
  tcase_add_test(tests, heads_of_a_model);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
