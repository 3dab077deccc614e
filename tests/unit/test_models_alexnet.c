/* The two AlexNets and Cleo's networks against published totals, costs, names and shapes. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/graph_checks.h"

START_TEST(alexnet_layers) {
  kohl_graph *graph = graph_build("alexnet", NULL);
  ck_assert_uint_eq(graph_parameters(graph, true), 61100840);  /* torchvision */
  ck_assert(fabs(graph_products(graph) / 1e9 - 0.714) < 1e-3); /* torchvision */
  graph_shape(graph, "conv1", 55, 55, 64);
  graph_shape(graph, "pool1", 27, 27, 64);
  graph_shape(graph, "pool2", 13, 13, 192);
  graph_shape(graph, "conv3", 13, 13, 384);
  graph_shape(graph, "pool5", 6, 6, 256);
  graph_shape(graph, "adaptive_pool", 6, 6, 256);
  graph_inputs(graph, "conv4", "conv3");
  graph_inputs(graph, "fc6", "dropout_1");
  graph_inputs(graph, "dropout_1", "flatten");
  graph_inputs(graph, "dropout_2", "fc6");
  graph_inputs(graph, "predictions", "fc7");
  ck_assert_int_eq(graph_node(graph, "conv5")->params.activation, KOHL_ACTIVATION_RELU);
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "pool5");
  kohl_graph_destroy(graph_ctx, graph);
  kohl_arch_options options = kohl_arch_options_default("alexnet");
  options.height = 300;
  options.width = 63;
  graph = graph_build("alexnet", &options); /* any size has the same weights */
  ck_assert_uint_eq(graph_parameters(graph, true), 61100840);
  kohl_graph_destroy(graph_ctx, graph);
  graph_smallest("alexnet", 63, "pool5");
}
END_TEST

static bool rename_layer(const char *torch, char layer[64]) {
  static const char *const names[][2] = {
      {"features.0", "conv1"},  {"features.3", "conv2"}, {"features.6", "conv3"}, {"features.8", "conv4"},
      {"features.10", "conv5"}, {"classifier.1", "fc6"}, {"classifier.4", "fc7"}, {"classifier.6", "predictions"}};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (!strcmp(torch, names[i][0])) return strcpy(layer, names[i][1]);
  return false;
}

START_TEST(alexnet_names) {
  kohl_graph *graph = graph_build("alexnet", NULL);
  graph_matches_state_dict(graph, "../shared/data/names/torchvision_alexnet_state_dict_shapes.json", rename_layer);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(alexnet2012_layers) {
  kohl_graph *graph = graph_build("alexnet2012", NULL);
  /* The widths of the paper with its groups; Caffe's file of the network has as many. */
  ck_assert_uint_eq(graph_parameters(graph, true), 60965224);
  graph_shape(graph, "conv1", 55, 55, 96);
  graph_shape(graph, "pool1", 27, 27, 96);
  graph_shape(graph, "conv2", 27, 27, 256);
  graph_shape(graph, "pool2", 13, 13, 256);
  graph_shape(graph, "conv4", 13, 13, 384);
  graph_shape(graph, "pool5", 6, 6, 256);
  graph_inputs(graph, "norm1", "conv1");
  graph_inputs(graph, "pool1", "norm1");
  graph_inputs(graph, "pool2", "norm2");
  graph_inputs(graph, "conv4", "conv3");
  graph_inputs(graph, "pool5", "conv5");
  graph_inputs(graph, "fc6", "flatten");
  graph_inputs(graph, "dropout_1", "fc6");
  graph_inputs(graph, "predictions", "dropout_2");
  static const int groups[5] = {1, 2, 1, 2, 2};
  for (int i = 0; i < 5; i++) {
    char name[32];
    snprintf(name, sizeof name, "conv%d", i + 1);
    ck_assert_int_eq(graph_node(graph, name)->params.groups, groups[i]);
  }
  const kohl_params *norm = &graph_node(graph, "norm2")->params;
  ck_assert(norm->window == 5 && norm->lrn_alpha == 1e-4f && norm->lrn_beta == 0.75f && norm->lrn_bias == 2.0f);
  kohl_graph_destroy(graph_ctx, graph);
  kohl_arch_options options = kohl_arch_options_default("alexnet2012");
  options.lrn_alpha = 2e-5f;
  graph = graph_build("alexnet2012", &options);
  ck_assert(graph_node(graph, "norm1")->params.lrn_alpha == 2e-5f);
  kohl_graph_destroy(graph_ctx, graph);
  options.lrn_alpha = -1;
  graph_refused("alexnet2012", &options, KOHL_BAD_INPUT, "layer 'norm1' (lrn): alpha is -1");
  graph_smallest("alexnet2012", 67, "pool5");
}
END_TEST

START_TEST(cleo_layers) {
  kohl_graph *graph = graph_build("cleo_small", NULL);
  graph_shape(graph, "block1_conv2", 128, 128, 32);
  graph_shape(graph, "block2_pool", 32, 32, 64);
  graph_shape(graph, "block5_pool", 4, 4, 128);
  graph_shape(graph, "fc1", 1, 1, 512);
  graph_shape(graph, "probabilities", 1, 1, 23);
  graph_inputs(graph, "block2_conv1", "block1_dropout");
  graph_inputs(graph, "block4_conv1", "block3_dropout");
  graph_inputs(graph, "predictions", "dropout");
  ck_assert_int_eq(kohl_graph_find(graph, "block3_conv2"), -1);
  ck_assert(graph_node(graph, "block4_dropout")->params.rate == 0.25f);
  ck_assert(graph_node(graph, "dropout")->params.rate == 0.5f);
  /* By hand: 896+9248 + 18496+36928 + 36928 + 73856 + 147584 + 2048*512+512 + 512*23+23. */
  ck_assert_uint_eq(graph_parameters(graph, true), 1384823);
  kohl_graph_destroy(graph_ctx, graph);
  graph_smallest("cleo_small", 32, "block5_pool");
  graph = graph_build("cleo_coin", NULL);
  const kohl_node *last = &graph->nodes[graph->count - 1];
  ck_assert_str_eq(last->name, "probabilities");
  ck_assert_int_eq(last->layer, KOHL_LAYER_sigmoid);
  graph_shape(graph, "probabilities", 1, 1, 2);
  graph_shape(graph, "block5_dropout", 4, 4, 128);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("models_alexnet");
  TCase *tests = tcase_create("models_alexnet");
  tcase_add_checked_fixture(tests, graph_setup, graph_teardown);
  tcase_add_test(tests, alexnet_layers);
  tcase_add_test(tests, alexnet_names);
  tcase_add_test(tests, alexnet2012_layers);
  tcase_add_test(tests, cleo_layers);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
