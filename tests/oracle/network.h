/* A network, its weights and one batch, made from a seed: what train_step.c and train_steps.c have in common.
 *
 * Every number is kohl_random_uniform(seed, 0, tensor, draw, element), so that a script can make it again.  A row (the
 * filter of one channel) may be drawn again, to move a unit off the kink of its ReLU: pytorch/network.py says when.
 * These are programs of the tests: what goes wrong is printed, and ends them. */
#ifndef KOHL_TESTS_ORACLE_NETWORK_H
#define KOHL_TESTS_ORACLE_NETWORK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/models/models.h"
#include "nn/session.h"

/* What the input is drawn as: a tensor behind all weights. */
enum { NETWORK_INPUT = 100000 };

typedef struct network {
  const char *program; /* for messages */
  kohl_context *ctx;
  kohl_model *model;
  kohl_session *session;
  uint64_t seed;
  int batch, classes, logits; /* logits: the node that the softmax reads */
} network;

static inline void network_need(const network *net, kohl_status status) {
  if (status == KOHL_OK) return;
  fprintf(stderr, "%s: %s\n", net->program, net->ctx ? net->ctx->error : "no context");
  exit(2);
}

static inline void *network_alloc(const network *net, size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) {
    fprintf(stderr, "%s: no memory for %zu times %zu bytes\n", net->program, count, size);
    exit(4);
  }
  return memory;
}

/* count numbers from -scale to scale around centre: the elements from `first` on of a tensor's draw.  The key is made
 * once and all four words of a block are used, since a network may have 50 million weights. */
static inline void network_draw(uint64_t seed, uint32_t tensor, uint64_t draw, float centre, float scale, size_t first,
                                size_t count, float *out) {
  kohl_random_key key = kohl_random_key_make(seed, 0, (uint32_t)draw);
  kohl_philox_block block = {{0, 0, 0, 0}};
  for (size_t i = first; i < first + count; i++) {
    if (i == first || i % 4 == 0) block = kohl_random_block_at(key, tensor, i / 4);
    float u = kohl_random_to_unit(block.word[i % 4]) * 2.0f - 1.0f;
    out[i - first] = centre + scale * u;
  }
}

/* He's scale for filters, so that signals keep their size; draw 1 of each tensor, whose number is its place. */
static inline void network_fill(network *net, size_t i, uint64_t draw, size_t row, size_t rows) {
  kohl_weight *weight = &net->model->weights[i];
  const char *suffix = weight->spec.suffix;
  size_t fan = weight->spec.count / (size_t)weight->spec.shape[0];
  float scale = !strcmp(suffix, "weight") ? sqrtf(6.0f / (float)fan) : 0.1f;
  float centre = !strcmp(suffix, "gamma") || !strcmp(suffix, "variance") ? 1.0f : 0.0f;
  network_draw(net->seed, (uint32_t)i, draw, centre, scale, row * fan, rows * fan, weight->owned + row * fan);
}

/* "TENSOR:ROW=DRAW". */
static inline void network_redraw(network *net, const char *text) {
  const char *colon = strrchr(text, ':');
  unsigned row, draw;
  for (size_t i = 0; colon && i < net->model->weight_count; i++) {
    const kohl_weight *weight = &net->model->weights[i];
    size_t length = strlen(weight->name);
    if (length != (size_t)(colon - text) || strncmp(weight->name, text, length)) continue;
    if (sscanf(colon, ":%u=%u", &row, &draw) != 2 || row >= (size_t)weight->spec.shape[0]) break;
    network_fill(net, i, draw, row, 1);
    return;
  }
  fprintf(stderr, "%s: '%s': expected TENSOR:ROW=DRAW of this network\n", net->program, text);
  exit(1);
}

/* Builds the architecture without dropout (PyTorch has other random numbers), its batch-norms frozen or trained, and
 * draws its weights. */
static inline void network_build(network *net, const char *arch, int size, const char *norm) {
  kohl_graph *graph;
  kohl_arch_options options = kohl_arch_options_default(arch);
  options.height = options.width = size;
  options.classes = net->classes;
  if (strcmp(norm, "frozen") && strcmp(norm, "train")) {
    fprintf(stderr, "%s: batch-norm '%s', expected frozen or train\n", net->program, norm);
    exit(1);
  }
  if (kohl_context_create(NULL, &net->ctx) != KOHL_OK) exit(4);
  network_need(net, kohl_arch_build(net->ctx, arch, &options, &graph));
  for (size_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].layer == KOHL_LAYER_dropout) graph->nodes[i].params.rate = 0;
    if (graph->nodes[i].layer == KOHL_LAYER_batch_norm) graph->nodes[i].trainable = !strcmp(norm, "train");
  }
  net->logits = graph->nodes[graph->count - 1].inputs[0];
  network_need(net, kohl_model_create(net->ctx, graph, &net->model));
  for (size_t i = 0; i < net->model->weight_count; i++) {
    kohl_weight *weight = &net->model->weights[i];
    network_need(net, kohl_weight_own(net->ctx, weight));
    network_fill(net, i, 1, 0, (size_t)weight->spec.shape[0]);
  }
}

/* Plans training, and writes random pictures with labels n mod classes. */
static inline void network_begin(network *net) {
  const kohl_graph *graph = net->model->graph;
  kohl_plan_options plan = kohl_plan_options_default();
  plan.batch = net->batch;
  plan.train = true;
  plan.taps = &net->logits;
  plan.tap_count = 1;
  network_need(net, kohl_session_create(net->ctx, net->model, &plan, &net->session));
  kohl_shape in = graph->nodes[0].shape;
  size_t floats = (size_t)net->batch * (size_t)(in.h * in.w * in.c);
  network_draw(net->seed, NETWORK_INPUT, 1, 0.0f, 1.0f, 0, floats, kohl_session_input(net->session));
  for (int i = 0; i < net->batch; i++) kohl_session_labels(net->session)[i] = i % net->classes;
  for (int i = 0; i < net->classes; i++) kohl_session_class_weights(net->session)[i] = 1.0f;
}

static inline void network_end(network *net) {
  kohl_session_destroy(net->session);
  kohl_model_destroy(net->ctx, net->model);
  kohl_context_destroy(net->ctx);
}

#endif
