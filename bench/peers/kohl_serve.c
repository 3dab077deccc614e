/* kohl's side of bench/peers: a model that stays open and is run when the parent asks, in the ways of `kohl bench`.
 *
 *   kohl_serve MODEL PICTURES BATCH THREADS [LAYER train|frozen]
 *
 * PICTURES has BATCH inputs as floats, NHWC.  All options but the batch and the threads are the library's defaults.
 * With LAYER a run is a step of training, forward, backward and RMSprop, of the layers from this one on; their
 * batch-norms learn and take the batch's statistics, or are frozen.  Sample i has the label i mod classes.
 *
 * A line on standard input is a request, a line on standard output its answer, "ok ..." or "error TEXT";
 * engines/serve.py speaks the same for the peers:
 *   about         ok LEVEL, COMPILER
 *   open          ok MS: open the file, plan, pack
 *   run W C       ok MS ...: the times of runs that begin within C seconds, at least one, behind W seconds of others
 *   output FILE   ok COUNT: floats of the last run: the logits, NHWC, which are a tap; in training the gradients of all
 *                 layers' weight and bias, in the graph's order
 *   peak          ok GFLOP/S: fused multiply-adds on all threads at once */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/core/alloc.h"
#include "kernels/core/probe.h"
#include "nn/session.h"
#include "train/update.h"

enum { RUNS_MOST = 4096, PROBES = 25 };

typedef struct server {
  kohl_context *ctx;
  kohl_model *model;
  kohl_session *session;
  kohl_update *update; /* training */
  const char *path, *pictures;
  const char *layer; /* training: the first layer that learns; NULL: inference */
  bool frozen_norms;
  int64_t steps;
  int batch, node; /* node: the logits, or the last layer of a network without a head */
} server;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static size_t shape_count(kohl_shape shape) { return (size_t)shape.h * (size_t)shape.w * (size_t)shape.c; }

static int logits_node(const kohl_graph *graph) {
  const kohl_node *last = &graph->nodes[graph->count - 1];
  bool squashed = last->layer == KOHL_LAYER_softmax || last->layer == KOHL_LAYER_sigmoid;
  return squashed ? last->inputs[0] : (int)graph->count - 1;
}

static kohl_status read_pictures(server *s) {
  size_t count = (size_t)s->batch * shape_count(s->model->graph->nodes[0].shape);
  FILE *file = fopen(s->pictures, "rb");
  size_t got = file ? fread(kohl_session_input(s->session), sizeof(float), count, file) : 0;
  if (file) fclose(file);
  if (got == count) return KOHL_OK;
  return kohl_fail(s->ctx, KOHL_BAD_INPUT, "%s: %zu numbers, expected %zu", s->pictures, got, count);
}

static kohl_status choose_trained(server *s) {
  kohl_graph *graph = s->model->graph;
  int from;
  kohl_status status = kohl_graph_need(s->ctx, graph, "training", s->layer, &from);
  for (int i = 0; status == KOHL_OK && i < (int)graph->count; i++) {
    graph->nodes[i].trainable = i >= from && !(s->frozen_norms && graph->nodes[i].layer == KOHL_LAYER_batch_norm);
  }
  return status;
}

static kohl_status begin_training(server *s) {
  const kohl_update_options options = {.rule = KOHL_UPDATE_RMSPROP, .rho = 0.9, .epsilon = 1e-7};
  kohl_session_head head = kohl_session_head_at(s->session, 0);
  size_t count;
  for (int i = 0; i < s->batch; i++) {
    head.labels[i] = i % head.k;
    kohl_session_draws(s->session)[i] = (uint64_t)i;
  }
  const float *params = kohl_session_params(s->session, &count);
  return kohl_update_create(s->ctx, &options, params, count, &s->update);
}

static kohl_status train_step(server *s) {
  size_t count;
  kohl_status status = kohl_session_backward(s->session, s->batch, 1);
  if (status != KOHL_OK) return status;
  float *params = kohl_session_params(s->session, &count), *gradients = kohl_session_gradients(s->session, &count);
  if (kohl_update_step(s->update, ++s->steps, 1e-4, params, gradients)) return KOHL_OK;
  return kohl_fail(s->ctx, KOHL_NOT_FINITE, "training: a gradient is not finite");
}

static kohl_status run_once(server *s) { return s->layer ? train_step(s) : kohl_session_run(s->session, s->batch); }

static kohl_status answer_open(server *s) {
  kohl_plan_options options = kohl_plan_options_default();
  double begin = now_ms();
  kohl_status status = kohl_model_open(s->ctx, s->path, &s->model);
  if (status != KOHL_OK) return status;
  s->node = logits_node(s->model->graph);
  options.batch = s->batch;
  options.train = s->layer != NULL;
  options.taps = &s->node;
  options.tap_count = !s->layer && s->node + 1 < (int)s->model->graph->count;
  if (s->layer) status = choose_trained(s);
  if (status == KOHL_OK) status = kohl_session_create(s->ctx, s->model, &options, &s->session);
  if (status == KOHL_OK && s->layer) status = begin_training(s);
  double opened = now_ms();
  if (status == KOHL_OK) status = read_pictures(s);
  if (status == KOHL_OK) printf("ok %.3f\n", opened - begin);
  return status;
}

static kohl_status answer_run(server *s, double warm_s, double counted_s) {
  double times[RUNS_MOST], start = now_ms(), counted = start + warm_s * 1e3;
  kohl_status status = KOHL_OK;
  int count = 0;
  for (; status == KOHL_OK && start < counted; start = now_ms()) status = run_once(s);
  for (counted = start; status == KOHL_OK && count < RUNS_MOST; count++) {
    start = now_ms();
    if (count && start >= counted + counted_s * 1e3) break;
    status = run_once(s);
    times[count] = now_ms() - start;
  }
  if (status != KOHL_OK) return status;
  printf("ok");
  for (int i = 0; i < count; i++) printf(" %.4f", times[i]);
  printf("\n");
  return KOHL_OK;
}

/* The gradients that there are, one after the other; *count receives how many floats. */
static bool write_gradients(server *s, FILE *file, size_t *count) {
  size_t all;
  const float *gradients = kohl_session_gradients(s->session, &all);
  bool written = true;
  for (size_t i = 0; written && i < s->model->weight_count; i++) {
    const kohl_weight *weight = &s->model->weights[i];
    size_t at = kohl_plan_param(s->session->plan, weight->node, weight->spec.suffix);
    if (at == SIZE_MAX || (strcmp(weight->spec.suffix, "weight") && strcmp(weight->spec.suffix, "bias"))) continue;
    written = fwrite(gradients + at, sizeof *gradients, weight->spec.count, file) == weight->spec.count;
    *count += weight->spec.count;
  }
  return written;
}

static kohl_status write_logits(server *s, FILE *file, size_t *count) {
  float *values = NULL;
  *count = (size_t)s->batch * shape_count(s->model->graph->nodes[s->node].shape);
  kohl_status status = kohl_alloc(s->ctx, *count, sizeof *values, "the outputs", &values);
  if (status == KOHL_OK) status = kohl_session_output(s->session, s->node, s->batch, values);
  if (status == KOHL_OK && fwrite(values, sizeof *values, *count, file) != *count)
    status = kohl_fail(s->ctx, KOHL_NO_RESOURCE, "the outputs cannot be written");
  kohl_free(s->ctx, values);
  return status;
}

static kohl_status answer_output(server *s, const char *path) {
  size_t count = 0;
  kohl_status status = KOHL_OK;
  FILE *file = fopen(path, "wb");
  if (file && !s->layer) status = write_logits(s, file, &count);
  bool written = file && (!s->layer || write_gradients(s, file, &count));
  if (file && fclose(file)) written = false;
  if (status != KOHL_OK) return status;
  if (!written) return kohl_fail(s->ctx, KOHL_NO_RESOURCE, "%s: cannot be written", path);
  printf("ok %zu\n", count);
  return KOHL_OK;
}

static kohl_status answer(server *s, char *line) {
  double warm, counted;
  line[strcspn(line, "\n")] = 0;
  if (!strcmp(line, "about")) return printf("ok %s, %s\n", kohl_cpu_level(s->ctx->caps), __VERSION__), KOHL_OK;
  if (!strcmp(line, "open") && !s->session) return answer_open(s);
  if (!strcmp(line, "peak")) {
    printf("ok %.2f\n", kohl_probe_flops(s->ctx->caps, s->ctx->threads, PROBES) * 1e-9);
    return KOHL_OK;
  }
  if (s->session && sscanf(line, "run %lf %lf", &warm, &counted) == 2) return answer_run(s, warm, counted);
  if (s->session && !strncmp(line, "output ", 7)) return answer_output(s, line + 7);
  return kohl_fail(s->ctx, KOHL_USAGE, "'%s': not a request, or not now", line);
}

int main(int argc, char **argv) {
  static const char usage[] = "usage: kohl_serve MODEL PICTURES BATCH THREADS [LAYER train|frozen]\n";
  char line[4096];
  server s = {.batch = argc >= 5 ? atoi(argv[3]) : 0};
  kohl_context_options options = kohl_context_options_default();
  options.threads = argc >= 5 ? atoi(argv[4]) : 0;
  if (s.batch < 1 || options.threads < 1 || argc == 6 || argc > 7) return fputs(usage, stderr), 1;
  s.path = argv[1];
  s.pictures = argv[2];
  s.layer = argc == 7 ? argv[5] : NULL;
  s.frozen_norms = argc == 7 && !strcmp(argv[6], "frozen");
  if (kohl_context_create(&options, &s.ctx) != KOHL_OK) return fputs("kohl_serve: no context\n", stderr), 4;
  while (fgets(line, sizeof line, stdin)) {
    if (answer(&s, line) != KOHL_OK) printf("error %s\n", kohl_context_error(s.ctx));
    fflush(stdout);
  }
  kohl_update_destroy(s.update);
  kohl_session_destroy(s.session);
  kohl_model_destroy(s.ctx, s.model);
  kohl_context_destroy(s.ctx);
  return 0;
}
