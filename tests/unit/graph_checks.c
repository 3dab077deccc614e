/* Checks on graphs; see graph_checks.h. */
#include "tests/unit/graph_checks.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kohl_context *graph_ctx;

void graph_setup(void) { ck_assert_int_eq(kohl_context_create(NULL, &graph_ctx), KOHL_OK); }
void graph_teardown(void) { kohl_context_destroy(graph_ctx); }

kohl_graph *graph_build(const char *arch, const kohl_arch_options *options) {
  kohl_graph *graph;
  kohl_status status = kohl_arch_build(graph_ctx, arch, options, &graph);
  ck_assert_msg(status == KOHL_OK, "%s: %s", arch, kohl_context_error(graph_ctx));
  return graph;
}

void graph_refused(const char *arch, const kohl_arch_options *options, kohl_status status, const char *text) {
  kohl_graph *graph = (kohl_graph *)&graph;
  ck_assert_int_eq(kohl_arch_build(graph_ctx, arch, options, &graph), status);
  ck_assert_ptr_null(graph);
  const char *error = kohl_context_error(graph_ctx);
  ck_assert_msg(strstr(error, text), "'%s' does not contain '%s'", error, text);
}

void graph_smallest(const char *arch, int side, const char *layer) {
  kohl_arch_options options = kohl_arch_options_default(arch);
  options.classes = 0;
  options.height = options.width = side;
  kohl_graph_destroy(graph_ctx, graph_build(arch, &options));
  options.width--;
  graph_refused(arch, &options, KOHL_BAD_INPUT, layer);
}

size_t graph_parameters(const kohl_graph *graph, bool running) {
  size_t total = 0;
  for (size_t i = 0; i < graph->count; i++) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    int count = kohl_node_weights(graph, &graph->nodes[i], specs);
    for (int k = 0; k < count; k++) {
      bool statistic = !strcmp(specs[k].suffix, "mean") || !strcmp(specs[k].suffix, "variance");
      if (running || !statistic) total += specs[k].count;
    }
  }
  return total;
}

double graph_products(const kohl_graph *graph) {
  double total = 0;
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *n = &graph->nodes[i];
    if (n->layer != KOHL_LAYER_conv2d && n->layer != KOHL_LAYER_dense) continue;
    double per_output = graph->nodes[n->inputs[0]].shape.c;
    if (n->layer == KOHL_LAYER_conv2d)
      per_output *= n->params.kernel[0] * n->params.kernel[1] / (double)n->params.groups;
    total += per_output * n->shape.h * n->shape.w * n->shape.c;
  }
  return total;
}

const kohl_node *graph_node(const kohl_graph *graph, const char *name) {
  int index = kohl_graph_find(graph, name);
  ck_assert_msg(index >= 0, "no layer %s", name);
  return &graph->nodes[index];
}

void graph_shape(const kohl_graph *graph, const char *name, int h, int w, int c) {
  kohl_shape shape = graph_node(graph, name)->shape;
  ck_assert_msg(shape.h == h && shape.w == w && shape.c == c, "%s is %dx%dx%d, expected %dx%dx%d", name, shape.h,
                shape.w, shape.c, h, w, c);
}

void graph_inputs(const kohl_graph *graph, const char *name, const char *inputs) {
  char text[256] = "";
  const kohl_node *n = graph_node(graph, name);
  for (int i = 0; i < n->input_count; i++) {
    if (i) strcat(text, " ");
    strcat(text, graph->nodes[n->inputs[i]].name);
  }
  ck_assert_str_eq(text, inputs);
}

/* Our word for the last word of a state dict's key; NULL for what we do not keep. */
static const char *suffix_of(const char *word, bool norm) {
  if (!strcmp(word, "running_mean")) return "mean";
  if (!strcmp(word, "running_var")) return "variance";
  if (!strcmp(word, "num_batches_tracked")) return NULL;
  if (!strcmp(word, "weight")) return norm ? "gamma" : "weight";
  ck_assert_str_eq(word, "bias");
  return norm ? "beta" : "bias";
}

/* PyTorch has k,c,r,s where we have k,r,s,c. */
static void expect_tensor(const kohl_graph *graph, const char *layer, const char *word, const int64_t shape[4]) {
  const kohl_node *node = graph_node(graph, layer);
  const char *suffix = suffix_of(word, node->layer == KOHL_LAYER_batch_norm);
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  int count = kohl_node_weights(graph, node, specs), i = 0;
  while (i < count && strcmp(specs[i].suffix, suffix) != 0) i++;
  ck_assert_msg(i < count, "%s has no %s", layer, suffix);
  const int64_t *own = specs[i].shape;
  int64_t torch[4] = {own[0], own[1], own[2], own[3]};
  if (specs[i].dims == 4) torch[1] = own[3], torch[2] = own[1], torch[3] = own[2];
  for (int d = 0; d < specs[i].dims; d++)
    ck_assert_msg(shape[d] == torch[d], "%s.%s: side %d is %lld, expected %lld", layer, suffix, d, (long long)torch[d],
                  (long long)shape[d]);
  ck_assert_msg(specs[i].dims == 4 || shape[specs[i].dims] == 0, "%s.%s has other axes", layer, suffix);
}

static char *read_file(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  enum { MOST = 1 << 20 };
  char *text = malloc(MOST);
  ck_assert_ptr_nonnull(text);
  *length = fread(text, 1, MOST, file);
  ck_assert_uint_lt(*length, MOST);
  fclose(file);
  return text;
}

bool graph_matches_state_dict(const kohl_graph *graph, const char *path, graph_rename *rename) {
  size_t length, found = 0, expected = 0;
  char *text = read_file(path, &length);
  if (!text) {
    printf("skipped: %s is absent\n", path);
    return false;
  }
  kohl_json json;
  kohl_json_open(&json, graph_ctx, text, length);
  ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN), KOHL_OK);
  while (kohl_json_next(&json) == KOHL_JSON_KEY) {
    char *key, layer[64];
    int64_t shape[5] = {0};
    ck_assert_int_eq(kohl_json_copy_text(&json, &key), KOHL_OK);
    ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_ARRAY_BEGIN), KOHL_OK);
    for (int d = 0; d < 4 && kohl_json_next(&json) == KOHL_JSON_NUMBER_VALUE; d++)
      ck_assert_int_eq(kohl_json_get_int64(&json, &shape[d]), KOHL_OK);
    if (json.event != KOHL_JSON_ARRAY_END) ck_assert_int_eq(kohl_json_expect(&json, KOHL_JSON_ARRAY_END), KOHL_OK);
    char *word = strrchr(key, '.');
    ck_assert_ptr_nonnull(word);
    *word++ = 0;
    ck_assert_msg(rename(key, layer), "no layer for '%s'", key);
    if (strcmp(word, "num_batches_tracked") != 0) {
      expect_tensor(graph, layer, word, shape);
      found++;
    }
    kohl_free(graph_ctx, key);
  }
  ck_assert_int_eq(json.event, KOHL_JSON_OBJECT_END);
  kohl_json_close(&json);
  free(text);
  for (size_t i = 0; i < graph->count; i++) {
    kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
    expected += (size_t)kohl_node_weights(graph, &graph->nodes[i], specs);
  }
  ck_assert_uint_eq(found, expected); /* the keys of an object differ, so that each weight was met once */
  return true;
}
