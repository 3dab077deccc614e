/* kohl's side of bench/peers/infer.py: a model that stays open and is run when the parent asks, the ways of `kohl
 * bench`.
 *
 *   kohl_infer MODEL PICTURES BATCH THREADS
 *
 * PICTURES has BATCH inputs as floats, NHWC.  All options but the batch and the threads are the library's defaults; the
 * logits are a tap, since their error is measured.  A line on standard input is a request, a line on standard output
 * its answer, "ok ..." or "error TEXT"; engines/serve.py speaks the same for the peers: about         ok LEVEL,
 * COMPILER open          ok MS: open the file, plan, pack run W C       ok MS ...: the times of runs that begin within
 * C seconds, at least one, behind W seconds of others output FILE   ok COUNT: the last run's logits as floats, NHWC
 *   peak          ok GFLOP/S: fused multiply-adds on all threads at once */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/core/alloc.h"
#include "kernels/core/probe.h"
#include "nn/session.h"

enum { RUNS_MOST = 4096, PROBES = 25 };

typedef struct server {
  kohl_context *ctx;
  kohl_model *model;
  kohl_session *session;
  const char *path, *pictures;
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

static kohl_status answer_open(server *s) {
  kohl_plan_options options = kohl_plan_options_default();
  double begin = now_ms();
  kohl_status status = kohl_model_open(s->ctx, s->path, &s->model);
  if (status != KOHL_OK) return status;
  s->node = logits_node(s->model->graph);
  options.batch = s->batch;
  options.taps = &s->node;
  options.tap_count = s->node + 1 < (int)s->model->graph->count;
  status = kohl_session_create(s->ctx, s->model, &options, &s->session);
  double opened = now_ms();
  if (status == KOHL_OK) status = read_pictures(s);
  if (status == KOHL_OK) printf("ok %.3f\n", opened - begin);
  return status;
}

static kohl_status answer_run(server *s, double warm_s, double counted_s) {
  double times[RUNS_MOST], start = now_ms(), counted = start + warm_s * 1e3;
  kohl_status status = KOHL_OK;
  int count = 0;
  for (; status == KOHL_OK && start < counted; start = now_ms()) status = kohl_session_run(s->session, s->batch);
  for (counted = start; status == KOHL_OK && count < RUNS_MOST; count++) {
    start = now_ms();
    if (count && start >= counted + counted_s * 1e3) break;
    status = kohl_session_run(s->session, s->batch);
    times[count] = now_ms() - start;
  }
  if (status != KOHL_OK) return status;
  printf("ok");
  for (int i = 0; i < count; i++) printf(" %.4f", times[i]);
  printf("\n");
  return KOHL_OK;
}

static kohl_status answer_output(server *s, const char *path) {
  size_t count = (size_t)s->batch * shape_count(s->model->graph->nodes[s->node].shape);
  float *values = NULL;
  kohl_status status = kohl_alloc(s->ctx, count, sizeof *values, "the outputs", &values);
  if (status == KOHL_OK) status = kohl_session_output(s->session, s->node, s->batch, values);
  if (status == KOHL_OK) {
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(values, sizeof *values, count, file) == count;
    if (file && fclose(file)) written = false;
    if (written)
      printf("ok %zu\n", count);
    else
      status = kohl_fail(s->ctx, KOHL_NO_RESOURCE, "%s: cannot be written", path);
  }
  kohl_free(s->ctx, values);
  return status;
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
  static const char usage[] = "usage: kohl_infer MODEL PICTURES BATCH THREADS\n";
  char line[4096];
  server s = {.batch = argc == 5 ? atoi(argv[3]) : 0};
  kohl_context_options options = kohl_context_options_default();
  options.threads = argc == 5 ? atoi(argv[4]) : 0;
  if (s.batch < 1 || options.threads < 1) return fputs(usage, stderr), 1;
  s.path = argv[1];
  s.pictures = argv[2];
  if (kohl_context_create(&options, &s.ctx) != KOHL_OK) return fputs("kohl_infer: no context\n", stderr), 4;
  while (fgets(line, sizeof line, stdin)) {
    if (answer(&s, line) != KOHL_OK) printf("error %s\n", kohl_context_error(s.ctx));
    fflush(stdout);
  }
  kohl_session_destroy(s.session);
  kohl_model_destroy(s.ctx, s.model);
  kohl_context_destroy(s.ctx);
  return 0;
}
