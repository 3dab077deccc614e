/* Networks that tests train: one that has every layer, and architectures, with random weights. */
#include "tests/unit/subject.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn/models/models.h"

typedef struct builder {
  kohl_context *ctx;
  kohl_graph *graph;
} builder;

/* Appends a node behind one or two others (b is -1); gives its index. */
static int join(builder *b, kohl_layer layer, kohl_params params, int first, int second) {
  char name[32];
  int inputs[2] = {first, second}, index;
  snprintf(name, sizeof name, "%s_%zu", kohl_layer_name(layer), b->graph->count);
  kohl_status status =
      kohl_graph_add(b->ctx, b->graph, layer, name, &params, inputs, (first >= 0) + (second >= 0), &index);
  if (status == KOHL_OK) status = kohl_graph_infer(b->ctx, b->graph);
  ck_assert_msg(status == KOHL_OK, "%s", b->ctx->error);
  return index;
}

static int plain(builder *b, kohl_layer layer, int from) { return join(b, layer, kohl_params_default(), from, -1); }

/* A square filter with room for itself around the picture. */
static kohl_params window(int side, int filters) {
  kohl_params params = kohl_params_default();
  params.kernel[0] = params.kernel[1] = side;
  params.filters = filters;
  params.padding = KOHL_PADDING_SAME_UPPER;
  return params;
}

/* Filters in groups with dilation around batch-norms, one fixed and one as asked; an add with its way around. */
static int residual_part(builder *b, int from, bool train_norms) {
  kohl_params params = window(3, 16);
  params.activation = KOHL_ACTIVATION_RELU;
  int around = join(b, KOHL_LAYER_conv2d, params, from, -1);
  int x = plain(b, KOHL_LAYER_batch_norm, around);
  b->graph->nodes[x].trainable = train_norms;
  x = plain(b, KOHL_LAYER_relu, x);
  params = window(3, 16);
  params.groups = 2;
  params.dilation[0] = 2;
  params.bias = false;
  x = plain(b, KOHL_LAYER_batch_norm, join(b, KOHL_LAYER_conv2d, params, x, -1));
  b->graph->nodes[x].trainable = false;
  params = kohl_params_default();
  params.activation = KOHL_ACTIVATION_RELU;
  return join(b, KOHL_LAYER_add, params, x, around);
}

/* Branches side by side: two 1x1 of one input, a pool of either kind, and one more batch-norm without gamma. */
static int branches_part(builder *b, int from, bool train_norms) {
  kohl_params params = kohl_params_default(), pool = window(3, 0);
  params.gamma = false;
  int one = join(b, KOHL_LAYER_conv2d, window(1, 9), from, -1);
  int norm = join(b, KOHL_LAYER_batch_norm, params, join(b, KOHL_LAYER_conv2d, window(1, 33), from, -1), -1);
  b->graph->nodes[norm].trainable = train_norms;
  int mean = join(b, KOHL_LAYER_avg_pool, pool, from, -1), most = join(b, KOHL_LAYER_max_pool, pool, from, -1);
  int left = join(b, KOHL_LAYER_concat, params, one, norm), right = join(b, KOHL_LAYER_concat, params, mean, most);
  params = kohl_params_default();
  params.rate = 0.25f;
  return join(b, KOHL_LAYER_dropout, params, join(b, KOHL_LAYER_concat, params, left, right), -1);
}

/* The three pools that leave few pixels, and the dense layers. */
static void head_part(builder *b, int from) {
  kohl_params params = kohl_params_default();
  params.output[0] = params.output[1] = 2;
  int mean = plain(b, KOHL_LAYER_global_avg_pool, from), most = plain(b, KOHL_LAYER_global_max_pool, from);
  int flat = plain(b, KOHL_LAYER_flatten, join(b, KOHL_LAYER_adaptive_avg_pool, params, from, -1));
  int x = join(b, KOHL_LAYER_concat, params, join(b, KOHL_LAYER_concat, params, mean, most), flat);
  params.filters = 35;
  params.activation = KOHL_ACTIVATION_RELU;
  x = join(b, KOHL_LAYER_dense, params, x, -1);
  params.filters = 19;
  params.activation = KOHL_ACTIVATION_NONE;
  x = plain(b, KOHL_LAYER_sigmoid, join(b, KOHL_LAYER_dense, params, x, -1));
  params.rate = 0.5f;
  params.filters = SUBJECT_CLASSES;
  x = join(b, KOHL_LAYER_dense, params, join(b, KOHL_LAYER_dropout, params, x, -1), -1);
  plain(b, KOHL_LAYER_softmax, x);
}

static kohl_graph *every_layer(kohl_context *ctx, const subject *s) {
  builder b = {ctx, NULL};
  ck_assert_int_eq(kohl_graph_create(ctx, "every_layer", &b.graph), KOHL_OK);
  kohl_params params = kohl_params_default();
  params.size[0] = s->height, params.size[1] = s->width, params.size[2] = SUBJECT_CHANNELS;
  int x = residual_part(&b, join(&b, KOHL_LAYER_input, params, -1, -1), s->train_norms);
  params.window = 5;
  params.lrn_alpha = 0.125f;
  x = join(&b, KOHL_LAYER_lrn, params, x, -1);
  params = window(3, 0);
  params.stride[0] = params.stride[1] = 2;
  x = branches_part(&b, join(&b, KOHL_LAYER_max_pool, params, x, -1), s->train_norms);
  params = window(5, 41);
  params.stride[1] = 2;
  head_part(&b, join(&b, KOHL_LAYER_conv2d, params, x, -1));
  return b.graph;
}

static kohl_graph *graph_of(kohl_context *ctx, const subject *s) {
  if (!s->arch) return every_layer(ctx, s);
  kohl_arch_options options = kohl_arch_options_default(s->arch);
  options.height = s->height;
  options.width = s->width;
  options.classes = SUBJECT_CLASSES;
  kohl_graph *graph;
  ck_assert_msg(kohl_arch_build(ctx, s->arch, &options, &graph) == KOHL_OK, "%s", ctx->error);
  for (size_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].layer == KOHL_LAYER_batch_norm) graph->nodes[i].trainable = s->train_norms;
  }
  return graph;
}

float subject_draw(kohl_random_key key, uint64_t tensor, size_t element) {
  return kohl_random_to_unit(kohl_random_at(key, tensor, element)) * 2.0f - 1.0f;
}

/* He's scale for filters, so that nothing dies out on the way. */
kohl_model *subject_model(kohl_context *ctx, const subject *s, kohl_random_key key) {
  kohl_model *model;
  ck_assert_int_eq(kohl_model_create(ctx, graph_of(ctx, s), &model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    ck_assert_int_eq(kohl_weight_own(ctx, weight), KOHL_OK);
    const char *suffix = weight->spec.suffix;
    size_t fan = weight->spec.count / (size_t)weight->spec.shape[0];
    float scale = !strcmp(suffix, "weight") ? sqrtf(6.0f / (float)fan) : 0.25f;
    float centre = !strcmp(suffix, "gamma") || !strcmp(suffix, "variance") ? 1.0f : 0.0f;
    for (size_t j = 0; j < weight->spec.count; j++) weight->owned[j] = centre + scale * subject_draw(key, i + 1, j);
  }
  return model;
}
