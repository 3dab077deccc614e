/* Recipes: what is read, what is refused with which line and field, overrides, and the way there and back. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "train/recipe_field.h"
#include "tests/unit/meter.h"

static kohl_context *ctx;

static void open_context(void) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  ck_assert_int_eq(kohl_context_create(&options, &ctx), KOHL_OK);
}

static void close_context(void) { kohl_context_destroy(ctx); }

static kohl_status parse(const char *text, kohl_recipe *out) {
  return kohl_recipe_parse(ctx, "r.yaml", text, strlen(text), out);
}

START_TEST(defaults_and_values) {
  kohl_recipe r;
  ck_assert_int_eq(parse("", &r), KOHL_OK);
  ck_assert_int_eq(r.phases[0].epochs, 30);
  ck_assert_int_eq(r.batch, 32);
  ck_assert_double_eq(r.data.validation, 1.0 / 6.0);
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1e-4);
  ck_assert_int_eq(r.head.head.dense.count, 1);
  ck_assert_int_eq(r.pictures.background.rgb[2], 255);
  kohl_recipe_free(ctx, &r);
  ck_assert_int_eq(parse("head: {dense: []}", &r), KOHL_OK);
  ck_assert_int_eq(r.head.head.dense.count, 0);
  kohl_recipe_free(ctx, &r);
  const char *text =
      "# a comment\n"
      "base: {name: vgg19, at: \"block5_pool\"}\n"
      "pictures:\n  size: 128\n  fit: crop\n  background: '#01fF80'\n  normalise: featurewise\n"
      "data: {split_column: upstream_split, validation: 1/8, seed: 9000000000000000}\n"
      "head:\n  dense: [512, 64]\n  pool: global_max\n  dropout: 0\n"
      "loss: {class_weights: none, weights_divide_by: weights}\n"
      "optimizer: {lr: 1.5E-3, epsilon_place: inside}\n"
      "best: val_loss\n"
      "epochs: 5\n";
  ck_assert_msg(parse(text, &r) == KOHL_OK, "%s", kohl_context_error(ctx));
  ck_assert_str_eq(r.base.name, "vgg19");
  ck_assert_str_eq(r.base.at, "block5_pool");
  ck_assert_str_eq(r.base.model, "");
  ck_assert_int_eq(r.pictures.size, 128);
  ck_assert_int_eq(r.pictures.fit, KOHL_RECIPE_CROP);
  ck_assert_int_eq(r.pictures.normalise, KOHL_NORMALISE_FEATUREWISE);
  ck_assert_int_eq(r.pictures.background.rgb[0], 1);
  ck_assert_int_eq(r.pictures.background.rgb[1], 255);
  ck_assert_int_eq(r.pictures.background.rgb[2], 128);
  ck_assert_str_eq(r.data.split_column, "upstream_split");
  ck_assert_double_eq(r.data.validation, 0.125);
  ck_assert_int_eq(r.data.seed, 9000000000000000);
  ck_assert_int_eq(r.head.head.dense.count, 2);
  ck_assert_int_eq(r.head.head.dense.value[0], 512);
  ck_assert_int_eq(r.head.head.dense.value[1], 64);
  ck_assert_int_eq(r.head.head.pool, KOHL_HEAD_GLOBAL_MAX);
  ck_assert_int_eq(r.head.loss.class_weights, KOHL_WEIGHTS_NONE);
  ck_assert_int_eq(r.head.loss.weights_divide_by, KOHL_DIVIDE_BY_WEIGHTS);
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1.5e-3);
  ck_assert_int_eq(r.phases[0].optimizer.epsilon_place, KOHL_PLACE_INSIDE);
  ck_assert_int_eq(r.best.word, KOHL_BEST_LOSS);
  ck_assert_int_eq(r.phases[0].epochs, 5);
  kohl_recipe_free(ctx, &r);
}
END_TEST

static const struct {
  const char *text, *begins; /* the whole beginning of the message: file, line and field */
} wrong[] = {
    {"epochs: 0\n", "r.yaml:1: field 'epochs': value '0', expected a whole number from 1 to 100000"},
    {"batch: 32\nepochs: -3\n", "r.yaml:2: field 'epochs': value '-3'"},
    {"epochs: 3.5\n", "r.yaml:1: field 'epochs': value '3.5'"},
    {"epochs: many\n", "r.yaml:1: field 'epochs': value 'many'"},
    {"epochs:\n", "r.yaml:1: field 'epochs': value ''"},
    {"epochs: 99999999999999999999\n", "r.yaml:1: field 'epochs': value '99999999999999999999'"},
    {"seed: -1\n", "r.yaml:1: field 'seed'"},
    {"epoch: 3\n", "r.yaml:1: field 'epoch': no such field"},
    {"batch: 3\n\nepocks: 3\n", "r.yaml:3: field 'epocks': no such field"},
    {"optimizer:\n  lr: 1e-3\n\n  rate: 3\n", "r.yaml:4: field 'optimizer.rate': no such field"},
    {"optimizer:\n  lr: 0\n", "r.yaml:2: field 'optimizer.lr': value '0', expected a number from"},
    {"optimizer: {lr: nan}\n", "r.yaml:1: field 'optimizer.lr': value 'nan'"},
    {"optimizer: {lr: 1/0}\n", "r.yaml:1: field 'optimizer.lr': value '1/0'"},
    {"optimizer: {lr: 0x10}\n", "r.yaml:1: field 'optimizer.lr': value '0x10'"},
    {"optimizer: {lr: [1]}\n", "r.yaml:1: field 'optimizer.lr': Expecting STRING"},
    {"loss: {positive_weights: balanced}\n",
     "r.yaml: field 'loss.positive_weights': value 'balanced', which softmax does not read, expected none or "
     "loss.name"},
    {"loss: {name: hinge}\n", "r.yaml:1: field 'loss.name': value 'hinge', expected one of softmax|sigmoid"},
    {"optimizer: {name: lamb}\n",
     "r.yaml:1: field 'optimizer.name': value 'lamb', expected one of sgd|rmsprop|adam|adamw"},
    {"optimizer: {nesterov: yes}\n", "r.yaml:1: field 'optimizer.nesterov': value 'yes', expected one of false|true"},
    {"optimizer: {beta2: 1}\n", "r.yaml:1: field 'optimizer.beta2': value '1', expected a number from 0 to 0.999999"},
    {"optimizer: {beta1: 0.8}\n",
     "r.yaml: field 'optimizer.beta1': value 0.8, which rmsprop does not read, expected "
     "0.9 or adam or adamw"},
    {"optimizer: {name: adam}\n", "r.yaml: field 'optimizer.epsilon_place': value 'outside', expected for adam hat"},
    {"optimizer: {name: adamw, epsilon_place: inside}\n",
     "r.yaml: field 'optimizer.epsilon_place': value 'inside', expected for adamw hat"},
    {"optimizer: {epsilon_place: hat}\n",
     "r.yaml: field 'optimizer.epsilon_place': value 'hat', expected for rmsprop outside"},
    {"optimizer: {name: sgd, epsilon_place: plain}\n",
     "r.yaml: field 'optimizer.epsilon_place': value 'plain', expected for sgd outside"},
    {"optimizer: {name: adam, epsilon_place: hat, momentum: 0.9}\n",
     "r.yaml: field 'optimizer.momentum': value 0.9, which adam does not read, expected 0 or sgd or rmsprop"},
    {"optimizer: {momentum: 0.9, nesterov: true}\n",
     "r.yaml: field 'optimizer.nesterov': value 'true', which rmsprop does not read, expected false or sgd"},
    {"optimizer: {lr_place: inside}\n",
     "r.yaml: field 'optimizer.lr_place': value 'inside', which rmsprop does not read, expected outside or sgd"},
    {"optimizer: {name: sgd, rho: 0.5}\n",
     "r.yaml: field 'optimizer.rho': value 0.5, which sgd does not read, expected 0.9 or rmsprop"},
    {"optimizer: {name: sgd, epsilon: 1e-3}\n",
     "r.yaml: field 'optimizer.epsilon': value 0.001, which sgd does not read, expected 1e-7 or rmsprop, adam or "
     "adamw"},
    {"optimizer: {name: sgd, nesterov: true}\n",
     "r.yaml: field 'optimizer.nesterov': value 'true' with momentum 0, expected more"},
    {"optimizer: {name: sgd, lr_place: inside}\n",
     "r.yaml: field 'optimizer.lr_place': value 'inside' with momentum 0, expected more"},
    {"optimizer: {clip_norm: 1e-40}\n",
     "r.yaml: field 'optimizer.clip_norm': value 1e-40, expected 0 or at least 1e-30"},
    {"optimizer: {clip_norm: -1}\n", "r.yaml:1: field 'optimizer.clip_norm': value '-1', expected a number from 0"},
    {"optimizer: {ema: 1}\n", "r.yaml:1: field 'optimizer.ema': value '1', expected a number from 0 to 0.999999"},
    {"optimizer: 3\n", "r.yaml:1: field 'optimizer': Expecting MAPPING"},
    {"optimizer:\n", "r.yaml:1: field 'optimizer': Expecting MAPPING"},
    {"head:\n  dense: 256\n", "r.yaml:2: field 'head.dense': Expecting SEQUENCE"},
    {"head:\n  dense: [256, 0]\n", "r.yaml:2: field 'head.dense': value '[256,0]', expected a list of up to 8"},
    {"head:\n  dense: [1,2,3,4,5,6,7,8,9]\n", "r.yaml:2: field 'head.dense'"},
    {"head:\n  dense: [[1]]\n", "r.yaml:2: field 'head.dense.1': Expecting STRING"},
    {"head: {dropout: 1}\n", "r.yaml:1: field 'head.dropout': value '1', expected a number from 0 to 0.99"},
    {"head: {pool: mean}\n",
     "r.yaml:1: field 'head.pool': value 'mean', expected one of flatten|global_avg|global_max"},
    {"pictures: {background: '#12345'}\n", "r.yaml:1: field 'pictures.background': value '#12345', expected white"},
    {"pictures: {fit: Crop}\n", "r.yaml:1: field 'pictures.fit': value 'Crop'"},
    {"pictures: {size: 4097}\n", "r.yaml:1: field 'pictures.size': value '4097'"},
    {"base: {name: \"a\\nb\"}\n", "r.yaml:1: field 'base.name': value 'a?b', expected UTF-8"},
    {"base: {name: \"a\\0b\"}\n", "r.yaml:1: field 'base.name': text with a zero byte"},
    {"data: {validation: 0.6,\n  test: 0.5}\n", "r.yaml: field 'data.validation': 0.6 and data.test 0.5"},
    {"limits: {bad_pictures: 1.5}\n", "r.yaml:1: field 'limits.bad_pictures'"},
    {"epochs: 3\nbatch: 4\nepochs: 5\n", "r.yaml:3: field 'epochs': given again, expected once (line 1)"},
    {"optimizer:\n  lr: 1\n  rho: 0\n  lr: 2\n", "r.yaml:4: field 'optimizer.lr': given again"},
    {"epochs: 3\n---\nepochs: 4\n", "r.yaml:2: a second document"},
    {"base: {name: a}\nhead: *x\n", "r.yaml:2: an alias"},
    {"base: &x {name: a}\n", "r.yaml:1: an anchor or tag"},
    {"epochs: !!int 3\n", "r.yaml:1: an anchor or tag"},
    {"head:\n  dense: ['']\n", "r.yaml:2: field 'head.dense': value '['']'"},
    {"epochs: {a\n", "r.yaml:2: not YAML"},
    {"epochs: 3\n\tbatch: 4\n", "r.yaml:2: not YAML"},
    {"- epochs\n", "r.yaml:1: field '': Expecting MAPPING"},
    {"[epochs]: 3\n", "r.yaml:1: a key that is no plain word"},
    {"a: [[[[[[[[[1]]]]]]]]]\n", "r.yaml:1: nested deeper"},
    {"\xff\xfe\xff", "r.yaml:1: not YAML"},
};

START_TEST(errors_name_line_and_field) {
  kohl_recipe r;
  kohl_status status = parse(wrong[_i].text, &r);
  const char *text = kohl_context_error(ctx);
  ck_assert_int_eq(status, KOHL_BAD_INPUT);
  ck_assert_msg(strncmp(text, wrong[_i].begins, strlen(wrong[_i].begins)) == 0, "'%s', expected '%s...'", text,
                wrong[_i].begins);
  ck_assert_ptr_null(strchr(text, '\n'));
  ck_assert_ptr_null(r.base.name); /* nothing is handed out */
}
END_TEST

/* Every optimizer with all that it reads; written and read back it is the same. */
START_TEST(optimizers) {
  static const char *const texts[] = {
      "optimizer: {name: sgd}",
      "optimizer: {name: sgd, momentum: 0.9, nesterov: true, lr_place: inside, weight_decay: 1e-4, decay: 1e-6}",
      "optimizer: {rho: 0.99, epsilon: 1e-8, momentum: 0.5, weight_decay: 0.1, clip_norm: 5, ema: 0.999}",
      "optimizer: {name: adam, beta1: 0.8, beta2: 0.99, epsilon: 1e-8, epsilon_place: plain, weight_decay: 1e-4}",
      "optimizer: {name: adamw, epsilon_place: hat, weight_decay: 0.004, clip_norm: 1, ema: 0.99}"};
  static const int names[] = {KOHL_OPTIMIZER_SGD, KOHL_OPTIMIZER_SGD, KOHL_OPTIMIZER_RMSPROP, KOHL_OPTIMIZER_ADAM,
                              KOHL_OPTIMIZER_ADAMW};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    kohl_recipe r, again;
    char *text, *second;
    ck_assert_msg(parse(texts[i], &r) == KOHL_OK, "%s", kohl_context_error(ctx));
    ck_assert_int_eq(r.phases[0].optimizer.name, names[i]);
    ck_assert_int_eq(kohl_recipe_print(ctx, &r, &text), KOHL_OK);
    ck_assert_msg(parse(text, &again) == KOHL_OK, "%s", kohl_context_error(ctx));
    ck_assert_int_eq(kohl_recipe_print(ctx, &again, &second), KOHL_OK);
    ck_assert_str_eq(text, second);
    ck_assert_double_eq(again.phases[0].optimizer.weight_decay, r.phases[0].optimizer.weight_decay);
    ck_assert_int_eq(again.phases[0].optimizer.nesterov, i == 1);
    kohl_free(ctx, text);
    kohl_free(ctx, second);
    kohl_recipe_free(ctx, &r);
    kohl_recipe_free(ctx, &again);
  }
}
END_TEST

START_TEST(too_long_and_absent) {
  kohl_recipe r;
  char *big = calloc(1, KOHL_RECIPE_BYTES + 1);
  memset(big, '\n', KOHL_RECIPE_BYTES + 1);
  ck_assert_int_eq(kohl_recipe_parse(ctx, "big", big, KOHL_RECIPE_BYTES + 1, &r), KOHL_BAD_INPUT);
  ck_assert_int_eq(kohl_recipe_parse(ctx, "big", big, KOHL_RECIPE_BYTES, &r), KOHL_OK);
  kohl_recipe_free(ctx, &r);
  free(big);
  ck_assert_int_eq(kohl_recipe_read(ctx, "no/such/recipe.yaml", &r), KOHL_BAD_INPUT);
  ck_assert_ptr_nonnull(strstr(kohl_context_error(ctx), "no/such/recipe.yaml"));
  ck_assert_int_eq(kohl_recipe_read(ctx, ".", &r), KOHL_BAD_INPUT);
}
END_TEST

START_TEST(overrides) {
  kohl_recipe r;
  ck_assert_int_eq(kohl_recipe_default(ctx, &r), KOHL_OK);
  const char *good[] = {"optimizer.lr=1e-3",   "pictures.normalise=featurewise",
                        "head.dense=[]",       "epochs=2",
                        "base.model=a=b.safe", "data.validation=1/4",
                        "head.dense=7,8"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    ck_assert_msg(kohl_recipe_set(ctx, &r, good[i]) == KOHL_OK, "%s", kohl_context_error(ctx));
    if (i == 2) ck_assert_int_eq(r.head.head.dense.count, 0);
  }
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1e-3);
  ck_assert_int_eq(r.pictures.normalise, KOHL_NORMALISE_FEATUREWISE);
  ck_assert_str_eq(r.base.model, "a=b.safe");
  ck_assert_int_eq(r.head.head.dense.count, 2);
  ck_assert_int_eq(r.phases[0].epochs, 2);
  const char *bad[][2] = {
      {"epochs", "--set epochs: expected KEY=VALUE"},
      {"epochs=0", "--set epochs=0: field 'epochs': value '0', expected a whole number from 1 to 100000"},
      {"epoch=3", "--set epoch=3: field 'epoch': no such field"},
      {"optimizer=3", "--set optimizer=3: field 'optimizer': no such field"},
      {"=3", "--set =3: field '': no such field"},
      {"head.dense=[1,]", "--set head.dense=[1,]: field 'head.dense'"},
      {"head.dense=[1,2", "--set head.dense=[1,2: field 'head.dense'"},
      {"base.name=\xc3", "--set base.name=?: field 'base.name'"},
      {"optimizer.lr=inf", "--set optimizer.lr=inf: field 'optimizer.lr'"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_int_eq(kohl_recipe_set(ctx, &r, bad[i][0]), KOHL_USAGE);
    const char *text = kohl_context_error(ctx);
    ck_assert_msg(strncmp(text, bad[i][1], strlen(bad[i][1])) == 0, "'%s', expected '%s...'", text, bad[i][1]);
  }
  ck_assert_int_eq(r.phases[0].epochs, 2); /* unchanged by what was refused */
  ck_assert_int_eq(r.head.head.dense.count, 2);
  kohl_recipe_free(ctx, &r);
}
END_TEST

START_TEST(written_and_read_back) {
  kohl_recipe r, again;
  ck_assert_int_eq(kohl_recipe_default(ctx, &r), KOHL_OK);
  const char *set[] = {"base.name=vgg \"19\" \\ # : \xc3\xa9 '",
                       "optimizer.lr=0.1",
                       "data.validation=1/7",
                       "head.dense=3,4",
                       "pictures.background=#0a0B0c",
                       "seed=8999999999999999",
                       "best=val_balanced_accuracy"};
  for (size_t i = 0; i < sizeof set / sizeof *set; i++) ck_assert_int_eq(kohl_recipe_set(ctx, &r, set[i]), KOHL_OK);
  char *first, *second, path[] = "/tmp/kohl_recipe_XXXXXX";
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  close(file);
  ck_assert_int_eq(kohl_recipe_write(ctx, &r, path), KOHL_OK);
  ck_assert_msg(kohl_recipe_read(ctx, path, &again) == KOHL_OK, "%s", kohl_context_error(ctx));
  ck_assert_str_eq(again.base.name, r.base.name);
  ck_assert_double_eq(again.data.validation, 1.0 / 7.0);
  ck_assert_int_eq(kohl_recipe_print(ctx, &r, &first), KOHL_OK);
  ck_assert_int_eq(kohl_recipe_print(ctx, &again, &second), KOHL_OK);
  ck_assert_str_eq(first, second);
  kohl_free(ctx, first);
  kohl_free(ctx, second);
  kohl_recipe_free(ctx, &again);
  kohl_recipe_free(ctx, &r);
  unlink(path);
  ck_assert_int_eq(kohl_recipe_default(ctx, &r), KOHL_OK);
  ck_assert_int_eq(kohl_recipe_write(ctx, &r, "/no/such/folder/r.yaml"), KOHL_BAD_INPUT);
  kohl_recipe_free(ctx, &r);
}
END_TEST

/* base.adjust acts for its architecture only, is emptied, and names what is wrong in it. */
START_TEST(adjusted_for_a_base) {
  kohl_recipe r;
  ck_assert_int_eq(kohl_recipe_default(ctx, &r), KOHL_OK);
  const char *adjust = "base.adjust=vgg16: seed=5; squeezenet1_1: head.pool=global_avg  optimizer.lr=1e-3 ;x: batch=7";
  ck_assert_int_eq(kohl_recipe_set(ctx, &r, adjust), KOHL_OK);
  ck_assert_msg(kohl_recipe_adjust(ctx, &r, "squeezenet1_1") == KOHL_OK, "%s", ctx->error);
  ck_assert_int_eq(r.head.head.pool, KOHL_HEAD_GLOBAL_AVG);
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1e-3);
  ck_assert_int_eq(r.seed, 0);
  ck_assert_int_eq(r.batch, 32);
  ck_assert_str_eq(r.base.adjust, "");
  ck_assert_int_eq(kohl_recipe_set(ctx, &r, "base.adjust=a: train='from b' freeze='c*,  d' seed=5; b: seed=1"),
                   KOHL_OK);
  ck_assert_msg(kohl_recipe_adjust(ctx, &r, "a") == KOHL_OK, "%s", ctx->error);
  ck_assert_str_eq(r.phases[0].train, "from b");
  ck_assert_str_eq(r.phases[0].freeze, "c*,  d");
  ck_assert_int_eq(r.seed, 5);
  static const char *const bad[][2] = {{"base.adjust=a: train='from b; b: seed=1", "a quote that is not closed"},
                                       {"base.adjust=a seed=5", "expected ARCHITECTURE: KEY=VALUE"},
                                       {"base.adjust=a: sed=5", "no such field"},
                                       {"base.adjust=a: batch=0", "expected a whole number from 1"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    ck_assert_int_eq(kohl_recipe_set(ctx, &r, bad[i][0]), KOHL_OK);
    ck_assert_int_eq(kohl_recipe_adjust(ctx, &r, "a"), KOHL_BAD_INPUT);
    ck_assert_msg(strstr(ctx->error, "field 'base.adjust'") && strstr(ctx->error, bad[i][1]), "%s", ctx->error);
  }
  kohl_recipe_free(ctx, &r);
}
END_TEST

/* recipes/ as it is in the tree: every key is explained, every recipe is one.  Tests run in the tree's root. */
START_TEST(the_recipes_of_the_project) {
  static char text[1 << 16];
  FILE *file = fopen("recipes/README.md", "r");
  ck_assert_msg(file != NULL, "recipes/README.md is missing: tests run in the root of the tree");
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = 0;
  for (int i = 0; i < KOHL_RECIPE_FIELDS; i++) {
    char row[160];
    const kohl_recipe_field *field = &kohl_recipe_fields[i];
    snprintf(row, sizeof row, "\n| `%s` | %s |", field->path, field->initial[0] ? field->initial : "empty");
    ck_assert_msg(strstr(text, row) != NULL, "recipes/README.md has no row '%s'", row + 1);
  }
  kohl_recipe r;
  ck_assert_msg(kohl_recipe_read(ctx, "recipes/cleo.yaml", &r) == KOHL_OK, "%s", kohl_context_error(ctx));
  ck_assert_int_eq(r.phase_count, 2); /* experiment A */
  ck_assert_double_eq(r.phases[0].optimizer.lr, 1e-4);
  ck_assert_double_eq(r.phases[0].optimizer.decay, 1e-6);
  ck_assert_int_eq(r.phases[0].optimizer.epsilon_place, KOHL_PLACE_OUTSIDE);
  ck_assert_str_eq(r.phases[1].train, "last 4");
  ck_assert_double_eq(r.phases[1].optimizer.lr, 5e-5);
  ck_assert_double_eq(r.phases[1].optimizer.decay, 0);
  ck_assert_int_eq(r.phases[0].epochs + r.phases[1].epochs, 50);
  ck_assert_double_eq(r.augment.rotation, 20);
  ck_assert_int_eq((int)r.pictures.size, 128);
  ck_assert_int_eq(r.head.head.dense.value[0], 256);
  kohl_recipe_free(ctx, &r);
}
END_TEST

START_TEST(no_memory_is_an_error_and_nothing_leaks) {
  meter m = {1000, 0};
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  kohl_context *own;
  ck_assert_int_eq(kohl_context_create(&options, &own), KOHL_OK);
  const char *text = "base: {name: a}\nhead: {dense: [1, 2]}\nphases: [{train: all}, {name: b}]\n";
  long had = m.live, refused = 0;
  for (long fail = 0; fail < 500; fail++) {
    kohl_recipe r;
    m.left = fail;
    kohl_status status = kohl_recipe_parse(own, "r", text, strlen(text), &r);
    m.left = 1000;
    if (status == KOHL_OK) {
      kohl_recipe_free(own, &r);
      ck_assert_int_eq(m.live, had);
      break;
    }
    ck_assert_int_eq(status, KOHL_NO_RESOURCE);
    ck_assert_int_eq(m.live, had);
    refused++;
  }
  ck_assert_int_gt(refused, 10);
  kohl_context_destroy(own);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("recipe");
  TCase *tests = tcase_create("recipe");
  tcase_add_checked_fixture(tests, open_context, close_context);
  tcase_add_test(tests, defaults_and_values);
  tcase_add_loop_test(tests, errors_name_line_and_field, 0, (int)(sizeof wrong / sizeof *wrong));
  tcase_add_test(tests, optimizers);
  tcase_add_test(tests, too_long_and_absent);
  tcase_add_test(tests, overrides);
  tcase_add_test(tests, written_and_read_back);
  tcase_add_test(tests, adjusted_for_a_base);
  tcase_add_test(tests, the_recipes_of_the_project);
  tcase_add_test(tests, no_memory_is_an_error_and_nothing_leaks);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
