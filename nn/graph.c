/* Building, copying and cutting graphs. */
#include "nn/graph.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/fields.h"

static const struct {
  const char *name;
  int least, most;
} layers[] = {
#define LAYER(name, least, most, idea) {#name, least, most},
#include "nn/layers.def"
#undef LAYER
};

const char *kohl_layer_name(kohl_layer layer) { return layers[layer].name; }

kohl_params kohl_params_default(void) {
  kohl_params params;
  memset(&params, 0, sizeof params);
  for (int i = 0; i < 2; i++) params.kernel[i] = params.stride[i] = params.dilation[i] = params.output[i] = 1;
  for (int i = 0; i < 3; i++) params.size[i] = 1;
  params.groups = params.filters = 1;
  params.bias = params.gamma = params.beta = true;
  params.epsilon = 1e-3f;
  params.momentum = 0.99f;
  params.window = 5;
  params.lrn_alpha = 2e-5f; /* AlexNet 2012: alpha 1e-4 over a window of 5 */
  params.lrn_beta = 0.75f;
  params.lrn_bias = 2.0f;
  params.rate = 0.5f;
  return params;
}

kohl_status kohl_graph_create(kohl_context *ctx, const char *arch, kohl_graph **out) {
  kohl_graph *graph;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *graph, "a graph", &graph);
  if (status != KOHL_OK) return status;
  graph->base_output = -1;
  status = kohl_strdup(ctx, arch, &graph->arch);
  if (status != KOHL_OK)
    kohl_graph_destroy(ctx, graph);
  else
    *out = graph;
  return status;
}

void kohl_graph_destroy(kohl_context *ctx, kohl_graph *graph) {
  if (!graph) return;
  for (size_t i = 0; i < graph->count; i++) kohl_free(ctx, graph->nodes[i].name);
  kohl_free(ctx, graph->nodes);
  kohl_free(ctx, graph->arch);
  kohl_free(ctx, graph);
}

int kohl_graph_find(const kohl_graph *graph, const char *name) {
  for (size_t i = 0; i < graph->count; i++) {
    if (!strcmp(graph->nodes[i].name, name)) return (int)i;
  }
  return -1;
}

/* How many edits lead from a to b, cut off where it no longer helps; a guess for messages only. */
static int edits(const char *a, const char *b) {
  int row[KOHL_NAME_TEXT + 1], m = (int)strlen(b);
  if (m > KOHL_NAME_TEXT) return KOHL_NAME_TEXT;
  for (int j = 0; j <= m; j++) row[j] = j;
  for (int i = 1; *a; a++, i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= m; j++) {
      int least = diagonal + (*a != b[j - 1]);
      if (row[j] + 1 < least) least = row[j] + 1;
      if (row[j - 1] + 1 < least) least = row[j - 1] + 1;
      diagonal = row[j];
      row[j] = least;
    }
  }
  return row[m];
}

kohl_status kohl_graph_need(kohl_context *ctx, const kohl_graph *graph, const char *what, const char *name,
                            int *index) {
  *index = kohl_graph_find(graph, name);
  if (*index >= 0) return KOHL_OK;
  const char *nearest = "";
  int least = KOHL_NAME_TEXT + 1;
  for (size_t i = 0; i < graph->count && strlen(name) < KOHL_NAME_TEXT; i++) {
    int distance = edits(graph->nodes[i].name, name);
    if (distance < least) least = distance, nearest = graph->nodes[i].name;
  }
  return kohl_fail(ctx, KOHL_USAGE, "%s '%.*s': the network has no layer of that name; the nearest is '%s'%s%s%s", what,
                   KOHL_NAME_TEXT, name, nearest, graph->base_output >= 0 ? ", its features come from '" : "",
                   graph->base_output >= 0 ? graph->nodes[graph->base_output].name : "",
                   graph->base_output >= 0 ? "'" : "");
}

static kohl_status check_node(kohl_context *ctx, const kohl_graph *graph, kohl_layer layer, const char *name,
                              const int *inputs, int input_count) {
  if (!*name || strlen(name) >= KOHL_NAME_TEXT) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%.40s': the name has %zu bytes, expected 1 to %d", name, strlen(name),
                     KOHL_NAME_TEXT - 1);
  }
  if (kohl_graph_find(graph, name) >= 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s': two layers have this name", name);
  if (graph->count >= KOHL_GRAPH_NODES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s': the network has more than %d layers", name, KOHL_GRAPH_NODES);
  }
  if (input_count < layers[layer].least || input_count > layers[layer].most) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s' (%s): %d inputs, expected %d to %d", name, layers[layer].name,
                     input_count, layers[layer].least, layers[layer].most);
  }
  if ((layer == KOHL_LAYER_input) != (graph->count == 0)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s' (%s): expected one input layer, before all others", name,
                     layers[layer].name);
  }
  for (int i = 0; i < input_count; i++) {
    if (inputs[i] < 0 || (size_t)inputs[i] >= graph->count) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s': input %d is node %d, expected an earlier one", name, i,
                       inputs[i]);
    }
  }
  return KOHL_OK;
}

kohl_status kohl_graph_add(kohl_context *ctx, kohl_graph *graph, kohl_layer layer, const char *name,
                           const kohl_params *params, const int *inputs, int input_count, int *index) {
  kohl_status status = check_node(ctx, graph, layer, name, inputs, input_count);
  if (status == KOHL_OK) status = kohl_fields_check(ctx, name, layer, params);
  if (status == KOHL_OK) {
    status =
        kohl_grow(ctx, &graph->nodes, &graph->capacity, graph->count + 1, sizeof *graph->nodes, "the graph's layers");
  }
  if (status != KOHL_OK) return status;
  kohl_node *node = &graph->nodes[graph->count];
  memset(node, 0, sizeof *node);
  status = kohl_strdup(ctx, name, &node->name);
  if (status != KOHL_OK) return status;
  node->layer = layer;
  node->params = *params;
  node->trainable = true;
  node->input_count = input_count;
  for (int i = 0; i < input_count; i++) node->inputs[i] = inputs[i];
  if (index) *index = (int)graph->count;
  graph->count++;
  return KOHL_OK;
}

/* Copies a node into another graph, its inputs renamed by map. */
static kohl_status copy_node(kohl_context *ctx, kohl_graph *to, const kohl_node *node, int *map, int index) {
  int inputs[KOHL_NODE_INPUTS];
  for (int i = 0; i < node->input_count; i++) inputs[i] = map[node->inputs[i]];
  kohl_status status =
      kohl_graph_add(ctx, to, node->layer, node->name, &node->params, inputs, node->input_count, &map[index]);
  if (status == KOHL_OK) to->nodes[map[index]].trainable = node->trainable;
  return status;
}

/* needed[i]: node i lies on a way to `last`. */
static void mark_needed(const kohl_graph *graph, int last, int *needed) {
  for (size_t i = 0; i < graph->count; i++) needed[i] = 0;
  needed[last] = 1;
  for (int i = last; i >= 0; i--) {
    if (!needed[i]) continue;
    for (int j = 0; j < graph->nodes[i].input_count; j++) needed[graph->nodes[i].inputs[j]] = 1;
  }
}

/* needed[i]: node i lies on a way from `from` to an output, of which there may be several. */
static void mark_rest(const kohl_graph *graph, int from, int *needed) {
  for (size_t i = 0; i < graph->count; i++) {
    needed[i] = (int)i == from;
    for (int j = 0; j < graph->nodes[i].input_count; j++) needed[i] |= needed[graph->nodes[i].inputs[j]];
  }
  for (int i = (int)graph->count - 1; i > from; i--) {
    if (!needed[i]) continue;
    for (int j = 0; j < graph->nodes[i].input_count; j++) needed[graph->nodes[i].inputs[j]] = 1;
  }
}

/* The two kinds of cut share everything but how node `from` is copied: as itself, or as the input. */
static kohl_status copy_part(kohl_context *ctx, const kohl_graph *graph, int from, int last, int *map,
                             kohl_graph **out) {
  kohl_graph *part = NULL;
  int *own = NULL, *needed = NULL;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *needed, "a cut", &needed);
  if (status == KOHL_OK && !map) status = kohl_alloc(ctx, graph->count, sizeof *own, "a cut", &own);
  if (!map) map = own;
  if (status == KOHL_OK) status = kohl_graph_create(ctx, graph->arch, &part);
  if (status != KOHL_OK) goto end;
  if (from < 0) mark_needed(graph, last, needed);
  if (from >= 0) mark_rest(graph, from, needed);
  for (size_t i = 0; i < graph->count; i++) map[i] = -1;
  for (int i = 0; i <= last && status == KOHL_OK; i++) {
    const kohl_node *node = &graph->nodes[i];
    if (!needed[i]) continue;
    if (i == from) {
      kohl_params params = kohl_params_default();
      params.size[0] = node->shape.h;
      params.size[1] = node->shape.w;
      params.size[2] = node->shape.c;
      status = kohl_graph_add(ctx, part, KOHL_LAYER_input, node->name, &params, NULL, 0, &map[i]);
    } else if (i < from) {
      status = kohl_fail(ctx, KOHL_USAGE,
                         "layer '%s': a path leads around it (through '%s'), the network cannot be cut there",
                         graph->nodes[from].name, node->name);
    } else {
      status = copy_node(ctx, part, node, map, i);
    }
  }
  if (status == KOHL_OK) {
    if (graph->base_output >= 0) part->base_output = map[graph->base_output];
    status = kohl_graph_infer(ctx, part);
  }
end:
  if (status == KOHL_OK)
    *out = part;
  else
    kohl_graph_destroy(ctx, part);
  kohl_free(ctx, own);
  kohl_free(ctx, needed);
  return status;
}

kohl_status kohl_graph_cut(kohl_context *ctx, const kohl_graph *graph, int last, int *map, kohl_graph **out) {
  return copy_part(ctx, graph, -1, last, map, out);
}

kohl_status kohl_graph_rest(kohl_context *ctx, const kohl_graph *graph, int from, int *map, kohl_graph **out) {
  return copy_part(ctx, graph, from, (int)graph->count - 1, map, out);
}

kohl_status kohl_graph_append(kohl_context *ctx, kohl_graph *graph, int at, const kohl_graph *tail) {
  int *map;
  kohl_status status = kohl_alloc(ctx, tail->count, sizeof *map, "an appended head", &map);
  if (status != KOHL_OK) return status;
  map[0] = at;
  for (size_t i = 1; i < tail->count && status == KOHL_OK; i++)
    status = copy_node(ctx, graph, &tail->nodes[i], map, (int)i);
  kohl_free(ctx, map);
  if (status == KOHL_OK) status = kohl_graph_infer(ctx, graph);
  if (status == KOHL_OK) graph->base_output = at;
  return status;
}
