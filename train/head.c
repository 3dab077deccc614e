/* Cutting the base, building the head, and putting it on the base. */
#include "train/head.h"

#include <stdio.h>
#include <string.h>

typedef struct builder {
  kohl_context *ctx;
  const kohl_graph *base;
  kohl_graph *graph;
  int last;         /* the node to build on */
  const char *name; /* of the head; "": the only one */
} builder;

/* The node after which the recipe cuts. */
static kohl_status find_cut(kohl_context *ctx, const kohl_recipe *recipe, const kohl_model *source, int *cut) {
  const kohl_graph *graph = source->graph;
  if (recipe->base.at[0]) return kohl_graph_need(ctx, graph, "base.at", recipe->base.at, cut);
  *cut = graph->base_output;
  if (*cut >= 0) return KOHL_OK;
  *cut = (int)graph->count - 1;
  if (source->task == KOHL_TASK_NONE) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: does not say where its head begins, expected base.at in the recipe",
                   source->path);
}

/* Sets the picture size of the graph's input, which must be the only one and of three channels. */
static kohl_status set_size(kohl_context *ctx, const kohl_model *source, kohl_graph *graph, int size) {
  int inputs = 0;
  for (size_t i = 0; i < graph->count; i++) {
    kohl_node *node = &graph->nodes[i];
    node->trainable = false;
    if (node->layer != KOHL_LAYER_input) continue;
    if (inputs++ || node->params.size[2] != 3) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s' (input): %d channels, expected one input of 3",
                       source->path, node->name, node->params.size[2]);
    }
    if (size) node->params.size[0] = node->params.size[1] = size;
  }
  return KOHL_OK;
}

/* The pool that all heads begin with; -1: they differ. */
static int common_pool(const kohl_recipe *recipe) {
  for (int h = 1; h < recipe->head_count; h++) {
    if (recipe->heads[h].head.pool != recipe->heads[0].head.pool) return -1;
  }
  return recipe->heads[0].head.pool;
}

static kohl_layer pool_layer(int pool) {
  return pool == KOHL_HEAD_GLOBAL_AVG ? KOHL_LAYER_global_avg_pool : KOHL_LAYER_global_max_pool;
}

static kohl_status build_base(kohl_context *ctx, const kohl_recipe *recipe, const kohl_model *source, int cut,
                              kohl_graph **out) {
  kohl_status status = kohl_graph_cut(ctx, source->graph, cut, NULL, out);
  if (status != KOHL_OK) return status;
  kohl_graph *graph = *out;
  int last = (int)graph->count - 1;
  status = set_size(ctx, source, graph, (int)recipe->pictures.size);
  const int pool = common_pool(recipe);
  if (status == KOHL_OK && pool > KOHL_HEAD_FLATTEN) {
    kohl_params plain = kohl_params_default();
    char name[32] = "head_pool";
    for (int i = 2; kohl_graph_find(graph, name) >= 0; i++) snprintf(name, sizeof name, "head%d_pool", i);
    status = kohl_graph_add(ctx, graph, pool_layer(pool), name, &plain, &last, 1, NULL);
  }
  graph->base_output = last;
  return status == KOHL_OK ? kohl_graph_infer(ctx, graph) : status;
}

kohl_status kohl_base_create(kohl_context *ctx, const kohl_recipe *recipe, const kohl_model *source, kohl_model **out) {
  int cut;
  kohl_graph *graph = NULL;
  *out = NULL;
  kohl_status status = find_cut(ctx, recipe, source, &cut);
  if (status == KOHL_OK) status = build_base(ctx, recipe, source, cut, &graph);
  if (status == KOHL_OK) return kohl_model_assemble(ctx, graph, source, NULL, out);
  kohl_graph_destroy(ctx, graph);
  return status;
}

/* Appends a layer of the head: "HEAD_NAME", or "HEAD" for NAME "".  Without a name of its own the head is "head", or
 * "head2" where the base has a layer of that name already (a head trained before). */
static kohl_status add(builder *b, kohl_layer layer, const char *name, const kohl_params *params) {
  char full[KOHL_NAME_TEXT];
  if (b->name[0] && layer != KOHL_LAYER_input) {
    snprintf(full, sizeof full, "%s%s%s", b->name, name[0] ? "_" : "", name);
    if (kohl_graph_find(b->base, full) >= 0) {
      return kohl_fail(b->ctx, KOHL_BAD_INPUT,
                       "head '%s': its layer '%s' would have the name of one of the base, expected another name in "
                       "`heads`",
                       b->name, full);
    }
  } else {
    snprintf(full, sizeof full, "head_%s", name);
    for (int i = 2; kohl_graph_find(b->base, full) >= 0; i++) snprintf(full, sizeof full, "head%d_%s", i, name);
  }
  return kohl_graph_add(b->ctx, b->graph, layer, full, params, &b->last, layer == KOHL_LAYER_input ? 0 : 1, &b->last);
}

static kohl_status add_dense(builder *b, const char *name, int units, kohl_activation activation) {
  kohl_params params = kohl_params_default();
  params.filters = units;
  params.activation = activation;
  params.bias = true;
  kohl_status status = add(b, KOHL_LAYER_dense, name, &params);
  if (status == KOHL_OK) b->graph->nodes[b->last].trainable = true;
  return status;
}

/* One head on the input, node 0. */
static kohl_status build_head(builder *b, const kohl_recipe_head *recipe, bool pools, int classes) {
  kohl_params params = kohl_params_default(), plain = params;
  kohl_status status = KOHL_OK;
  b->name = recipe->head.name;
  b->last = 0;
  if (pools && recipe->head.pool != KOHL_HEAD_FLATTEN) status = add(b, pool_layer(recipe->head.pool), "pool", &plain);
  if (status == KOHL_OK) status = add(b, KOHL_LAYER_flatten, "flatten", &plain);
  if (status == KOHL_OK && recipe->head.norm) status = add(b, KOHL_LAYER_batch_norm, "norm", &plain);
  for (int i = 0; i < recipe->head.dense.count && status == KOHL_OK; i++) {
    char name[32];
    snprintf(name, sizeof name, "dense%d", i + 1);
    status = add_dense(b, name, recipe->head.dense.value[i], KOHL_ACTIVATION_RELU);
  }
  if (status == KOHL_OK && recipe->head.dropout > 0) {
    params = plain;
    params.rate = (float)recipe->head.dropout;
    status = add(b, KOHL_LAYER_dropout, "dropout", &params);
  }
  if (status == KOHL_OK) status = add_dense(b, "logits", classes, KOHL_ACTIVATION_NONE);
  const bool sigmoid = recipe->loss.name == KOHL_LOSS_SIGMOID, named = b->name[0] != 0;
  if (status == KOHL_OK && sigmoid) status = add(b, KOHL_LAYER_sigmoid, named ? "" : "sigmoid", &plain);
  if (status == KOHL_OK && !sigmoid) status = add(b, KOHL_LAYER_softmax, named ? "" : "softmax", &plain);
  return status;
}

static kohl_status build(builder *b, const kohl_recipe *recipe, const int *classes) {
  kohl_shape shape = b->base->nodes[b->base->count - 1].shape;
  kohl_params params = kohl_params_default();
  params.size[0] = shape.h;
  params.size[1] = shape.w;
  params.size[2] = shape.c;
  kohl_status status = add(b, KOHL_LAYER_input, "input", &params);
  for (int h = recipe->head_count - 1; h >= 0 && status == KOHL_OK; h--) {
    status = build_head(b, &recipe->heads[h], common_pool(recipe) < 0, classes[h]);
  }
  return status == KOHL_OK ? kohl_graph_infer(b->ctx, b->graph) : status;
}

kohl_status kohl_head_create(kohl_context *ctx, const kohl_recipe *recipe, const kohl_graph *base, const int *classes,
                             kohl_model **out) {
  builder b = {ctx, base, NULL, 0, ""};
  *out = NULL;
  kohl_status status = kohl_graph_create(ctx, "", &b.graph);
  if (status == KOHL_OK) status = build(&b, recipe, classes);
  if (status != KOHL_OK) {
    kohl_graph_destroy(ctx, b.graph);
    return status;
  }
  status = kohl_model_create(ctx, b.graph, out);
  if (status == KOHL_OK) status = kohl_weights_draw(ctx, *out, (uint64_t)recipe->seed, KOHL_DRAWS_HEAD);
  if (status != KOHL_OK) {
    kohl_model_destroy(ctx, *out);
    *out = NULL;
  }
  return status;
}

kohl_status kohl_head_join(kohl_context *ctx, const kohl_model *base, const kohl_model *head, const char *const *labels,
                           size_t label_count, const kohl_preprocessing *preprocessing, kohl_model **out) {
  kohl_graph *graph;
  int last = (int)base->graph->count - 1;
  *out = NULL;
  kohl_status status = kohl_graph_cut(ctx, base->graph, last, NULL, &graph);
  if (status != KOHL_OK) return status;
  status = kohl_graph_append(ctx, graph, last, head->graph);
  graph->base_output = base->graph->base_output; /* the pool belongs to the head */
  if (status == KOHL_OK) status = kohl_graph_infer(ctx, graph);
  if (status != KOHL_OK) {
    kohl_graph_destroy(ctx, graph);
    return status;
  }
  status = kohl_model_assemble(ctx, graph, base, head, out);
  if (status == KOHL_OK) status = kohl_model_set_labels(ctx, *out, labels, label_count);
  if (status != KOHL_OK) {
    kohl_model_destroy(ctx, *out);
    *out = NULL;
    return status;
  }
  const bool sigmoid = head->graph->nodes[head->graph->count - 1].layer == KOHL_LAYER_sigmoid;
  (*out)->task = sigmoid ? KOHL_TASK_MANY_LABELS : KOHL_TASK_ONE_LABEL;
  (*out)->preprocessing = *preprocessing;
  return KOHL_OK;
}
