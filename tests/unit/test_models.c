/* The networks that came first, and the list of all, against published totals, layer tables and sizes. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/graph_checks.h"

/* Totals stated by Keras and torchvision for the published files. */
START_TEST(parameter_totals) {
  static const struct {
    const char *arch;
    int classes;
    bool gamma;
    size_t total;
  } cases[] = {
      {"vgg16", 1000, false, 138357544},
      {"vgg19", 1000, false, 143667240},
      {"vgg16", 0, false, 14714688},
      {"vgg19", 0, false, 20024384},
      {"inception_v3", 0, false, 21802784},
      {"inception_v3", 1000, false, 23851784},
      {"inception_v3", 1000, true, 23869000},
      {"squeezenet1_1", 1000, false, 1235496},
      {"squeezenet1_1", 0, false, 1235496 - 513000},
      {"vgg16_bn", 1000, true, 138365992 + 2 * 4224}, /* torchvision's total has no running statistics */
      {"vgg19_bn", 1000, true, 143678248 + 2 * 5504},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    kohl_arch_options options = kohl_arch_options_default(cases[i].arch);
    options.classes = cases[i].classes;
    options.gamma = cases[i].gamma;
    kohl_graph *graph = graph_build(cases[i].arch, &options);
    ck_assert_msg(graph_parameters(graph, true) == cases[i].total, "%s with %d classes: %zu parameters, expected %zu",
                  cases[i].arch, cases[i].classes, graph_parameters(graph, true), cases[i].total);
    ck_assert_int_eq(graph->base_output >= 0, cases[i].classes > 0);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

/* The 94 convolutions in creation order: rows, columns, input and output channels, stride, valid or same. */
static const struct {
  int rows, columns, in, out, stride;
  char padding;
} convs[94] = {
    {3, 3, 3, 32, 2, 'v'},     {3, 3, 32, 32, 1, 'v'},    {3, 3, 32, 64, 1, 's'},    {1, 1, 64, 80, 1, 'v'},
    {3, 3, 80, 192, 1, 'v'},   {1, 1, 192, 64, 1, 's'},   {1, 1, 192, 48, 1, 's'},   {5, 5, 48, 64, 1, 's'},
    {1, 1, 192, 64, 1, 's'},   {3, 3, 64, 96, 1, 's'},    {3, 3, 96, 96, 1, 's'},    {1, 1, 192, 32, 1, 's'},
    {1, 1, 256, 64, 1, 's'},   {1, 1, 256, 48, 1, 's'},   {5, 5, 48, 64, 1, 's'},    {1, 1, 256, 64, 1, 's'},
    {3, 3, 64, 96, 1, 's'},    {3, 3, 96, 96, 1, 's'},    {1, 1, 256, 64, 1, 's'},   {1, 1, 288, 64, 1, 's'},
    {1, 1, 288, 48, 1, 's'},   {5, 5, 48, 64, 1, 's'},    {1, 1, 288, 64, 1, 's'},   {3, 3, 64, 96, 1, 's'},
    {3, 3, 96, 96, 1, 's'},    {1, 1, 288, 64, 1, 's'},   {3, 3, 288, 384, 2, 'v'},  {1, 1, 288, 64, 1, 's'},
    {3, 3, 64, 96, 1, 's'},    {3, 3, 96, 96, 2, 'v'},    {1, 1, 768, 192, 1, 's'},  {1, 1, 768, 128, 1, 's'},
    {1, 7, 128, 128, 1, 's'},  {7, 1, 128, 192, 1, 's'},  {1, 1, 768, 128, 1, 's'},  {7, 1, 128, 128, 1, 's'},
    {1, 7, 128, 128, 1, 's'},  {7, 1, 128, 128, 1, 's'},  {1, 7, 128, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},
    {1, 1, 768, 192, 1, 's'},  {1, 1, 768, 160, 1, 's'},  {1, 7, 160, 160, 1, 's'},  {7, 1, 160, 192, 1, 's'},
    {1, 1, 768, 160, 1, 's'},  {7, 1, 160, 160, 1, 's'},  {1, 7, 160, 160, 1, 's'},  {7, 1, 160, 160, 1, 's'},
    {1, 7, 160, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},  {1, 1, 768, 160, 1, 's'},
    {1, 7, 160, 160, 1, 's'},  {7, 1, 160, 192, 1, 's'},  {1, 1, 768, 160, 1, 's'},  {7, 1, 160, 160, 1, 's'},
    {1, 7, 160, 160, 1, 's'},  {7, 1, 160, 160, 1, 's'},  {1, 7, 160, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},
    {1, 1, 768, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},  {1, 7, 192, 192, 1, 's'},  {7, 1, 192, 192, 1, 's'},
    {1, 1, 768, 192, 1, 's'},  {7, 1, 192, 192, 1, 's'},  {1, 7, 192, 192, 1, 's'},  {7, 1, 192, 192, 1, 's'},
    {1, 7, 192, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},  {1, 1, 768, 192, 1, 's'},  {3, 3, 192, 320, 2, 'v'},
    {1, 1, 768, 192, 1, 's'},  {1, 7, 192, 192, 1, 's'},  {7, 1, 192, 192, 1, 's'},  {3, 3, 192, 192, 2, 'v'},
    {1, 1, 1280, 320, 1, 's'}, {1, 1, 1280, 384, 1, 's'}, {1, 3, 384, 384, 1, 's'},  {3, 1, 384, 384, 1, 's'},
    {1, 1, 1280, 448, 1, 's'}, {3, 3, 448, 384, 1, 's'},  {1, 3, 384, 384, 1, 's'},  {3, 1, 384, 384, 1, 's'},
    {1, 1, 1280, 192, 1, 's'}, {1, 1, 2048, 320, 1, 's'}, {1, 1, 2048, 384, 1, 's'}, {1, 3, 384, 384, 1, 's'},
    {3, 1, 384, 384, 1, 's'},  {1, 1, 2048, 448, 1, 's'}, {3, 3, 448, 384, 1, 's'},  {1, 3, 384, 384, 1, 's'},
    {3, 1, 384, 384, 1, 's'},  {1, 1, 2048, 192, 1, 's'}};

START_TEST(inception_convs) {
  kohl_graph *graph = graph_build("inception_v3", NULL);
  int found = 0;
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *n = &graph->nodes[i];
    if (n->layer != KOHL_LAYER_conv2d) continue;
    char name[32];
    snprintf(name, sizeof name, "conv2d_%d", found + 1);
    ck_assert_str_eq(n->name, name);
    ck_assert_int_lt(found, 94);
    ck_assert_int_eq(n->params.kernel[0], convs[found].rows);
    ck_assert_int_eq(n->params.kernel[1], convs[found].columns);
    ck_assert_int_eq(graph->nodes[n->inputs[0]].shape.c, convs[found].in);
    ck_assert_int_eq(n->params.filters, convs[found].out);
    ck_assert_int_eq(n->params.stride[0], convs[found].stride);
    ck_assert_int_eq(n->params.stride[1], convs[found].stride);
    ck_assert_int_eq(n->params.padding, convs[found].padding == 'v' ? KOHL_PADDING_VALID : KOHL_PADDING_SAME_UPPER);
    ck_assert(!n->params.bias);
    ck_assert_int_eq(n->params.activation, KOHL_ACTIVATION_NONE);
    found++;
  }
  ck_assert_int_eq(found, 94);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(inception_shapes) {
  kohl_graph *graph = graph_build("inception_v3", NULL);
  static const struct {
    const char *name;
    int side, c;
  } mixed[] = {{"mixed0", 35, 256}, {"mixed1", 35, 288}, {"mixed2", 35, 288},  {"mixed3", 17, 768},
               {"mixed4", 17, 768}, {"mixed5", 17, 768}, {"mixed6", 17, 768},  {"mixed7", 17, 768},
               {"mixed8", 8, 1280}, {"mixed9", 8, 2048}, {"mixed10", 8, 2048}, {"max_pooling2d_2", 35, 192}};
  for (size_t i = 0; i < sizeof mixed / sizeof mixed[0]; i++)
    graph_shape(graph, mixed[i].name, mixed[i].side, mixed[i].side, mixed[i].c);
  graph_shape(graph, "avg_pool", 1, 1, 2048);
  graph_shape(graph, "probabilities", 1, 1, 1000);
  graph_inputs(graph, "mixed0", "activation_6 activation_8 activation_11 activation_12");
  graph_inputs(graph, "mixed3", "activation_27 activation_30 max_pooling2d_3");
  graph_inputs(graph, "mixed8", "activation_72 activation_76 max_pooling2d_4");
  graph_inputs(graph, "mixed9_0", "activation_79 activation_80");
  graph_inputs(graph, "concatenate_1", "activation_83 activation_84");
  graph_inputs(graph, "mixed9", "activation_77 mixed9_0 concatenate_1 activation_85");
  graph_inputs(graph, "mixed10", "activation_86 mixed9_1 concatenate_2 activation_94");
  graph_inputs(graph, "average_pooling2d_9", "mixed9");
  graph_inputs(graph, "conv2d_42", "mixed4");
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "mixed10");
  ck_assert_int_eq(kohl_graph_find(graph, "average_pooling2d_10"), -1);
  ck_assert(!graph_node(graph, "batch_normalization_94")->params.gamma);
  ck_assert(graph_node(graph, "batch_normalization_94")->params.epsilon == 1e-3f);
  ck_assert(!graph_node(graph, "average_pooling2d_1")->params.count_padding);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(inception_options) {
  kohl_arch_options options = kohl_arch_options_default("inception_v3");
  options.classes = 5;
  options.count_padding = options.gamma = true;
  options.epsilon = 1e-5f;
  options.head_count = 2;
  options.head_widths[0] = 256;
  options.head_widths[1] = 128;
  options.head_rates[0] = 0.5f;
  options.head_rates[1] = 0.25f;
  kohl_graph *graph = graph_build("inception_v3", &options);
  /* The base (with gamma) and the three dense layers. */
  ck_assert_uint_eq(graph_parameters(graph, true), 21802784 + 17216 + 558085);
  graph_inputs(graph, "dense_1", "avg_pool");
  graph_inputs(graph, "dropout_1", "dense_1");
  graph_inputs(graph, "dense_2", "dropout_1");
  graph_inputs(graph, "dense_3", "dropout_2");
  graph_inputs(graph, "probabilities", "dense_3");
  ck_assert_int_eq(graph_node(graph, "dense_2")->params.activation, KOHL_ACTIVATION_RELU);
  ck_assert_int_eq(graph_node(graph, "dense_3")->params.activation, KOHL_ACTIVATION_NONE);
  ck_assert(graph_node(graph, "dropout_2")->params.rate == 0.25f);
  ck_assert(graph_node(graph, "average_pooling2d_9")->params.count_padding);
  ck_assert(graph_node(graph, "batch_normalization_1")->params.epsilon == 1e-5f);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(vgg_layers) {
  kohl_graph *graph = graph_build("vgg19", NULL);
  graph_shape(graph, "block1_pool", 112, 112, 64);
  graph_shape(graph, "block3_conv4", 56, 56, 256);
  graph_shape(graph, "block5_pool", 7, 7, 512);
  graph_shape(graph, "flatten", 1, 1, 25088);
  graph_shape(graph, "probabilities", 1, 1, 1000);
  graph_inputs(graph, "block5_pool", "block5_conv4");
  ck_assert_int_eq(graph_node(graph, "fc2")->params.activation, KOHL_ACTIVATION_RELU);
  ck_assert_int_eq(graph_node(graph, "predictions")->params.activation, KOHL_ACTIVATION_NONE);
  ck_assert_int_eq(graph_node(graph, "block1_conv1")->params.activation, KOHL_ACTIVATION_RELU);
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "block5_pool");
  ck_assert_str_eq(graph->nodes[0].name, "input");
  kohl_graph_destroy(graph_ctx, graph);
  kohl_arch_options options = kohl_arch_options_default("vgg16");
  options.classes = 0;
  options.height = 64;
  options.width = 96;
  graph = graph_build("vgg16", &options);
  ck_assert_str_eq(graph->nodes[graph->count - 1].name, "block5_pool");
  graph_shape(graph, "block5_pool", 2, 3, 512);
  ck_assert_int_eq(kohl_graph_find(graph, "block3_conv4"), -1);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(vgg_bn_layers) {
  kohl_graph *graph = graph_build("vgg19_bn", NULL);
  ck_assert_uint_eq(graph_parameters(graph, false), 143678248);
  ck_assert(fabs(graph_products(graph) / 1e9 - 19.632) < 1e-3); /* torchvision */
  graph_inputs(graph, "block1_conv1_bn", "block1_conv1");
  graph_inputs(graph, "block1_conv2", "block1_conv1_relu");
  graph_inputs(graph, "block5_pool", "block5_conv4_relu");
  graph_inputs(graph, "flatten", "adaptive_pool");
  graph_inputs(graph, "fc2", "dropout_1");
  ck_assert(graph_node(graph, "block3_conv1")->params.bias);
  ck_assert_int_eq(graph_node(graph, "block3_conv1")->params.activation, KOHL_ACTIVATION_NONE);
  ck_assert(graph_node(graph, "block3_conv1_bn")->params.epsilon == 1e-5f);
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "block5_pool");
  kohl_graph_destroy(graph_ctx, graph);
  kohl_arch_options options = kohl_arch_options_default("vgg16_bn");
  options.height = 100;
  options.width = 300;
  graph = graph_build("vgg16_bn", &options); /* any size has the same weights */
  ck_assert_uint_eq(graph_parameters(graph, false), 138365992);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* features.N counts convolutions, norms, relus and pools; classifier.N dense layers, relus and dropouts. */
static bool rename_vgg19_bn(const char *torch, char layer[64]) {
  static const int counts[5] = {2, 2, 4, 4, 4};
  int number, at = 0;
  if (sscanf(torch, "classifier.%d", &number) == 1) {
    snprintf(layer, 64, "%s", number == 0 ? "fc1" : number == 3 ? "fc2" : "predictions");
    return number == 0 || number == 3 || number == 6;
  }
  if (sscanf(torch, "features.%d", &number) != 1) return false;
  for (int block = 0; block < 5; block++, at++) {
    for (int i = 0; i < counts[block]; i++, at += 3) {
      if (number != at && number != at + 1) continue;
      snprintf(layer, 64, "block%d_conv%d%s", block + 1, i + 1, number == at ? "" : "_bn");
      return true;
    }
  }
  return false;
}

START_TEST(vgg_bn_names) {
  kohl_graph *graph = graph_build("vgg19_bn", NULL);
  graph_matches_state_dict(graph, "../shared/data/names/torchvision_vgg19_bn_state_dict_shapes.json", rename_vgg19_bn);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(vgg_cam_layers) {
  kohl_graph *graph = graph_build("vgg19_cam", NULL);
  graph_shape(graph, "block5_conv3", 14, 14, 512);
  graph_shape(graph, "cam_conv", 14, 14, 1024);
  graph_shape(graph, "avg_pool", 1, 1, 1024);
  graph_shape(graph, "probabilities", 1, 1, 2);
  graph_inputs(graph, "cam_conv", "block5_conv3");
  graph_inputs(graph, "predictions", "avg_pool");
  ck_assert_int_eq(kohl_graph_find(graph, "block5_conv4"), -1);
  ck_assert_int_eq(kohl_graph_find(graph, "block5_pool"), -1);
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "block5_conv3");
  /* vgg19's convolutions less block5_conv4, then 1,024 filters of 3x3x512 and two classes. */
  ck_assert_uint_eq(graph_parameters(graph, true), 20024384 - 2359808 + 4719616 + 2050);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(vgg_cleo_layers) {
  kohl_graph *graph = graph_build("vgg19_cleo", NULL);
  graph_shape(graph, "block5_pool", 4, 4, 512);
  graph_shape(graph, "fc1", 1, 1, 256);
  graph_shape(graph, "probabilities", 1, 1, 23);
  graph_inputs(graph, "predictions", "dropout");
  ck_assert(graph_node(graph, "dropout")->params.rate == 0.4f);
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "block5_pool");
  ck_assert_uint_eq(graph_parameters(graph, true), 20024384 + (8192 * 256 + 256) + (256 * 23 + 23));
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(squeezenet_layers) {
  kohl_graph *graph = graph_build("squeezenet1_1", NULL);
  graph_shape(graph, "relu_conv1", 113, 113, 64);
  graph_shape(graph, "pool1", 56, 56, 64);
  graph_shape(graph, "pool3", 27, 27, 128);
  graph_shape(graph, "pool5", 13, 13, 256);
  graph_shape(graph, "fire9/concat", 13, 13, 512);
  graph_shape(graph, "loss", 1, 1, 1000);
  graph_inputs(graph, "fire2/concat", "fire2/relu_expand1x1 fire2/relu_expand3x3");
  graph_inputs(graph, "fire2/expand3x3", "fire2/relu_squeeze1x1");
  graph_inputs(graph, "conv10", "drop9");
  graph_inputs(graph, "global_average_pooling2d_1", "relu_conv10");
  ck_assert_str_eq(graph->nodes[graph->base_output].name, "fire9/concat");
  kohl_graph_destroy(graph_ctx, graph);
  kohl_arch_options options = kohl_arch_options_default("squeezenet1_1");
  options.height = options.width = 224;
  options.ceil_pools = true; /* torchvision at 224: 111, 55, 27, 13; without ceil the last one would be 13 as well */
  graph = graph_build("squeezenet1_1", &options);
  graph_shape(graph, "pool1", 55, 55, 64);
  graph_shape(graph, "pool3", 27, 27, 128);
  graph_shape(graph, "pool5", 13, 13, 256);
  ck_assert(graph_node(graph, "pool1")->params.ceil);
  kohl_graph_destroy(graph_ctx, graph);
  options.height = options.width = 225; /* conv1 112; ceil 56, 28, 14 where rounding down gives 55, 27, 13 */
  graph = graph_build("squeezenet1_1", &options);
  graph_shape(graph, "pool5", 14, 14, 256);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(smallest_sizes) {
  graph_smallest("vgg19", 32, "block5_pool");
  graph_smallest("vgg19_bn", 32, "block5_pool");
  graph_smallest("vgg19_cam", 16, "block4_pool");
  graph_smallest("inception_v3", 75, "conv2d_72");
  graph_smallest("squeezenet1_1", 31, "pool5");
}
END_TEST

START_TEST(refused_options) {
  graph_refused("vgg13", NULL, KOHL_USAGE,
                "unknown architecture 'vgg13', expected one of vgg16, vgg19, inception_v3, squeezenet1_1, vgg16_bn, ");
  kohl_arch_options options = kohl_arch_options_default("inception_v3");
  options.classes = -1;
  graph_refused("inception_v3", &options, KOHL_USAGE, "option classes: value -1");
  options = kohl_arch_options_default("inception_v3");
  options.head_count = KOHL_HEAD_LAYERS + 1;
  graph_refused("inception_v3", &options, KOHL_USAGE, "option head_count: value 5");
  options.head_count = 1;
  graph_refused("inception_v3", &options, KOHL_BAD_INPUT, "layer 'dense_1'");
  options = kohl_arch_options_default("vgg16");
  options.width = -3;
  graph_refused("vgg16", &options, KOHL_USAGE, "option size: value 0x-3");
}
END_TEST

START_TEST(the_list) {
  size_t count = 0;
  for (const kohl_arch *arch; (arch = kohl_arch_at(count)); count++) {
    const kohl_arch *found;
    ck_assert_int_eq(kohl_arch_find(graph_ctx, arch->name, &found), KOHL_OK);
    ck_assert_ptr_eq(found, arch);
    kohl_graph *graph = graph_build(arch->name, NULL);
    ck_assert_str_eq(graph->arch, arch->name);
    ck_assert_int_eq(graph->nodes[0].shape.h, arch->size);
    const kohl_node *last = &graph->nodes[graph->count - 1];
    ck_assert_int_eq(last->layer, arch->options.sigmoid ? KOHL_LAYER_sigmoid : KOHL_LAYER_softmax);
    ck_assert_int_eq(last->shape.c, arch->options.classes);
    ck_assert_int_ge(graph->base_output, 0);
    kohl_graph_destroy(graph_ctx, graph);
  }
  ck_assert_uint_ge(count, 15);
}
END_TEST

/* Every network has one as its output; the head that precedes it stays. */
START_TEST(sigmoid_outputs) {
  for (size_t i = 0; kohl_arch_at(i); i++) {
    kohl_arch_options options = kohl_arch_at(i)->options;
    options.sigmoid = true;
    options.classes = 7;
    kohl_graph *graph = graph_build(kohl_arch_at(i)->name, &options);
    ck_assert_int_eq(graph->nodes[graph->count - 1].layer, KOHL_LAYER_sigmoid);
    ck_assert_int_eq(graph->nodes[graph->count - 1].shape.c, 7);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("models");
  TCase *tests = tcase_create("models");
  tcase_add_checked_fixture(tests, graph_setup, graph_teardown);
  tcase_add_test(tests, parameter_totals);
  tcase_add_test(tests, inception_convs);
  tcase_add_test(tests, inception_shapes);
  tcase_add_test(tests, inception_options);
  tcase_add_test(tests, vgg_layers);
  tcase_add_test(tests, vgg_bn_layers);
  tcase_add_test(tests, vgg_bn_names);
  tcase_add_test(tests, vgg_cam_layers);
  tcase_add_test(tests, vgg_cleo_layers);
  tcase_add_test(tests, squeezenet_layers);
  tcase_add_test(tests, smallest_sizes);
  tcase_add_test(tests, refused_options);
  tcase_add_test(tests, the_list);
  tcase_add_test(tests, sigmoid_outputs);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failures = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failures != 0;
}
