/* ResNet files with Keras's names, cut after the first block: names, values, and what the preset decides.  And whose
 * files of the other networks are known. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "convert/convert.h"
#include "convert/names.h"
#include "convert/presets.h"

static kohl_context *ctx;
static char folder[64], in_path[128];

static void setup(void) {
  ck_assert_int_eq(kohl_context_create(NULL, &ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_resnet_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(in_path, sizeof in_path, "%s/in.safetensors", folder);
}

static void teardown(void) {
  unlink(in_path);
  ck_assert_msg(rmdir(folder) == 0, "a file was left in %s", folder);
  kohl_context_destroy(ctx);
}

#define OK(call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

static void expect_text(const char *text) {
  ck_assert_msg(strstr(kohl_context_error(ctx), text), "'%s' does not contain '%s'", kohl_context_error(ctx), text);
}

/* Element i of tensor `number`; positive, as a variance must be. */
static float value(size_t number, size_t i) { return (float)((number * 31 + i * 7) % 509 + 1) / 64; }

/* What Keras calls the tensors of the stem and the first bottleneck, in the order of its file. */
typedef struct cell {
  const char *name;
  int rows, in, out;
} cell;
static const cell cells[5] = {{"conv1", 7, 3, 64},
                              {"conv2_block1_0", 1, 64, 256},
                              {"conv2_block1_1", 1, 64, 64},
                              {"conv2_block1_2", 3, 64, 64},
                              {"conv2_block1_3", 1, 64, 256}};
static const char *const kinds[6] = {"conv/kernel:0", "conv/bias:0",      "bn/gamma:0",
                                     "bn/beta:0",     "bn/moving_mean:0", "bn/moving_variance:0"};
enum { TENSORS = 30 };

/* Whether tensor i (cell i/6, kind i%6) is in the file. */
typedef bool chosen(int i);
static bool all_of_them(int i) { return i < TENSORS; }
static bool without_bias(int i) { return i % 6 != 1; }
static bool without_last(int i) { return i < TENSORS - 1; }

static size_t count_of(int i) {
  const cell *c = &cells[i / 6];
  return (size_t)c->out * (size_t)(i % 6 ? 1 : c->rows * c->rows * c->in);
}

static void write_file(chosen *choose) {
  kohl_safetensors_writer *writer;
  int order[TENSORS], n = 0;
  OK(kohl_safetensors_writer_begin(ctx, in_path, &writer));
  for (int i = 0; i < TENSORS; i++) {
    const cell *c = &cells[i / 6];
    int64_t kernel[4] = {c->rows, c->rows, c->in, c->out}, row[1] = {c->out};
    char name[64];
    if (!choose(i)) continue;
    snprintf(name, sizeof name, "%s_%s", c->name, kinds[i % 6]);
    OK(kohl_safetensors_writer_tensor(writer, name, KOHL_SAFETENSORS_F32, i % 6 ? 1 : 4, i % 6 ? row : kernel));
    order[n++] = i;
  }
  OK(kohl_safetensors_writer_lay(writer));
  for (int k = 0; k < n; k++) {
    int i = order[kohl_safetensors_writer_order(writer, (size_t)k)];
    for (size_t e = 0; e < count_of(i); e++) {
      float v = value((size_t)i, e);
      OK(kohl_safetensors_write(writer, &v, sizeof v));
    }
  }
  OK(kohl_safetensors_writer_finish(writer));
}

static const float *weight(const kohl_model *model, const char *layer, const char *suffix) {
  int node = kohl_graph_find(model->graph, layer);
  ck_assert_msg(node >= 0, "no layer %s", layer);
  const kohl_weight *w = kohl_model_weight(model, node, suffix);
  return w ? w->data : NULL;
}

/* Tensor i of the file as it should be in the model. */
static void expect_values(const kohl_model *model, int i) {
  static const char *const suffixes[6] = {"weight", "bias", "gamma", "beta", "mean", "variance"};
  const cell *c = &cells[i / 6];
  char layer[64];
  snprintf(layer, sizeof layer, "%s_%s", c->name, i % 6 < 2 ? "conv" : "bn");
  const float *w = weight(model, layer, suffixes[i % 6]);
  ck_assert_msg(w != NULL, "%s has no %s", layer, suffixes[i % 6]);
  size_t inner = count_of(i) / (size_t)c->out;
  for (size_t k = 0; k < (size_t)c->out; k++)
    for (size_t e = 0; e < inner; e++) ck_assert(w[k * inner + e] == value((size_t)i, e * (size_t)c->out + k));
}

static const kohl_params *params(const kohl_model *model, const char *layer) {
  return &model->graph->nodes[kohl_graph_find(model->graph, layer)].params;
}

START_TEST(keras_file) {
  const char *const archs[] = {"resnet50", "resnet101"};
  write_file(all_of_them);
  for (int a = 0; a < 2; a++) {
    kohl_convert_options options = {.arch = archs[a], .until = "conv2_block1_out", .size = 64};
    kohl_model *model;
    OK(kohl_convert_read(ctx, in_path, &options, &model));
    for (int i = 0; i < TENSORS; i++) expect_values(model, i);
    ck_assert_uint_eq(model->weight_count, TENSORS);
    ck_assert_str_eq(model->graph->nodes[model->graph->count - 1].name, "conv2_block1_out");
    ck_assert(params(model, "conv2_block1_0_bn")->epsilon == 1.001e-5f);
    ck_assert_int_eq(model->preprocessing.order, KOHL_CHANNELS_BGR);
    kohl_model_destroy(ctx, model);
  }
}
END_TEST

START_TEST(torchvision_preset) {
  kohl_convert_options options = {.arch = "resnet50", .preset = "torchvision", .until = "conv2_block1_out", .size = 64};
  kohl_model *model;
  write_file(without_bias);
  OK(kohl_convert_read(ctx, in_path, &options, &model));
  for (int i = 0; i < TENSORS; i++)
    if (i % 6 != 1) expect_values(model, i);
  ck_assert_ptr_null(weight(model, "conv1_conv", "bias"));
  ck_assert(params(model, "conv1_bn")->epsilon == 1e-5f);
  ck_assert_int_eq(model->preprocessing.order, KOHL_CHANNELS_RGB);
  ck_assert_int_eq(model->preprocessing.fit.resize, 73); /* 256 of 224, at 64 */
  kohl_model_destroy(ctx, model);
  options.preset = NULL; /* Keras's, which has biases */
  ck_assert_int_eq(kohl_convert_read(ctx, in_path, &options, &model), KOHL_BAD_INPUT);
  expect_text("layer 'conv1_conv': tensor 'conv1_conv/bias' is missing");
  write_file(all_of_them);
  options.preset = "torchvision";
  ck_assert_int_eq(kohl_convert_read(ctx, in_path, &options, &model), KOHL_BAD_INPUT);
  expect_text("layer 'conv1_conv' has no bias in preset 'torchvision' of resnet50");
}
END_TEST

START_TEST(missing_tensor) {
  kohl_convert_options options = {.arch = "resnet50", .until = "conv2_block1_out", .size = 64};
  kohl_model *model;
  write_file(without_last);
  ck_assert_int_eq(kohl_convert_read(ctx, in_path, &options, &model), KOHL_BAD_INPUT);
  expect_text("tensor 'conv2_block1_3_bn/moving_variance' is missing; --until conv2_block1_3_conv converts what comes");
}
END_TEST

/* The default preset of each network, and what the preset's rows must decide. */
START_TEST(presets) {
  static const struct {
    const char *arch, *preset, *name;
    int resize; /* 0: not by crop */
    bool stride_first, adaptive_pool, stride_last;
    double epsilon; /* below 0: has no batch-norm */
    int head;
  } cases[] = {
      {"vgg16", NULL, "keras-caffe", 0, false, false, false, -1, 3},
      {"vgg19", "torchvision", "torchvision", 256, false, true, false, -1, 3},
      {"vgg16_bn", NULL, "torchvision", 256, false, true, false, 1e-5, 3},
      {"vgg19_bn", "timm", "timm", 256, false, true, false, 1e-5, 3},
      {"alexnet", NULL, "torchvision", 256, false, true, false, -1, 3},
      {"resnet18", NULL, "torchvision", 256, false, false, false, 1e-5, 1},
      {"resnet34", "timm", "timm", 235, false, false, false, 1e-5, 1},
      {"resnet50", NULL, "keras-caffe", 0, true, false, false, 1.001e-5, 1},
      {"resnet101", "torchvision", "torchvision", 256, false, false, false, 1e-5, 1},
      {"resnet101", "torchvision-v2", "torchvision-v2", 232, false, false, false, 1e-5, 1},
      {"resnet50", "slim", "slim", 256, false, false, true, 1e-5, 1},
      {"resnet101", "slim", "slim", 256, false, false, true, 1e-5, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const kohl_preset *preset;
    OK(kohl_preset_find(ctx, cases[i].arch, cases[i].preset, &preset));
    ck_assert_str_eq(preset->name, cases[i].name);
    kohl_preprocessing p = kohl_preset_preprocessing(preset, 0);
    ck_assert_int_eq(p.fit.mode == KOHL_FIT_CROP ? p.fit.resize : 0, cases[i].resize);
    ck_assert_int_eq(p.fit.w, 224);
    ck_assert_int_eq(preset->options.stride_first, cases[i].stride_first);
    ck_assert_int_eq(preset->options.conv_bias, cases[i].stride_first);
    ck_assert_int_eq(preset->options.adaptive_pool, cases[i].adaptive_pool);
    ck_assert_int_eq(preset->options.stride_last, cases[i].stride_last);
    ck_assert(preset->options.momentum == (cases[i].stride_last ? 0.997f : 0));
    if (cases[i].epsilon > 0) ck_assert(preset->options.epsilon == (float)cases[i].epsilon && preset->options.gamma);
    ck_assert_int_eq(kohl_preset_head_count(preset), cases[i].head);
    kohl_graph *graph; /* every name of the head must be a layer */
    OK(kohl_arch_build(ctx, cases[i].arch, &preset->options, &graph));
    for (int k = 0; preset->head[k]; k++) ck_assert_int_ge(kohl_graph_find(graph, preset->head[k]), 0);
    kohl_graph_destroy(ctx, graph);
  }
}
END_TEST

START_TEST(no_presets) {
  static const char *const archs[] = {"alexnet2012", "cleo_small", "cleo_coin", "vgg19_cam"};
  const kohl_preset *preset;
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq(kohl_preset_find(ctx, archs[i], NULL, &preset), KOHL_USAGE);
    expect_text(": no published weights of this architecture are known");
  }
  ck_assert_int_eq(kohl_preset_find(ctx, "resnet18", "keras-caffe", &preset), KOHL_USAGE);
  expect_text("resnet18 has no preset 'keras-caffe', expected one of torchvision, timm");
  ck_assert_int_eq(kohl_preset_find(ctx, "vgg16_bn", "slim", &preset), KOHL_USAGE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("convert_resnet");
  TCase *tests = tcase_create("convert_resnet");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, keras_file);
  tcase_add_test(tests, torchvision_preset);
  tcase_add_test(tests, missing_tensor);
  tcase_add_test(tests, presets);
  tcase_add_test(tests, no_presets);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
