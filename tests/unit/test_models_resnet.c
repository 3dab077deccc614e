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

/* TF-Slim's resnet_v1_50 or 101. */
static kohl_arch_options slim_options(const char *arch) {
  kohl_arch_options options = options_of(arch, false, 1000);
  options.stride_last = true;
  options.momentum = 0.997f;
  return options;
}

/* Weights as its checkpoints hold them: torchvision's total and, of 26,560 and 52,672 channels, mean and variance. */
START_TEST(slim_totals) {
  static const struct {
    const char *arch;
    size_t trainable, running;
  } cases[] = {{"resnet50", 25557032, 53120}, {"resnet101", 44549160, 105344}};
  for (size_t i = 0; i < 2; i++) {
    kohl_arch_options options = slim_options(cases[i].arch);
    kohl_graph *graph = graph_build(cases[i].arch, &options);
    ck_assert_uint_eq(graph_parameters(graph, false), cases[i].trainable);
    ck_assert_uint_eq(graph_parameters(graph, true), cases[i].trainable + cases[i].running);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

/* Which convolutions and shortcuts stride: those of the last block of conv2 to conv4, and the stem's. */
static void expect_slim_strides(const kohl_graph *graph, const int blocks[4]) {
  char last[3][2][64];
  for (int s = 0; s < 3; s++) {
    snprintf(last[s][0], sizeof last[s][0], "conv%d_block%d_2_conv", s + 2, blocks[s]);
    snprintf(last[s][1], sizeof last[s][1], "conv%d_block%d_0_pool", s + 2, blocks[s]);
  }
  int strided = 0;
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    bool strides = strcmp(node->name, "conv1_conv") == 0 || strcmp(node->name, "pool1_pool") == 0;
    for (int s = 0; s < 6; s++) strides |= strcmp(node->name, last[s / 2][s % 2]) == 0;
    if (node->layer != KOHL_LAYER_conv2d && node->layer != KOHL_LAYER_max_pool) continue;
    strided += strides;
    for (int k = 0; k < 2; k++)
      ck_assert_msg(node->params.stride[k] == (strides ? 2 : 1), "%s: stride %d", node->name, node->params.stride[k]);
  }
  ck_assert_int_eq(strided, 8);
}

START_TEST(slim_layers) {
  static const int blocks[2][4] = {{3, 4, 6, 3}, {3, 4, 23, 3}};
  for (int i = 0; i < 2; i++) {
    const char *arch = i ? "resnet101" : "resnet50";
    kohl_arch_options options = slim_options(arch);
    kohl_graph *graph = graph_build(arch, &options);
    expect_slim_strides(graph, blocks[i]);
    graph_shape(graph, "conv1_conv", 112, 112, 64);
    graph_shape(graph, "pool1_pool", 56, 56, 64);
    graph_shape(graph, "conv2_block1_0_conv", 56, 56, 256);
    graph_shape(graph, "conv2_block3_1_conv", 56, 56, 64);
    graph_shape(graph, "conv2_block3_out", 28, 28, 256);
    graph_shape(graph, "conv3_block1_0_conv", 28, 28, 512);
    graph_shape(graph, "conv3_block4_out", 14, 14, 512);
    graph_shape(graph, i ? "conv4_block23_out" : "conv4_block6_out", 7, 7, 1024);
    graph_shape(graph, "conv5_block3_out", 7, 7, 2048);
    graph_inputs(graph, "conv2_block1_add", "conv2_block1_0_bn conv2_block1_3_bn");
    graph_inputs(graph, "conv2_block2_add", "conv2_block1_out conv2_block2_3_bn");
    graph_inputs(graph, "conv2_block3_0_pool", "conv2_block2_out");
    graph_inputs(graph, "conv2_block3_1_conv", "conv2_block2_out");
    graph_inputs(graph, "conv2_block3_add", "conv2_block3_0_pool conv2_block3_3_bn");
    ck_assert_int_eq(kohl_graph_find(graph, "conv5_block3_0_pool"), -1);
    ck_assert_int_eq(graph_node(graph, "conv2_block3_0_pool")->params.kernel[0], 1);
    const kohl_params *norm = &graph_node(graph, "conv1_bn")->params;
    ck_assert(norm->epsilon == 1e-5f && norm->momentum == 0.997f && norm->gamma);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

/* The pool of the stem pads below and right only where the size is even, the convolutions alike on all sides. */
START_TEST(slim_padding) {
  static const struct { int side, pool[4]; } cases[] = {{224, {0, 0, 1, 1}}, {225, {1, 1, 1, 1}}};
  for (size_t i = 0; i < 2; i++) {
    kohl_arch_options options = slim_options("resnet50");
    options.height = options.width = cases[i].side;
    kohl_graph *graph = graph_build("resnet50", &options);
    int pads[4];
    kohl_node_pads(graph, graph_node(graph, "pool1_pool"), pads);
    ck_assert_mem_eq(pads, cases[i].pool, sizeof pads);
    kohl_node_pads(graph, graph_node(graph, "conv1_conv"), pads);
    for (int k = 0; k < 4; k++) ck_assert_int_eq(pads[k], 3);
    kohl_node_pads(graph, graph_node(graph, "conv3_block4_2_conv"), pads);
    for (int k = 0; k < 4; k++) ck_assert_int_eq(pads[k], 1);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

START_TEST(slim_options_refused) {
  kohl_arch_options options = slim_options("resnet50");
  options.stride_first = true;
  graph_refused("resnet50", &options, KOHL_USAGE,
                "resnet50: options stride_first and stride_last, expected at most one");
  options.stride_first = false;
  options.momentum = 1;
  graph_refused("resnet50", &options, KOHL_USAGE, "option momentum: value 1, expected 0 to less than 1");
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
  tcase_add_test(tests, slim_totals);
  tcase_add_test(tests, slim_layers);
  tcase_add_test(tests, slim_padding);
  tcase_add_test(tests, slim_options_refused);
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
