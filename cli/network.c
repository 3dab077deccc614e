/* Models opened at another size, or built with random weights. */
#include "cli/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/models/models.h"

enum { SEED = 1 };

size_t cli_node_parameters(const kohl_graph *graph, const kohl_node *node) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  size_t sum = 0;
  int count = kohl_node_weights(graph, node, specs);
  for (int i = 0; i < count; i++) sum += specs[i].count;
  return sum;
}

size_t cli_graph_parameters(const kohl_graph *graph) {
  size_t sum = 0;
  for (size_t i = 0; i < graph->count; i++) sum += cli_node_parameters(graph, &graph->nodes[i]);
  return sum;
}

cli_shape_text cli_shape(kohl_shape shape) {
  cli_shape_text out;
  snprintf(out.text, sizeof out.text, "%dx%dx%d", shape.h, shape.w, shape.c);
  return out;
}

cli_count_text cli_count(size_t n) {
  cli_count_text out;
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%zu", n), at = 0;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) out.text[at++] = ',';
    out.text[at++] = digits[i];
  }
  out.text[at] = 0;
  return out;
}

void cli_fill_random(float *values, size_t count, uint32_t stream) {
  kohl_random_key key = kohl_random_key_make(SEED, 0, stream);
  for (size_t i = 0; i < count; i++) values[i] = 2.0f * kohl_random_to_unit(kohl_random_at(key, 0, i)) - 1.0f;
}

/* The same network with another input size: the graph is copied, the weights keep their shapes or the assembly fails.
 */
static kohl_status resize(kohl_context *ctx, const kohl_model *model, int h, int w, kohl_model **out) {
  kohl_graph *graph = NULL;
  kohl_status status = kohl_graph_cut(ctx, model->graph, (int)model->graph->count - 1, NULL, &graph);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].layer != KOHL_LAYER_input) continue;
    graph->nodes[i].params.size[0] = h;
    graph->nodes[i].params.size[1] = w;
  }
  status = kohl_graph_infer(ctx, graph);
  if (status != KOHL_OK) {
    kohl_graph_destroy(ctx, graph);
    return status;
  }
  return kohl_model_assemble(ctx, graph, model, NULL, out);
}

int cli_network_open(cli *c, const char *path, const char *size, kohl_model **out) {
  *out = NULL;
  int h = 0, w = 0, code = size ? cli_parse_size(c, size, &h, &w) : 0;
  if (code) return code;
  kohl_model *model = NULL;
  kohl_status status = kohl_model_open(c->ctx, path, &model);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  if (!size) {
    *out = model;
    return 0;
  }
  status = resize(c->ctx, model, h, w, out);
  kohl_model_destroy(c->ctx, model);
  if (status == KOHL_OK) return 0;
  kohl_fail_prefix(c->ctx, "%s at --size %s", path, size);
  return cli_fail_library(c, status);
}

/* Uniform numbers of variance 2 / inputs for filters; small biases and means, so that no kernel meets only zeros. */
static void draw(kohl_weight *weight, uint32_t stream) {
  const kohl_weight_spec *spec = &weight->spec;
  cli_fill_random(weight->owned, spec->count, stream);
  float scale = 0.1f, shift = 0.0f;
  if (!strcmp(spec->suffix, "weight")) scale = sqrtf(6.0f * (float)spec->shape[0] / (float)spec->count);
  if (!strcmp(spec->suffix, "gamma") || !strcmp(spec->suffix, "variance")) shift = 1.0f;
  for (size_t i = 0; i < spec->count; i++) weight->owned[i] = weight->owned[i] * scale + shift;
}

int cli_network_build(cli *c, const char *arch, const char *size, kohl_model **out) {
  *out = NULL;
  kohl_arch_options options = kohl_arch_options_default(arch);
  int code = size ? cli_parse_size(c, size, &options.height, &options.width) : 0;
  if (code) return code;
  kohl_graph *graph = NULL;
  kohl_model *model = NULL;
  kohl_status status = kohl_arch_build(c->ctx, arch, &options, &graph);
  if (status == KOHL_OK) status = kohl_model_create(c->ctx, graph, &model);
  for (size_t i = 0; status == KOHL_OK && i < model->weight_count; i++) {
    status = kohl_weight_own(c->ctx, &model->weights[i]);
    if (status == KOHL_OK) draw(&model->weights[i], (uint32_t)i + 1);
  }
  if (status == KOHL_OK) {
    *out = model;
    return 0;
  }
  kohl_model_destroy(c->ctx, model);
  return cli_fail_library(c, status);
}

static bool is_arch(const char *name) {
  for (size_t i = 0; kohl_arch_at(i); i++) {
    if (!strcmp(kohl_arch_at(i)->name, name)) return true;
  }
  return false;
}

int cli_network_load(cli *c, const char *name, const char *size, kohl_model **out) {
  bool file = !is_arch(name) && strpbrk(name, "./");
  return file ? cli_network_open(c, name, size, out) : cli_network_build(c, name, size, out);
}
