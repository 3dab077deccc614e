/* The network of the tests of packed weights. */
#include "tests/unit/packed_model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/philox.h"

enum { SIDE = 3 };

static void hear(kohl_log_level how, const char *text, void *user) {
  packed_test *t = user;
  ck_assert_int_lt(t->lines, PACKED_LINES);
  t->level[t->lines] = how;
  snprintf(t->said[t->lines++], sizeof t->said[0], "%s", text);
}

static float value(uint32_t stream, size_t i) {
  return kohl_random_to_unit(kohl_random_at(kohl_random_key_make(5, 0, stream), 0, i)) - 0.5f;
}

static int add(kohl_context *ctx, kohl_graph *graph, kohl_layer layer, const char *name, const kohl_params *params,
               int a, int b) {
  int inputs[2] = {a, b}, index, count = layer == KOHL_LAYER_input ? 0 : b >= 0 ? 2 : 1;
  ck_assert_msg(kohl_graph_add(ctx, graph, layer, name, params, inputs, count, &index) == KOHL_OK, "%s", ctx->error);
  ck_assert_msg(kohl_graph_infer(ctx, graph) == KOHL_OK, "%s", ctx->error);
  return index;
}

static int convolution(kohl_context *ctx, kohl_graph *graph, const char *name, int from, int filters, int side) {
  kohl_params params = kohl_params_default();
  params.filters = filters;
  params.kernel[0] = params.kernel[1] = side;
  params.padding = KOHL_PADDING_SAME_UPPER;
  return add(ctx, graph, KOHL_LAYER_conv2d, name, &params, from, -1);
}

kohl_model *packed_make(packed_test *t) {
  kohl_context *ctx = t->ctx;
  kohl_graph *graph;
  kohl_model *model;
  kohl_params params = kohl_params_default();
  ck_assert_int_eq(kohl_graph_create(ctx, "packed", &graph), KOHL_OK);
  params.size[0] = params.size[1] = SIDE;
  params.size[2] = 3;
  int at = add(ctx, graph, KOHL_LAYER_input, "input", &params, -1, -1);
  at = convolution(ctx, graph, "folded", at, 24, 3);
  params = kohl_params_default();
  at = add(ctx, graph, KOHL_LAYER_batch_norm, "norm", &params, at, -1);
  int left = convolution(ctx, graph, "left", at, 40, 1), right = convolution(ctx, graph, "right", at, 24, 1);
  at = add(ctx, graph, KOHL_LAYER_concat, "join", &params, left, right);
  at = convolution(ctx, graph, "plain", at, t->channels, 1);
  at = add(ctx, graph, KOHL_LAYER_global_avg_pool, "pool", &params, at, -1);
  params.filters = t->classes;
  at = add(ctx, graph, KOHL_LAYER_dense, "dense", &params, at, -1);
  add(ctx, graph, KOHL_LAYER_softmax, "softmax", &params, at, -1);
  ck_assert_int_eq(kohl_model_create(ctx, graph, &model), KOHL_OK);
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    ck_assert_int_eq(kohl_weight_own(ctx, weight), KOHL_OK);
    float shift = !strcmp(weight->spec.suffix, "variance") || !strcmp(weight->spec.suffix, "gamma") ? 1.0f : 0.0f;
    for (size_t j = 0; j < weight->spec.count; j++) weight->owned[j] = shift + value((uint32_t)i, j);
  }
  return model;
}

static void write_model(packed_test *t) {
  kohl_model *model = packed_make(t);
  strcpy(t->path, "/tmp/kohl_test_packed_XXXXXX");
  int fd = mkstemp(t->path);
  ck_assert_int_ge(fd, 0);
  close(fd);
  ck_assert_msg(kohl_model_save(t->ctx, model, t->path) == KOHL_OK, "%s", t->ctx->error);
  kohl_model_destroy(t->ctx, model);
}

void packed_begin(packed_test *t, bool large) {
  kohl_context_options options = kohl_context_options_default();
  *t = (packed_test){.channels = large ? PACKED_CHANNELS : 50, .classes = large ? PACKED_CLASSES : 10};
  options.log = hear;
  options.log_user = t;
  ck_assert_int_eq(kohl_context_create(&options, &t->ctx), KOHL_OK);
  write_model(t);
  snprintf(t->kept, sizeof t->kept, "%s.packed", t->path);
}

void packed_end(packed_test *t) {
  unlink(t->path);
  unlink(t->kept);
  kohl_context_destroy(t->ctx);
}

kohl_model *packed_open(packed_test *t) {
  kohl_model *model;
  ck_assert_msg(kohl_model_open(t->ctx, t->path, &model) == KOHL_OK, "%s", t->ctx->error);
  return model;
}

kohl_session *packed_session(packed_test *t, const kohl_model *model, int batch) {
  kohl_plan_options options = kohl_plan_options_default();
  kohl_session *session;
  options.batch = batch;
  ck_assert_msg(kohl_session_create(t->ctx, model, &options, &session) == KOHL_OK, "%s", t->ctx->error);
  return session;
}

void packed_run(packed_test *t, kohl_session *session, float out[PACKED_CLASSES]) {
  for (size_t i = 0; i < 3 * SIDE * SIDE; i++) kohl_session_input(session)[i] = value(1000, i);
  ck_assert_msg(kohl_session_run(session, 1) == KOHL_OK, "%s", t->ctx->error);
  int last = (int)session->model->graph->count - 1;
  ck_assert_msg(kohl_session_output(session, last, 1, out) == KOHL_OK, "%s", t->ctx->error);
}

void packed_run_in_memory(packed_test *t, float out[PACKED_CLASSES]) {
  kohl_model *model = packed_make(t);
  kohl_session *session = packed_session(t, model, 1);
  packed_run(t, session, out);
  kohl_session_destroy(session);
  kohl_model_destroy(t->ctx, model);
}

long packed_resident(const char *file) {
  FILE *maps = fopen("/proc/self/smaps", "r");
  char line[512];
  long sum = -1, kib;
  bool inside = false;
  ck_assert_ptr_nonnull(maps);
  while (fgets(line, sizeof line, maps)) {
    unsigned long begin, end;
    line[strcspn(line, "\n")] = 0;
    const size_t length = strlen(line), own = strlen(file);
    if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) inside = length > own && !strcmp(line + length - own, file);
    if (inside && sscanf(line, "Rss: %ld kB", &kib) == 1) sum = (sum < 0 ? 0 : sum) + kib;
  }
  fclose(maps);
  return sum;
}
