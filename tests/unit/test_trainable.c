/* What trains: the words of a recipe, Keras's counting, and the boundary of what must run in every step. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/graph_checks.h"
#include "train/trainable.h"

static const char where[] = "r.yaml: field 'phases.1.train'";

static void mark(kohl_graph *graph, const char *train, const char *freeze, bool batch_norm) {
  kohl_status status = kohl_trainable_mark(graph_ctx, graph, train, freeze, batch_norm, where);
  ck_assert_msg(status == KOHL_OK, "%s: %s", train, kohl_context_error(graph_ctx));
}

/* Refused with a text that has `text`, and nothing was changed. */
static void refused(kohl_graph *graph, const char *train, const char *freeze, kohl_status expected, const char *text) {
  bool *before = malloc(graph->count * sizeof *before);
  for (size_t i = 0; i < graph->count; i++) before[i] = graph->nodes[i].trainable = i % 3 == 0;
  ck_assert_int_eq(kohl_trainable_mark(graph_ctx, graph, train, freeze, false, where), expected);
  const char *error = kohl_context_error(graph_ctx);
  ck_assert_msg(strstr(error, text) && !strncmp(error, where, sizeof where - 1), "'%s' without '%s'", error, text);
  for (size_t i = 0; i < graph->count; i++) ck_assert_int_eq(graph->nodes[i].trainable, before[i]);
  free(before);
}

/* The trainable layers of the base are exactly these, with blanks between, in the order of the graph. */
static void base_is(const kohl_graph *graph, const char *names) {
  char text[4096] = "";
  for (int i = 0; i <= graph->base_output; i++) {
    if (!graph->nodes[i].trainable) continue;
    if (*text) strcat(text, " ");
    strcat(text, graph->nodes[i].name);
  }
  ck_assert_str_eq(text, names);
  for (int i = graph->base_output + 1; i < (int)graph->count; i++) ck_assert(graph->nodes[i].trainable);
}

static size_t base_count(const kohl_graph *graph) {
  size_t count = 0;
  for (int i = 0; i <= graph->base_output; i++) count += graph->nodes[i].trainable;
  return count;
}

START_TEST(words) {
  kohl_graph *graph = graph_build("vgg19", NULL);
  mark(graph, "head", NULL, true);
  base_is(graph, "");
  mark(graph, "all", "", true);
  ck_assert(base_count(graph) == 21 && !graph->nodes[0].trainable);
  mark(graph, "last 4", NULL, true);
  base_is(graph, "block5_conv2 block5_conv3 block5_conv4 block5_pool");
  mark(graph, "last 21", NULL, true);
  ck_assert_uint_eq(base_count(graph), 21);
  mark(graph, "from block5_conv3", NULL, true);
  base_is(graph, "block5_conv3 block5_conv4 block5_pool");
  mark(graph, "block?_conv4, block1_*", NULL, true);
  base_is(graph, "block1_conv1 block1_conv2 block1_pool block3_conv4 block4_conv4 block5_conv4");
  mark(graph, "*k5*v4", NULL, true);
  base_is(graph, "block5_conv4");
  mark(graph, "from block5_conv1", "block5_conv?,block5_pool", true);
  base_is(graph, "");
  mark(graph, "last 2", "*_conv4,fc?", true);
  ck_assert(!graph_node(graph, "fc1")->trainable && !graph_node(graph, "fc2")->trainable);
  ck_assert(graph_node(graph, "predictions")->trainable && graph_node(graph, "block5_pool")->trainable);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

START_TEST(errors) {
  kohl_graph *graph = graph_build("vgg19", NULL);
  refused(graph, "last 22", NULL, KOHL_BAD_INPUT, "'last 22', expected 1 to 21");
  refused(graph, "last 99999999999999999999999", NULL, KOHL_BAD_INPUT, "expected head, all, last N, from LAYER");
  refused(graph, "last 0", NULL, KOHL_BAD_INPUT, "expected head, all, last N, from LAYER");
  refused(graph, "last -1", NULL, KOHL_BAD_INPUT, "expected head, all, last N, from LAYER");
  refused(graph, "last 4x", NULL, KOHL_BAD_INPUT, "expected head, all, last N, from LAYER");
  refused(graph, "last ", NULL, KOHL_BAD_INPUT, "expected head, all, last N, from LAYER");
  refused(graph, "", NULL, KOHL_BAD_INPUT, "'', expected head, all");
  refused(graph, "from blok5_conv1", NULL, KOHL_USAGE, "'blok5_conv1': the network has no layer");
  refused(graph, "from fc1", NULL, KOHL_BAD_INPUT, "a layer of the head");
  refused(graph, "block5_conv1,blok4_*", NULL, KOHL_USAGE, "'blok4_*': the network has no layer");
  refused(graph, "block5_conv1,", NULL, KOHL_BAD_INPUT, "names of layers between commas");
  refused(graph, "all", "bloc5*", KOHL_USAGE, "freeze 'bloc5*': the network has no layer");
  refused(graph, "head", "fc*,predictions", KOHL_BAD_INPUT, "'head' without fc*,predictions leaves no layer");
  graph->base_output = -1;
  refused(graph, "head", NULL, KOHL_BAD_INPUT, "the network has none");
  mark(graph, "last 1", NULL, true); /* the dense layer with its softmax */
  ck_assert(graph_node(graph, "probabilities")->trainable && graph_node(graph, "predictions")->trainable);
  ck_assert(!graph_node(graph, "fc2")->trainable);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* Model.layers of Keras's Inception-v3 without top: 311 with the input; 249 is where its manual unfreezes the two last
 * blocks.  It ends with activation_86 (of the 1x1 branch), mixed9_1, concatenate_1 (here _2), activation_94, mixed10;
 * before them, the last of depth 2 is batch_normalization_94. */
START_TEST(inception_as_keras) {
  kohl_graph *graph = graph_build("inception_v3", NULL);
  mark(graph, "last 310", NULL, true);
  ck_assert_uint_eq(base_count(graph), 310);
  refused(graph, "last 311", NULL, KOHL_BAD_INPUT, "expected 1 to 310");
  mark(graph, "last 62", NULL, true);
  int mixed8 = kohl_graph_find(graph, "mixed8");
  for (int i = 0; i <= graph->base_output; i++) ck_assert_int_eq(graph->nodes[i].trainable, i > mixed8);
  ck_assert_int_eq(kohl_trainable_boundary(graph), mixed8);
  mark(graph, "last 1", NULL, true);
  base_is(graph, "mixed10");
  mark(graph, "last 4", NULL, true);
  base_is(graph, "mixed9_1 concatenate_2 activation_94 mixed10");
  mark(graph, "last 6", NULL, true);
  base_is(graph, "activation_86 mixed9_1 concatenate_2 batch_normalization_94 activation_94 mixed10");
  mark(graph, "last 62", NULL, false);
  for (int i = 0; i <= graph->base_output; i++)
    ck_assert_int_eq(graph->nodes[i].trainable, i > mixed8 && graph->nodes[i].layer != KOHL_LAYER_batch_norm);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* Keras's ResNet-50 has 175 layers with the input and two paddings; its conv5_block1 ends with 0_conv, 3_conv, 0_bn,
 * 3_bn, add, out. */
START_TEST(resnet_as_keras) {
  kohl_graph *graph = graph_build("resnet50", NULL);
  mark(graph, "last 172", NULL, true);
  ck_assert_uint_eq(base_count(graph), 172);
  refused(graph, "last 173", NULL, KOHL_BAD_INPUT, "expected 1 to 172");
  mark(graph, "last 10", NULL, true);
  int before = kohl_graph_find(graph, "conv5_block2_out");
  for (int i = 0; i <= graph->base_output; i++) ck_assert_int_eq(graph->nodes[i].trainable, i > before);
  mark(graph, "last 25", "conv5_block2_*,conv5_block3_*", true);
  base_is(graph,
          "conv5_block1_0_bn conv5_block1_3_conv conv5_block1_3_bn conv5_block1_add "
          "conv5_block1_out");
  mark(graph, "last 26", "conv5_block2_*,conv5_block3_*", true);
  ck_assert(graph_node(graph, "conv5_block1_0_conv")->trainable && base_count(graph) == 6);
  /* The 168th layer from the end is the first behind pool1_pool: bounds of the header's note. */
  mark(graph, "last 168", NULL, true);
  ck_assert(!graph_node(graph, "pool1_pool")->trainable && graph_node(graph, "conv2_block1_1_conv")->trainable);
  mark(graph, "last 169", NULL, true);
  ck_assert(graph_node(graph, "pool1_pool")->trainable && !graph_node(graph, "conv1_relu")->trainable);
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* ReLUs of their own behind convolutions with bias: one layer with them, marked together. */
START_TEST(activations_of_their_own) {
  kohl_graph *graph = graph_build("squeezenet1_1", NULL);
  mark(graph, "last 2", NULL, true);
  base_is(graph, "fire9/expand3x3 fire9/relu_expand3x3 fire9/concat");
  mark(graph, "last 4", NULL, true);
  base_is(graph,
          "fire9/squeeze1x1 fire9/relu_squeeze1x1 fire9/expand1x1 fire9/relu_expand1x1 "
          "fire9/expand3x3 fire9/relu_expand3x3 fire9/concat");
  kohl_graph_destroy(graph_ctx, graph);
  /* Behind batch-norm and without bias they count themselves. */
  graph = graph_build("vgg19_bn", NULL);
  mark(graph, "last 3", NULL, true);
  base_is(graph, "block5_conv4_bn block5_conv4_relu block5_pool");
  kohl_graph_destroy(graph_ctx, graph);
}
END_TEST

/* Whether every way from before node c to the end leads through c, found by walking forward without it. */
static bool is_cut(const kohl_graph *graph, int c) {
  bool *around = calloc(graph->count, sizeof *around);
  for (int i = 0; i < (int)graph->count; i++) {
    around[i] = i < c;
    for (int j = 0; j < graph->nodes[i].input_count && i > c; j++) around[i] |= around[graph->nodes[i].inputs[j]];
  }
  bool cut = !around[graph->count - 1] || c == (int)graph->count - 1;
  free(around);
  return cut;
}

/* Both parts at c put together are the graph again. */
static void halves_join(const kohl_graph *graph, int c) {
  kohl_graph *whole, *rest;
  ck_assert_int_eq(kohl_graph_cut(graph_ctx, graph, c, NULL, &whole), KOHL_OK);
  ck_assert_int_eq(kohl_graph_rest(graph_ctx, graph, c, NULL, &rest), KOHL_OK);
  ck_assert_int_eq((int)whole->count, c + 1);
  ck_assert_int_eq(kohl_graph_append(graph_ctx, whole, c, rest), KOHL_OK);
  ck_assert_uint_eq(whole->count, graph->count);
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *a = &graph->nodes[i], *b = &whole->nodes[i];
    ck_assert_str_eq(a->name, b->name);
    ck_assert(a->shape.h == b->shape.h && a->shape.w == b->shape.w && a->shape.c == b->shape.c);
    ck_assert_int_eq(a->trainable, b->trainable);
    ck_assert_mem_eq(a->inputs, b->inputs, sizeof *a->inputs * (size_t)a->input_count);
  }
  kohl_graph_destroy(graph_ctx, rest);
  kohl_graph_destroy(graph_ctx, whole);
}

/* For each network and each layer with weights as the first that trains: the boundary is the last cut before it. */
START_TEST(boundaries) {
  static const char *const archs[] = {"vgg19",   "inception_v3", "resnet50", "squeezenet1_1",
                                      "alexnet", "cleo_small",   "vgg19_cam"};
  for (size_t a = 0; a < sizeof archs / sizeof archs[0]; a++) {
    kohl_graph *graph = graph_build(archs[a], NULL), *rest;
    int count = (int)graph->count, last = 0, joined = -1;
    for (int i = 0; i < count; i++) graph->nodes[i].trainable = false;
    ck_assert_int_eq(kohl_trainable_boundary(graph), count - 1);
    for (int c = 0; c < count; c++) {
      kohl_node *node = &graph->nodes[c];
      kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
      bool learns = node->layer == KOHL_LAYER_dropout || kohl_node_weights(graph, node, specs) > 0;
      if (learns) {
        node->trainable = true;
        if (c + 1 < count) graph->nodes[count - 1].trainable = true; /* has no weights: moves nothing */
        ck_assert_msg(kohl_trainable_boundary(graph) == last, "%s: the boundary of %s is %d, expected %d", archs[a],
                      node->name, kohl_trainable_boundary(graph), last);
        if (last != joined) halves_join(graph, last);
        joined = last;
        node->trainable = false;
      }
      if (is_cut(graph, c)) last = c;
      kohl_status status = kohl_graph_rest(graph_ctx, graph, c, NULL, &rest);
      ck_assert_msg(status == (last == c ? KOHL_OK : KOHL_USAGE), "%s: rest at %s", archs[a], node->name);
      kohl_graph_destroy(graph_ctx, rest);
    }
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

START_TEST(boundaries_of_phases) {
  static const struct {
    const char *arch, *train, *freeze, *boundary;
  } cases[] = {{"vgg19", "head", NULL, "flatten"},
               {"vgg19", "all", NULL, "input"},
               {"vgg19", "last 4", NULL, "block5_conv1"},
               {"vgg19", "head", "fc1", "fc1"},
               {"alexnet", "head", NULL, "flatten"}, /* not dropout_1, which must drop */
               {"alexnet", "head", "dropout_1", "dropout_1"},
               {"cleo_small", "head", NULL, "flatten"},
               {"cleo_small", "last 1", NULL, "block5_pool"}, /* a dropout of the base that was asked for */
               {"cleo_small", "last 3", NULL, "block4_dropout"},
               {"resnet50", "last 5", NULL, "conv5_block2_out"}, /* the shortcut leads around what is within a block */
               {"resnet50", "head", NULL, "avg_pool"},
               {"squeezenet1_1", "last 2", NULL, "fire9/relu_squeeze1x1"},
               {"squeezenet1_1", "last 1", NULL, "fire9/concat"},
               {"inception_v3", "last 1", NULL, "avg_pool"},
               {"inception_v3", "last 5", NULL, "avg_pool"},
               {"inception_v3", "last 6", NULL, "mixed9"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    kohl_graph *graph = graph_build(cases[i].arch, NULL);
    mark(graph, cases[i].train, cases[i].freeze, true);
    const char *name = graph->nodes[kohl_trainable_boundary(graph)].name;
    ck_assert_msg(!strcmp(name, cases[i].boundary), "%s, %s: %s, expected %s", cases[i].arch, cases[i].train, name,
                  cases[i].boundary);
    kohl_graph_destroy(graph_ctx, graph);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("trainable");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 60); /* the sanitizers are slow on large networks */
  tcase_add_checked_fixture(tcase, graph_setup, graph_teardown);
  tcase_add_test(tcase, words);
  tcase_add_test(tcase, errors);
  tcase_add_test(tcase, inception_as_keras);
  tcase_add_test(tcase, resnet_as_keras);
  tcase_add_test(tcase, activations_of_their_own);
  tcase_add_test(tcase, boundaries);
  tcase_add_test(tcase, boundaries_of_phases);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
