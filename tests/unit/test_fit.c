/* Training, end to end on pictures made here: coloured squares with noise, and a base of one random convolution. */
#include <check.h>
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/philox.h"
#include "nn/model.h"
#include "train/evaluate.h"
#include "train/fit.h"
#include "train/run.h"

enum { SIDE = 12, TEXT = 512 };

static char root[] = "/tmp/kohl_fit_XXXXXX";
static long polls_left; /* the cancel callback says stop when it reaches 0; negative: never */

static bool stop(void *user) {
  (void)user;
  return polls_left >= 0 && polls_left-- == 0;
}

static kohl_context *context(int threads) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = threads;
  options.cancel = stop;
  kohl_context *ctx;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
  return ctx;
}

#define ok(ctx, call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

/* A square of one colour, every byte moved by up to 20. */
static void write_picture(const char *name, unsigned colour, uint32_t number) {
  uint8_t pixels[SIDE * SIDE * 3];
  for (uint32_t i = 0; i < sizeof pixels; i++) {
    int base = (int)(colour >> (16 - 8 * (i % 3)) & 255), noise = (int)(kohl_random_u32(1, 2, number, 3, i) % 41) - 20;
    int value = base + noise;
    pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
  char path[TEXT];
  snprintf(path, sizeof path, "%s/%s", root, name);
  png_image image;
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = SIDE;
  image.format = PNG_FORMAT_RGB;
  ck_assert(png_image_write_to_file(&image, path, 0, pixels, 0, NULL));
}

static void write_text(const char *name, const char *text) {
  char path[TEXT];
  snprintf(path, sizeof path, "%s/%s", root, name);
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_ge(fputs(text, file), 0);
  ck_assert_int_eq(fclose(file), 0);
}

static char *at(const char *name) { /* a static ring, enough for one call's arguments */
  static char ring[8][TEXT];
  static int next;
  char *path = ring[next++ % 8];
  snprintf(path, TEXT, "%s/%s", root, name);
  return path;
}

static void make_folder(const char *name) { ck_assert_int_eq(mkdir(at(name), 0777), 0); }

/* input 8x8x3 -> conv 3x3, 6 filters, ReLU. */
static void write_base(void) {
  kohl_context *ctx = context(1);
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default();
  int input, conv;
  ok(ctx, kohl_graph_create(ctx, "tiny", &graph));
  params.size[0] = params.size[1] = 8;
  params.size[2] = 3;
  ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_input, "input", &params, NULL, 0, &input));
  params = kohl_params_default();
  params.filters = 6;
  params.kernel[0] = params.kernel[1] = 3;
  params.activation = KOHL_ACTIVATION_RELU;
  ok(ctx, kohl_graph_add(ctx, graph, KOHL_LAYER_conv2d, "conv", &params, &input, 1, &conv));
  ok(ctx, kohl_graph_infer(ctx, graph));
  ok(ctx, kohl_model_create(ctx, graph, &model));
  for (size_t w = 0; w < model->weight_count; w++) {
    ok(ctx, kohl_weight_own(ctx, &model->weights[w]));
    for (size_t i = 0; i < model->weights[w].spec.count; i++) {
      model->weights[w].owned[i] = kohl_random_uniform(5, 0, w, 0, i) - 0.5f;
    }
  }
  model->preprocessing.fit.w = model->preprocessing.fit.h = 8;
  ok(ctx, kohl_model_save(ctx, model, at("base.safetensors")));
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}

static void set_up(void) {
  static const unsigned colours[3] = {0xc03030, 0x30c030, 0x3030c0};
  static const char *const names[3] = {"red", "green", "blue"};
  ck_assert_ptr_nonnull(mkdtemp(root));
  write_base();
  make_folder("data");
  for (int c = 0; c < 3; c++) {
    char name[64];
    snprintf(name, sizeof name, "data/%s", names[c]);
    make_folder(name);
    for (int i = 0; i < 12 + 6 * c; i++) {
      snprintf(name, sizeof name, "data/%s/%02d.png", names[c], i);
      write_picture(name, colours[c], (uint32_t)(100 * c + i));
    }
  }
  write_text("r.yaml",
             "pictures: {fit: stretch, filter: bilinear}\n"
             "head: {dense: [16], dropout: 0.25}\n"
             "optimizer: {lr: 3e-3, decay: 1e-3}\n"
             "epochs: 8\nbatch: 7\nseed: 3\n");
}

static void tear_down(void) {
  char command[TEXT];
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
}

static kohl_status train(kohl_context *ctx, const char *run, bool resume, const char *set, kohl_train_result *out) {
  kohl_train_options options = {.recipe = at("r.yaml"),
                                .data = at("data"),
                                .run = at(run),
                                .resume = resume,
                                .init_from = at("base.safetensors"),
                                .overrides = &set,
                                .override_count = set ? 1 : 0};
  return kohl_train(ctx, &options, out);
}

static char *load(const char *name, size_t *bytes) {
  FILE *file = fopen(at(name), "r");
  ck_assert_msg(file != NULL, "%s is missing", name);
  char *text = calloc(1, 1 << 20);
  *bytes = fread(text, 1, (1 << 20) - 1, file);
  fclose(file);
  return text;
}

static void same_file(const char *a, const char *b) {
  size_t na, nb;
  char *ta = load(a, &na), *tb = load(b, &nb);
  ck_assert_msg(na > 1000 && na == nb && memcmp(ta, tb, na) == 0, "%s and %s differ", a, b);
  free(ta);
  free(tb);
}

/* The tensors of two checkpoints (their history holds seconds). */
static void same_state(const char *a, const char *b) {
  kohl_context *ctx = context(1);
  kohl_safetensors *fa, *fb;
  ok(ctx, kohl_safetensors_open(ctx, at(a), &fa));
  ok(ctx, kohl_safetensors_open(ctx, at(b), &fb));
  ck_assert_uint_eq(kohl_safetensors_count(fa), kohl_safetensors_count(fb));
  for (size_t i = 0; i < kohl_safetensors_count(fa); i++) {
    const kohl_tensor_info *ta = kohl_safetensors_tensor(fa, i), *tb = kohl_safetensors_tensor(fb, i);
    ck_assert_str_eq(ta->name, tb->name);
    ck_assert_uint_eq(ta->bytes, tb->bytes);
    ck_assert_msg(memcmp(ta->data, tb->data, ta->bytes) == 0, "tensor %s differs", ta->name);
  }
  kohl_safetensors_close(ctx, fa);
  kohl_safetensors_close(ctx, fb);
  kohl_context_destroy(ctx);
}

START_TEST(learns_and_leaves_its_folder) {
  kohl_context *ctx = context(2);
  kohl_train_result result;
  ok(ctx, train(ctx, "learn", false, NULL, &result));
  ck_assert_int_eq(result.epochs, 8);
  ck_assert_int_eq((int)result.pictures, 54);
  ck_assert_int_eq((int)result.bad, 0);
  ck_assert_double_eq(result.val_accuracy, 1.0);
  /* 12, 18 and 24 pictures, of which floor(n / 6 + 1/2) = 2, 3, 4 are held out: 45 in batches of 7, 8 epochs */
  ck_assert_int_eq((int)result.steps, 8 * 7);
  const char *files[] = {"recipe.yaml", "labels.txt",       "train.csv", "validation.csv", "test.csv",
                         "metrics.csv", "best.safetensors", "last.ckpt", "log.txt"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char name[64];
    snprintf(name, sizeof name, "learn/%s", files[i]);
    ck_assert_msg(access(at(name), F_OK) == 0, "%s is missing", name);
  }
  size_t bytes;
  char *labels = load("learn/labels.txt", &bytes);
  ck_assert_str_eq(labels, "blue\ngreen\nred\n");
  free(labels);
  kohl_evaluation e;
  kohl_evaluate_options options = kohl_evaluate_options_default();
  ok(ctx, kohl_evaluate(ctx, at("learn/best.safetensors"), at("data"), &options, &e));
  ck_assert_uint_eq(e.metrics.n, 54);
  ck_assert_double_eq(e.metrics.accuracy, 1.0);
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_evaluation_write_json(&e, &json);
  ok(ctx, kohl_json_write_end(&json));
  ck_assert_ptr_nonnull(strstr(json.text, "\"confusion\":[[24,0,0],[0,18,0],[0,0,12]]"));
  ck_assert_ptr_nonnull(strstr(json.text, "\"red\":{\"precision\":1"));
  kohl_json_write_free(&json);
  kohl_evaluation_free(ctx, &e);
  /* the recipe of the run is a recipe, with everything settled */
  kohl_recipe recipe;
  ok(ctx, kohl_recipe_read(ctx, at("learn/recipe.yaml"), &recipe));
  ck_assert_str_eq(recipe.base.at, "conv");
  ck_assert_str_eq(recipe.base.name, "tiny");
  ck_assert_int_eq((int)recipe.pictures.size, 8);
  kohl_recipe_free(ctx, &recipe);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(threads_change_nothing) {
  kohl_context *one = context(1), *four = context(4);
  ok(one, train(one, "one", false, NULL, NULL));
  ok(four, train(four, "four", false, NULL, NULL));
  same_file("one/best.safetensors", "four/best.safetensors");
  same_state("one/last.ckpt", "four/last.ckpt");
  kohl_context_destroy(one);
  kohl_context_destroy(four);
}
END_TEST

/* Every optimizer with everything that it keeps; the first two are stopped at more places. */
static const char *const kinds[][8] = {
    {NULL},
    {"optimizer.momentum=0.5"},
    {"optimizer.name=sgd", "optimizer.lr=0.05"},
    {"optimizer.name=sgd", "optimizer.lr=0.05", "optimizer.momentum=0.5", "optimizer.nesterov=true",
     "optimizer.lr_place=inside", "optimizer.weight_decay=1e-3"},
    {"optimizer.name=adam", "optimizer.epsilon_place=hat", "optimizer.weight_decay=1e-3", "optimizer.clip_norm=0.5"},
    {"optimizer.name=adamw", "optimizer.epsilon_place=plain", "optimizer.weight_decay=0.01", "optimizer.ema=0.8"},
    {"optimizer.momentum=0.5", "optimizer.weight_decay=1e-3", "optimizer.clip_norm=1", "optimizer.ema=0.5"},
    {"loss.name=sigmoid", "loss.positive_weights=balanced", "loss.weights_divide_by=weights", "optimizer.lr=0.01"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static kohl_status train_kind(kohl_context *ctx, const char *run, bool resume, int kind, kohl_train_result *out) {
  size_t count = 0;
  while (kinds[kind][count]) count++;
  kohl_train_options options = {.recipe = at("r.yaml"),
                                .data = at("data"),
                                .run = at(run),
                                .resume = resume,
                                .init_from = at("base.safetensors"),
                                .overrides = kinds[kind],
                                .override_count = count};
  return kohl_train(ctx, &options, out);
}

/* Stopped at any poll of the cancel callback, and resumed: the same bits. */
START_TEST(resume_is_bit_exact) {
  static const long polls[] = {300, 500, 3, 40, 200, 333};
  kohl_context *ctx = context(2);
  char run[32], whole[32], best[64], last[64], whole_best[64], whole_last[64];
  snprintf(whole, sizeof whole, "whole%d", _i);
  snprintf(whole_best, sizeof whole_best, "%s/best.safetensors", whole);
  snprintf(whole_last, sizeof whole_last, "%s/last.ckpt", whole);
  ok(ctx, train_kind(ctx, whole, false, _i, NULL));
  for (size_t i = 0; i < (_i < 2 ? sizeof polls / sizeof *polls : 2); i++) {
    snprintf(run, sizeof run, "stop%d_%zu", _i, i);
    snprintf(best, sizeof best, "%s/best.safetensors", run);
    snprintf(last, sizeof last, "%s/last.ckpt", run);
    polls_left = polls[i];
    kohl_status status = train_kind(ctx, run, false, _i, NULL);
    polls_left = -1;
    ck_assert_msg(status == KOHL_INTERRUPTED, "stop %zu: %s", i, kohl_status_text(status));
    kohl_train_result result;
    ok(ctx, train_kind(ctx, run, true, _i, &result));
    ck_assert_int_eq(result.epochs, 8);
    ck_assert_double_eq(result.val_accuracy, 1.0);
    same_file(whole_best, best);
    same_state(whole_last, last);
  }
  kohl_context_destroy(ctx);
}
END_TEST

/* The floats of a checkpoint's tensor; its count in *count. */
static const float *tensor_of(kohl_safetensors *file, const char *name, size_t *count) {
  long place = kohl_safetensors_find(file, name);
  ck_assert_msg(place >= 0, "tensor %s is missing", name);
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)place);
  *count = info->bytes / sizeof(float);
  return (const float *)info->data;
}

/* With an average, best.safetensors holds it and not the weights that are trained on.  Without validation pictures the
 * best epoch is the last, whose checkpoint has both. */
START_TEST(the_average_is_kept) {
  static const char *const sets[] = {"optimizer.ema=0.9", "data.validation=0", "head.dense=[]"};
  kohl_context *ctx = context(2);
  kohl_train_options options = {.recipe = at("r.yaml"),
                                .data = at("data"),
                                .run = at("average"),
                                .init_from = at("base.safetensors"),
                                .overrides = sets,
                                .override_count = 3};
  ok(ctx, kohl_train(ctx, &options, NULL));
  kohl_safetensors *file;
  kohl_model *model;
  size_t count;
  ok(ctx, kohl_safetensors_open(ctx, at("average/last.ckpt"), &file));
  ok(ctx, kohl_model_open(ctx, at("average/best.safetensors"), &model));
  const float *params = tensor_of(file, "params", &count), *average = tensor_of(file, "average", &count);
  const kohl_weight *weight = kohl_model_weight(model, (int)model->graph->count - 2, "weight");
  if (!weight) weight = kohl_model_weight(model, (int)model->graph->count - 1, "weight");
  ck_assert_ptr_nonnull(weight);
  size_t n = weight->spec.count; /* the head's only layer: its matrix is the first tensor of params */
  ck_assert_uint_ge(count, n);
  ck_assert_int_eq(memcmp(weight->data, average, n * sizeof(float)), 0);
  ck_assert_int_ne(memcmp(weight->data, params, n * sizeof(float)), 0);
  kohl_model_destroy(ctx, model);
  kohl_safetensors_close(ctx, file);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(resume_checks_what_it_goes_on_from) {
  kohl_context *ctx = context(1);
  ok(ctx, train(ctx, "short", false, "epochs=3", NULL));
  ck_assert_int_eq(train(ctx, "short", false, "epochs=3", NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "is not empty"));
  ck_assert_int_eq(train(ctx, "short", true, "seed=4", NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "another recipe"));
  ck_assert_int_eq(train(ctx, "short", true, "optimizer.momentum=0.5", NULL), KOHL_USAGE); /* other arrays, too */
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "another recipe"));
  ck_assert_int_eq(train(ctx, "absent", true, NULL, NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no run to resume"));
  /* a damaged last.ckpt: the one before it is taken; more epochs are allowed */
  size_t bytes;
  char *text = load("short/last.ckpt", &bytes);
  text[bytes - 5] ^= 1;
  FILE *file = fopen(at("short/last.ckpt"), "w");
  ck_assert_uint_eq(fwrite(text, 1, bytes, file), bytes);
  fclose(file);
  free(text);
  ok(ctx, train(ctx, "short", true, "epochs=8", NULL));
  ok(ctx, train(ctx, "long", false, NULL, NULL));
  same_state("short/last.ckpt", "long/last.ckpt");
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(not_finite_stops_and_is_not_kept) {
  kohl_context *ctx = context(2);
  ck_assert_int_eq(train(ctx, "nan", false, "optimizer.lr=1e30", NULL), KOHL_NOT_FINITE);
  const char *text = kohl_context_error(ctx);
  ck_assert_msg(strstr(text, "step ") && strstr(text, "layer 'head") && strstr(text, ".png"), "%s", text);
  kohl_safetensors *file;
  ok(ctx, kohl_safetensors_open(ctx, at("nan/last.ckpt"), &file));
  for (size_t i = 0; i < kohl_safetensors_count(file); i++) {
    const kohl_tensor_info *info = kohl_safetensors_tensor(file, i);
    for (size_t k = 0; k < info->bytes / 4; k++) ck_assert(isfinite(((const float *)info->data)[k]));
  }
  kohl_safetensors_close(ctx, file);
  kohl_context_destroy(ctx);
}
END_TEST

/* Grey pictures are of class a 8 times and of b 4 times, red ones of class a 8 times.  Unweighted, grey is a. Balanced,
 * a weighs 20 / (2 * 16) and b 20 / (2 * 4), so that grey is b: 4 * 2.5 against 8 * 0.625. */
START_TEST(class_weights_count) {
  kohl_context *ctx = context(1);
  char csv[8192] = "file,class\n";
  make_folder("w");
  for (int i = 0; i < 20; i++) {
    char name[32], row[64];
    snprintf(name, sizeof name, "w/%02d.png", i);
    write_picture(name, i < 8 ? 0xd01010 : 0x808080, (uint32_t)(1000 + i));
    snprintf(row, sizeof row, "%02d.png,%s\n", i, i < 16 ? "a" : "b");
    strcat(csv, row);
  }
  write_text("w/list.csv", csv);
  for (int balanced = 0; balanced < 2; balanced++) {
    const char *sets[] = {balanced ? "loss.class_weights=balanced" : "loss.class_weights=none", "epochs=60",
                          "head.dropout=0", "data.validation=0"}; /* so the last epoch is kept */
    kohl_train_options options = {.recipe = at("r.yaml"),
                                  .data = at("w/list.csv"),
                                  .run = at(balanced ? "w1" : "w0"),
                                  .init_from = at("base.safetensors"),
                                  .overrides = sets,
                                  .override_count = 4};
    kohl_evaluate_options all = kohl_evaluate_options_default();
    kohl_evaluation e;
    ok(ctx, kohl_train(ctx, &options, NULL));
    ok(ctx,
       kohl_evaluate(ctx, at(balanced ? "w1/best.safetensors" : "w0/best.safetensors"), at("w/list.csv"), &all, &e));
    ck_assert_uint_eq(e.metrics.n, 20);
    ck_assert_double_eq(e.metrics.per_class[1].recall, balanced ? 1.0 : 0.0);
    kohl_evaluation_free(ctx, &e);
  }
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(bad_pictures_are_skipped_and_counted) {
  kohl_context *ctx = context(2);
  kohl_train_result result;
  write_text("data/red/broken.png", "no picture");
  ck_assert_int_eq(train(ctx, "bad0", false, "limits.bad_pictures=0.001", NULL), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "1 of 55 pictures are bad"));
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "broken.png"));
  ok(ctx, train(ctx, "bad1", false, "limits.bad_pictures=0.1", &result));
  ck_assert_int_eq((int)result.bad, 1);
  ck_assert_double_eq(result.val_accuracy, 1.0);
  unlink(at("data/red/broken.png"));
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(featurewise_is_the_mean_of_the_training_pictures) {
  kohl_context *ctx = context(2);
  kohl_model *model;
  ok(ctx, train(ctx, "fw", false, "pictures.normalise=featurewise", NULL));
  ok(ctx, kohl_model_open(ctx, at("fw/best.safetensors"), &model));
  /* 10 red, 15 green and 20 blue train; a channel is 192 where it shines and 48 elsewhere, noise within 20 with mean 0
   * and variance (41^2 - 1) / 12 = 140 before resizing, which makes it smaller */
  static const double share[3] = {10.0 / 45, 15.0 / 45, 20.0 / 45};
  for (int c = 0; c < 3; c++) {
    double mean = (48 + 144 * share[c]) / 255, between = 144 * sqrt(share[c] * (1 - share[c])) / 255;
    ck_assert_double_eq_tol((double)model->preprocessing.mean[c], mean, 1.0 / 255);
    ck_assert_double_gt((double)model->preprocessing.std[c], between - 1.0 / 255);
    ck_assert_double_lt((double)model->preprocessing.std[c], sqrt(between * between + 140.0 / 255 / 255) + 1.0 / 255);
  }
  ck_assert_int_eq(model->graph->base_output, 1);
  ck_assert_int_eq((int)model->label_count, 3);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(what_cannot_be_is_named) {
  static const struct {
    const char *set;
    kohl_status status;
    const char *text;
  } cases[] = {
      {"limits.cache_bytes=1000", KOHL_NO_RESOURCE, "limits.cache_bytes"},
      {"base.at=block5", KOHL_USAGE, "block5"},
      {"epochs=0", KOHL_USAGE, "--set epochs=0"},
      {"data.validation=0.95", KOHL_USAGE, "data.validation"},
      {"optimizer.name=adam", KOHL_BAD_INPUT, "optimizer.epsilon_place"},
      {"base.adjust=tiny: optimizer.beta1=0.5", KOHL_BAD_INPUT, "field 'optimizer.beta1'"},
  };
  kohl_context *ctx = context(1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char run[32];
    snprintf(run, sizeof run, "wrong%zu", i);
    ck_assert_int_eq(train(ctx, run, false, cases[i].set, NULL), cases[i].status);
    ck_assert_msg(strstr(kohl_context_error(ctx), cases[i].text) != NULL, "%s", kohl_context_error(ctx));
  }
  kohl_train_options options = {.recipe = at("r.yaml"), .data = at("data"), .run = at("wrong")};
  ck_assert_int_eq(kohl_train(ctx, &options, NULL), KOHL_USAGE);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "--init-from"));
  ck_assert_int_ne(access(at("wrong"), F_OK), 0); /* nothing was made */
  kohl_evaluate_options evaluate = kohl_evaluate_options_default();
  kohl_evaluation e;
  ok(ctx, train(ctx, "known", false, "epochs=1", NULL));
  make_folder("data/violet");
  write_picture("data/violet/0.png", 0x8000ff, 7);
  ck_assert_int_eq(kohl_evaluate(ctx, at("known/best.safetensors"), at("data"), &evaluate, &e), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "violet"));
  unlink(at("data/violet/0.png"));
  rmdir(at("data/violet"));
  evaluate.split = "test";
  ck_assert_int_eq(kohl_evaluate(ctx, at("known/best.safetensors"), at("data"), &evaluate, &e), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_evaluate(ctx, at("base.safetensors"), at("data"), &evaluate, &e), KOHL_BAD_INPUT);
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(other_heads) {
  static const char *const sets[] = {
      "head.pool=global_avg",     "head.pool=global_max", "head.dense=[]",
      "head.dense=[8,8]",         "data.validation=0",    "loss.weights_divide_by=weights",
      "loss.label_smoothing=0.1", "loss.name=sigmoid"};
  kohl_context *ctx = context(2);
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    char run[32], best[64];
    snprintf(run, sizeof run, "head%zu", i);
    snprintf(best, sizeof best, "%s/best.safetensors", run);
    kohl_train_result result;
    ok(ctx, train(ctx, run, false, sets[i], &result));
    kohl_model *model;
    ok(ctx, kohl_model_open(ctx, at(best), &model));
    ck_assert_int_eq(model->graph->base_output, 1);
    const bool sigmoid = !strcmp(sets[i], "loss.name=sigmoid");
    ck_assert_int_eq(model->task, sigmoid ? KOHL_TASK_MANY_LABELS : KOHL_TASK_ONE_LABEL);
    if (sigmoid) ck_assert_double_eq(result.val_accuracy, 1.0);
    kohl_model_destroy(ctx, model);
    if (!strcmp(sets[i], "data.validation=0")) ck_assert_int_eq(result.best_epoch, 8);
  }
  /* a model that was trained here is a base again */
  kohl_train_options options = {
      .recipe = at("r.yaml"), .data = at("data"), .run = at("again"), .init_from = at("head0/best.safetensors")};
  ok(ctx, kohl_train(ctx, &options, NULL));
  static const char *const deeper = "base.at=head_dense1";
  options.run = at("deeper");
  options.overrides = &deeper;
  options.override_count = 1;
  ok(ctx, kohl_train(ctx, &options, NULL));
  kohl_context_destroy(ctx);
}
END_TEST

START_TEST(orders_are_permutations) {
  enum { N = 1000 };
  size_t a[N], b[N];
  char seen[N] = {0};
  kohl_epoch_order(1, 1, a, N);
  kohl_epoch_order(1, 2, b, N);
  size_t same = 0;
  for (size_t i = 0; i < N; i++) {
    ck_assert_uint_lt(a[i], N);
    ck_assert_int_eq(seen[a[i]]++, 0);
    same += a[i] == b[i];
  }
  ck_assert_uint_lt(same, 12); /* one is expected; 12 or more has a chance below 1e-9 (Poisson) */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fit");
  TCase *tests = tcase_create("fit");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, learns_and_leaves_its_folder);
  tcase_add_test(tests, threads_change_nothing);
  tcase_add_loop_test(tests, resume_is_bit_exact, 0, KINDS);
  tcase_add_test(tests, the_average_is_kept);
  tcase_add_test(tests, resume_checks_what_it_goes_on_from);
  tcase_add_test(tests, not_finite_stops_and_is_not_kept);
  tcase_add_test(tests, class_weights_count);
  tcase_add_test(tests, bad_pictures_are_skipped_and_counted);
  tcase_add_test(tests, featurewise_is_the_mean_of_the_training_pictures);
  tcase_add_test(tests, what_cannot_be_is_named);
  tcase_add_test(tests, other_heads);
  tcase_add_test(tests, orders_are_permutations);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  polls_left = -1;
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
