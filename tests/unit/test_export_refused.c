/* convert/export: what is refused and in which words, and what stays on the disk after a failure. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/export_models.h"
#include "tests/unit/meter.h"

START_TEST(refused) {
  kohl_export_options pixels = {.format = KOHL_EXPORT_KERAS, .preprocessing = true};
  kohl_model *model = export_model(export_small("my_net"));
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_TORCHVISION), KOHL_BAD_INPUT);
  export_expect(
      "model.safetensors: torchvision has no network 'my_net'; expected one of its own, or --to keras or onnx");
  ck_assert_int_eq(kohl_export(export_ctx, model, &pixels, export_out_path), KOHL_USAGE);
  export_expect("for onnx only, not for keras");
  pixels.format = KOHL_EXPORT_ONNX;
  ck_assert_int_eq(kohl_export(export_ctx, model, &pixels, export_model_path), KOHL_USAGE);
  export_expect("model.safetensors: is the model itself");
  ck_assert_int_eq(kohl_export(export_ctx, model, &pixels, "/nowhere/x.onnx"), KOHL_BAD_INPUT);
  export_expect("/nowhere/x.onnx");
  kohl_model_destroy(export_ctx, model);
  kohl_arch_options options = kohl_arch_options_default("resnet50");
  options.height = options.width = 33;
  options.classes = 2;
  model = export_published("resnet50", &options);
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_TORCHVISION), KOHL_BAD_INPUT);
  export_expect("torchvision's resnet50 has other weights: layer 'conv1_conv' has bias true, there false; expected");
  kohl_model_destroy(export_ctx, model);
}
END_TEST

START_TEST(refused_networks) {
  kohl_graph *graph;
  kohl_params p = kohl_params_default(), plain = p;
  int both[2] = {0, 0}, index;
  export_ok(kohl_graph_create(export_ctx, "vgg19", &graph)); /* no weights at all */
  p.size[0] = 4, p.size[1] = 4, p.size[2] = 2;
  export_layer(graph, KOHL_LAYER_input, "input_1", p);
  export_layer(graph, KOHL_LAYER_relu, "relu", plain);
  kohl_model *model = export_model(graph);
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_KERAS), KOHL_BAD_INPUT);
  export_expect("no layer has weights");
  kohl_export_options pixels = {.format = KOHL_EXPORT_ONNX, .preprocessing = true};
  ck_assert_int_eq(kohl_export(export_ctx, model, &pixels, export_out_path), KOHL_USAGE);
  export_expect("input has 2 channels, expected 3");
  kohl_model_destroy(export_ctx, model);
  export_ok(kohl_graph_create(export_ctx, "vgg19", &graph)); /* two flattened pictures side by side */
  export_layer(graph, KOHL_LAYER_input, "input_1", p);
  both[0] = export_layer(graph, KOHL_LAYER_flatten, "flatten_1", plain);
  export_ok(kohl_graph_add(export_ctx, graph, KOHL_LAYER_flatten, "flatten_2", &plain, &both[1], 1, &index));
  both[1] = index;
  export_ok(kohl_graph_add(export_ctx, graph, KOHL_LAYER_concat, "side_by_side", &plain, both, 2, &index));
  export_layer(graph, KOHL_LAYER_dropout, "dropout", plain);
  p = plain;
  p.filters = 3;
  export_layer(graph, KOHL_LAYER_dense, "fc1", p);
  model = export_model(graph);
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_TORCHVISION), KOHL_BAD_INPUT);
  export_expect("layer 'fc1' (dense): it reads a flattened picture by way of other layers");
  export_ok(export_as(model, KOHL_EXPORT_KERAS));
  export_ok(export_as(model, KOHL_EXPORT_ONNX));
  kohl_model_destroy(export_ctx, model);
}
END_TEST

/* 32,768 x 16,384 weights are 2^31 bytes; they are never looked at. */
START_TEST(refused_size) {
  static const float nothing;
  kohl_graph *graph;
  kohl_model *model;
  kohl_params p = kohl_params_default();
  export_ok(kohl_graph_create(export_ctx, "", &graph));
  p.size[0] = p.size[1] = 1, p.size[2] = 1 << 15;
  export_layer(graph, KOHL_LAYER_input, "input_1", p);
  p.filters = 1 << 14;
  p.bias = false;
  export_layer(graph, KOHL_LAYER_dense, "dense", p);
  export_ok(kohl_graph_infer(export_ctx, graph));
  export_ok(kohl_model_create(export_ctx, graph, &model));
  model->weights[0].data = &nothing;
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_ONNX), KOHL_BAD_INPUT);
  export_expect("bytes as ONNX, expected at most 2147483647");
  model->weights[0].data = NULL;
  ck_assert_int_eq(export_as(model, KOHL_EXPORT_ONNX), KOHL_BAD_INPUT);
  export_expect("tensor 'dense.weight' has no data");
  kohl_model_destroy(export_ctx, model);
}
END_TEST

static void write_text(const char *path, const char *text, long at) {
  FILE *file = fopen(path, at < 0 ? "wb" : "r+b");
  ck_assert_ptr_nonnull(file);
  if (at > 0) ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
  ck_assert_uint_eq(fwrite(text, 1, strlen(text), file), strlen(text));
  ck_assert_int_eq(fclose(file), 0);
}

static void expect_old_file(void) {
  char text[16] = "";
  FILE *file = fopen(export_out_path, "rb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fread(text, 1, sizeof text, file), 3);
  fclose(file);
  ck_assert_str_eq(text, "old");
}

/* Whatever fails, the old file stays and export_teardown finds no other. */
START_TEST(old_file_stays) {
  struct stat info;
  kohl_export_format format = (kohl_export_format)_i;
  write_text(export_out_path, "old", -1);
  kohl_model *model = export_model(export_small("vgg19"));
  long polls = 0;
  for (export_polls_left = polls; export_as(model, format) != KOHL_OK; export_polls_left = ++polls) {
    export_expect("interrupt");
    expect_old_file();
  }
  export_polls_left = -1;
  ck_assert_int_gt(polls, 10); /* one for each weight checked and one for each written */
  kohl_model_destroy(export_ctx, model);
  ck_assert_int_eq(stat(export_model_path, &info), 0);
  write_text(export_model_path, "!", info.st_size - 2);
  write_text(export_out_path, "old", -1);
  export_ok(kohl_model_open(export_ctx, export_model_path, &model));
  ck_assert_int_eq(export_as(model, format), KOHL_BAD_INPUT);
  export_expect("model.safetensors: tensor 'head_logits.bias'");
  export_expect("CRC32C");
  expect_old_file();
  kohl_model_destroy(export_ctx, model);
}
END_TEST

START_TEST(refused_memory) {
  meter m = {0};
  kohl_context_options options = kohl_context_options_default();
  kohl_export_options what = {.format = (kohl_export_format)_i, .preprocessing = _i == KOHL_EXPORT_ONNX};
  options.allocator = (kohl_allocator){meter_allocate, meter_release, &m};
  options.threads = 1;
  kohl_model *model = export_model(export_small("vgg19"));
  atomic_store(&m.left, 1000000);
  kohl_context *poor;
  ck_assert_int_eq(kohl_context_create(&options, &poor), KOHL_OK);
  long before = atomic_load(&m.live), requests = 0;
  kohl_status status = KOHL_NO_RESOURCE;
  for (; status != KOHL_OK; requests++) {
    atomic_store(&m.left, requests);
    status = kohl_export(poor, model, &what, export_out_path);
    ck_assert_msg(status == KOHL_OK || status == KOHL_NO_RESOURCE, "%ld: %s", requests, kohl_context_error(poor));
    ck_assert_int_eq(atomic_load(&m.live), before);
    ck_assert(status == KOHL_OK || access(export_out_path, F_OK) != 0);
  }
  ck_assert_int_gt(requests, 20);
  atomic_store(&m.left, 1000000);
  kohl_context_destroy(poor);
  kohl_model_destroy(export_ctx, model);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("export_refused");
  TCase *tests = tcase_create("export_refused");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, export_setup, export_teardown);
  tcase_add_test(tests, refused);
  tcase_add_test(tests, refused_networks);
  tcase_add_test(tests, refused_size);
  tcase_add_loop_test(tests, old_file_stays, 0, KOHL_EXPORT_FORMATS);
  tcase_add_loop_test(tests, refused_memory, 0, KOHL_EXPORT_FORMATS);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
