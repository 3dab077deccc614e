/* ResNets against published totals, costs, names and shapes. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/graph_checks.h"

/* Keras's: bias in convolutions, stride on a bottleneck's first.  torchvision's: neither. */
static kohl_arch_options options_of(const char *arch, bool keras, int classes) {
  kohl_arch_options options = kohl_arch_options_default(arch);
  options.conv_bias = options.stride_first = keras;
  options.epsilon = keras ? 1.001e-5f : 1e-5f;
  options.classes = classes;
  return options;
}

/* Keras states totals with running statistics, torchvision those of trainable weights. */
START_TEST(parameter_totals) {
  static const struct {
    const char *arch;
    bool keras;
    int classes;
    size_t total;
    const char *base;
  } cases[] = {
      {"resnet18", false, 1000, 11689512, "conv5_block2_out"},  {"resnet34", false, 1000, 21797672, "conv5_block3_out"},
      {"resnet50", false, 1000, 25557032, "conv5_block3_out"},  {"resnet50", true, 1000, 25636712, "conv5_block3_out"},
      {"resnet50", true, 0, 23587712, "conv5_block3_out"},      {"resnet101", true, 0, 42658176, "conv5_block3_out"},
      {"resnet101", false, 1000, 44549160, "conv5_block3_out"}, {"resnet101", true, 1000, 44707176, "conv5_block3_out"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    kohl_arch_options options = options_of(cases[i].arch, cases[i].keras, cases[i].classes);
    kohl_graph *graph = graph_build(cases[i].arch, &options);
    size_t total = graph_parameters(graph, cases[i].keras);
    ck_assert_msg(total == cases[i].total, "%s: %zu parameters, expected %zu", cases[i].arch, total, cases[i].total);
    ck_assert_int_eq(graph->base_output >= 0, cases[i].classes > 0);
    ck_assert_str_eq(graph->nodes[cases[i].classes ? graph->base_output : (int)graph->count - 1].name, cases[i].base);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

/* torchvision states billions with three decimals, the paper (whose stride is Keras's) with one.  This catches a stride
 * in the wrong place, which changes no weight. */
START_TEST(products) {
  static const struct {
    const char *arch;
    bool keras;
    double billions, step;
  } cases[] = {{"resnet18", false, 1.814, 1e-3}, {"resnet34", false, 3.664, 1e-3},  {"resnet50", false, 4.089, 1e-3},
               {"resnet50", true, 3.8, 0.1},     {"resnet101", false, 7.801, 1e-3}, {"resnet101", true, 7.6, 0.1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    kohl_arch_options options = options_of(cases[i].arch, cases[i].keras, 1000);
    kohl_graph *graph = graph_build(cases[i].arch, &options);
    double billions = graph_products(graph) / 1e9;
    /* The paper rounds down. */
    ck_assert_msg(fabs(billions - cases[i].billions) <= cases[i].step, "%s: %g, expected %g", cases[i].arch, billions,
                  cases[i].billions);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

START_TEST(keras_layers) {
  kohl_graph *graph = graph_build("resnet101", NULL);
  graph_shape(graph, "conv1_conv", 112, 112, 64);
  graph_shape(graph, "pool1_pool", 56, 56, 64);
  graph_shape(graph, "conv2_block3_out", 56, 56, 256);
  graph_shape(graph, "conv3_block1_1_conv", 28, 28, 128);
  graph_shape(graph, "conv3_block4_out", 28, 28, 512);
  graph_shape(graph, "conv4_block23_out", 14, 14, 1024);
  graph_shape(graph, "conv5_block3_out", 7, 7, 2048);
  graph_shape(graph, "probabilities", 1, 1, 1000);
  graph_inputs(graph, "conv2_block1_0_conv", "pool1_pool");
  graph_inputs(graph, "conv2_block1_1_conv", "pool1_pool");
  graph_inputs(graph, "conv2_block1_add", "conv2_block1_0_bn conv2_block1_3_bn");
  graph_inputs(graph, "conv2_block2_add", "conv2_block1_out conv2_block2_3_bn");
  graph_inputs(graph, "conv2_block2_out", "conv2_block2_add");
  graph_inputs(graph, "conv2_block2_3_conv", "conv2_block2_2_relu");
  graph_inputs(graph, "avg_pool", "conv5_block3_out");
  graph_inputs(graph, "predictions", "avg_pool");
  ck_assert_int_eq(kohl_graph_find(graph, "conv2_block2_0_conv"), -1);
  ck_assert_int_eq(kohl_graph_find(graph, "conv2_block1_3_relu"), -1);
  ck_assert(graph_node(graph, "conv1_conv")->params.bias && graph_node(graph, "conv4_block7_2_conv")->params.bias);
  ck_assert(graph_node(graph, "conv1_bn")->params.epsilon == 1.001e-5f);
  ck_assert_int_eq(graph_node(graph, "conv5_block1_2_conv")->params.stride[0], 1);
  int pads[4];
  kohl_node_pads(graph, graph_node(graph, "pool1_pool"), pads);
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pads[i], 1);
  kohl_node_pads(graph, graph_node(graph, "conv1_conv"), pads);
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pads[i], 3);
  for (size_t i = 0; i < graph->count; i++) ck_assert(graph->nodes[i].trainable);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(torchvision_layers) {
  kohl_arch_options options = options_of("resnet50", false, 1000);
  kohl_graph *graph = graph_build("resnet50", &options);
  graph_shape(graph, "conv3_block1_1_conv", 56, 56, 128);
  graph_shape(graph, "conv3_block1_2_conv", 28, 28, 128);
  graph_shape(graph, "conv3_block1_0_conv", 28, 28, 512);
  ck_assert(!graph_node(graph, "conv1_conv")->params.bias);
  ck_assert(!graph_node(graph, "conv3_block1_0_conv")->params.bias);
  ck_assert(graph_node(graph, "conv3_block1_0_bn")->params.epsilon == 1e-5f);
  int pads[4];
  kohl_node_pads(graph, graph_node(graph, "conv3_block1_2_conv"), pads); /* a same rule would give 0 0 1 1 */
  for (int i = 0; i < 4; i++) ck_assert_int_eq(pads[i], 1);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(basic_blocks) {
  kohl_graph *graph = graph_build("resnet18", NULL);
  graph_inputs(graph, "conv2_block1_add", "pool1_pool conv2_block1_2_bn");
  graph_inputs(graph, "conv3_block1_add", "conv3_block1_0_bn conv3_block1_2_bn");
  graph_inputs(graph, "conv3_block2_add", "conv3_block1_out conv3_block2_2_bn");
  graph_shape(graph, "conv3_block1_1_conv", 28, 28, 128);
  graph_shape(graph, "conv5_block2_out", 7, 7, 512);
  ck_assert_int_eq(kohl_graph_find(graph, "conv2_block1_0_conv"), -1);
  ck_assert_int_eq(kohl_graph_find(graph, "conv2_block1_3_conv"), -1);
  ck_assert(!graph_node(graph, "conv1_conv")->params.bias);
  ck_assert_int_eq(graph_node(graph, "conv3_block1_1_conv")->params.stride[1], 2);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* Padding lets every size through, down to a pixel. */
START_TEST(sizes) {
  kohl_arch_options options = kohl_arch_options_default("resnet50");
  options.height = 1;
  options.width = 129;
  kohl_graph *graph = graph_build("resnet50", &options);
  graph_shape(graph, "conv5_block3_out", 1, 5, 2048);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* "conv1", "bn1", "layer1.0.conv2", "layer1.0.bn2", "layer1.0.downsample.0" and .1, "fc". */
static bool rename_layer(const char *torch, char layer[64]) {
  int stage, block, part;
  char word[16];
  strcpy(layer, !strcmp(torch, "fc") ? "predictions" : !strcmp(torch, "conv1") ? "conv1_conv" : "conv1_bn");
  if (!strcmp(torch, "fc") || !strcmp(torch, "conv1") || !strcmp(torch, "bn1")) return true;
  if (sscanf(torch, "layer%1d.%d.downsample.%1d", &stage, &block, &part) == 3) {
    snprintf(layer, 64, "conv%d_block%d_0_%s", stage + 1, block + 1, part ? "bn" : "conv");
    return true;
  }
  if (sscanf(torch, "layer%1d.%d.%15[a-z]%1d", &stage, &block, word, &part) != 4) return false;
  snprintf(layer, 64, "conv%d_block%d_%d_%s", stage + 1, block + 1, part, word);
  return true;
}

START_TEST(torchvision_names) {
  kohl_arch_options options = options_of("resnet101", false, 1000);
  kohl_graph *graph = graph_build("resnet101", &options);
  graph_matches_state_dict(graph, "../shared/data/names/torchvision_resnet101_state_dict_shapes.json", rename_layer);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("models_resnet");
  TCase *tests = tcase_create("models_resnet");
  tcase_add_checked_fixture(tests, graph_setup, graph_teardown);
  tcase_add_test(tests, parameter_totals);
  tcase_add_test(tests, products);
  tcase_add_test(tests, keras_layers);
  tcase_add_test(tests, torchvision_layers);
  tcase_add_test(tests, basic_blocks);
  tcase_add_test(tests, sizes);
  tcase_add_test(tests, torchvision_names);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
