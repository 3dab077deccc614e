/* One training step, written down: the other side of tests/oracle/pytorch/gradients.py.
 *
 *   train_step ARCH SIZE CLASSES BATCH SEED WEIGHTS.safetensors STEP.safetensors
 *
 * Builds the architecture with random weights (He's scale, from the seed), saves it as a model file, runs forward and
 * backward on random pictures with labels n mod classes, and writes input, labels, logits, losses and every gradient
 * (named as the weights) to STEP.safetensors.  Dropout is set to 0, since PyTorch has other random numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/models/models.h"
#include "nn/session.h"

static kohl_context *ctx;

static void need(kohl_status status) {
  if (status == KOHL_OK) return;
  fprintf(stderr, "train_step: %s\n", ctx->error);
  exit(2);
}

static float uniform(uint64_t seed, uint32_t tensor, uint32_t element) {
  return kohl_random_uniform(seed, 0, tensor, 1, element) * 2.0f - 1.0f;
}

static void fill_weights(kohl_model *model, uint64_t seed) {
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    need(kohl_weight_own(ctx, weight));
    const char *suffix = weight->spec.suffix;
    size_t fan = weight->spec.count / (size_t)weight->spec.shape[0];
    float scale = !strcmp(suffix, "weight") ? sqrtf(6.0f / (float)fan) : 0.1f;
    float centre = !strcmp(suffix, "gamma") || !strcmp(suffix, "variance") ? 1.0f : 0.0f;
    for (size_t j = 0; j < weight->spec.count; j++) {
      weight->owned[j] = centre + scale * uniform(seed, (uint32_t)i, (uint32_t)j);
    }
  }
}

static void add_tensor(kohl_safetensors_writer *w, const char *name, int dims, const int64_t *shape) {
  need(kohl_safetensors_writer_tensor(w, name, KOHL_SAFETENSORS_F32, dims, shape));
}

/* Everything in the order of declaration: input, labels, logits, losses, then the gradients. */
static void write_step(kohl_session *session, const char *path, int n, const float *logits) {
  const kohl_graph *graph = session->model->graph;
  const kohl_plan *plan = session->plan;
  kohl_shape in = graph->nodes[0].shape;
  int64_t k = graph->nodes[graph->count - 1].shape.c, input[4] = {n, in.h, in.w, in.c}, rows[2] = {n, k};
  size_t most = session->model->weight_count + 4, count = 4, params;
  const float **data = calloc(most, sizeof *data), *gradients = kohl_session_gradients(session, &params);
  float *labels = calloc((size_t)n, sizeof *labels);
  size_t *bytes = calloc(most, sizeof *bytes);
  kohl_safetensors_writer *w;
  if (!data || !bytes || !labels) exit(4);
  for (int i = 0; i < n; i++) labels[i] = (float)kohl_session_labels(session)[i];
  need(kohl_safetensors_writer_begin(ctx, path, &w));
  add_tensor(w, "input", 4, input);
  add_tensor(w, "labels", 1, rows);
  add_tensor(w, "logits", 2, rows);
  add_tensor(w, "losses", 1, rows);
  data[0] = kohl_session_input(session), bytes[0] = sizeof(float) * (size_t)(n * in.h * in.w * in.c);
  data[1] = labels, bytes[1] = sizeof(float) * (size_t)n;
  data[2] = logits, bytes[2] = sizeof(float) * (size_t)(n * k);
  data[3] = kohl_session_losses(session), bytes[3] = sizeof(float) * (size_t)n;
  for (size_t i = 0; i < session->model->weight_count; i++) {
    const kohl_weight *weight = &session->model->weights[i];
    size_t at = kohl_plan_param(plan, weight->node, weight->spec.suffix);
    if (at == SIZE_MAX) continue;
    add_tensor(w, weight->name, weight->spec.dims, weight->spec.shape);
    data[count] = gradients + at;
    bytes[count++] = weight->spec.count * sizeof(float);
  }
  need(kohl_safetensors_writer_lay(w));
  for (size_t i = 0; i < count; i++) {
    size_t which = kohl_safetensors_writer_order(w, i);
    need(kohl_safetensors_write(w, data[which], bytes[which]));
  }
  need(kohl_safetensors_writer_finish(w));
  free(data), free(bytes), free(labels);
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: train_step ARCH SIZE CLASSES BATCH SEED WEIGHTS STEP\n");
    return 1;
  }
  int size = atoi(argv[2]), n = atoi(argv[4]);
  uint64_t seed = (uint64_t)atoll(argv[5]);
  if (kohl_context_create(NULL, &ctx) != KOHL_OK) return 4;
  kohl_arch_options options = kohl_arch_options_default(argv[1]);
  options.height = options.width = size;
  options.classes = atoi(argv[3]);
  kohl_graph *graph;
  kohl_model *model;
  need(kohl_arch_build(ctx, argv[1], &options, &graph));
  for (size_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].layer == KOHL_LAYER_dropout) graph->nodes[i].params.rate = 0;
    if (graph->nodes[i].layer == KOHL_LAYER_batch_norm) graph->nodes[i].trainable = false;
  }
  need(kohl_model_create(ctx, graph, &model));
  fill_weights(model, seed);
  need(kohl_model_save(ctx, model, argv[6]));
  int logits_node = graph->nodes[graph->count - 1].inputs[0];
  kohl_plan_options plan = kohl_plan_options_default();
  plan.batch = n;
  plan.train = true;
  plan.taps = &logits_node;
  plan.tap_count = 1;
  kohl_session *session;
  need(kohl_session_create(ctx, model, &plan, &session));
  kohl_shape in = graph->nodes[0].shape;
  int classes = graph->nodes[graph->count - 1].shape.c;
  for (int i = 0; i < n * in.h * in.w * in.c; i++) kohl_session_input(session)[i] = uniform(seed, 100000, (uint32_t)i);
  for (int i = 0; i < n; i++) kohl_session_labels(session)[i] = i % classes;
  for (int i = 0; i < classes; i++) kohl_session_class_weights(session)[i] = 1;
  need(kohl_session_backward(session, n, 1));
  float *logits = malloc(sizeof *logits * (size_t)(n * classes));
  if (!logits) return 4;
  need(kohl_session_output(session, logits_node, n, logits));
  write_step(session, argv[7], n, logits);
  free(logits);
  kohl_session_destroy(session);
  kohl_model_destroy(ctx, model);
  kohl_context_destroy(ctx);
  return 0;
}
