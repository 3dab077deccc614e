/* Training steps on random pictures: what --mode says, and the step itself. */
#include "cli/training.h"

#include <math.h>
#include <string.h>

#include "cli/network.h"
#include "kernels/rmsprop/rmsprop.h"

int cli_training_mode(cli *c, kohl_graph *graph, bool *train) {
  const char *mode = cli_get(c, CLI_OPTION_mode)->text;
  *train = false;
  if (!strcmp(mode, "infer")) return 0;
  if (strncmp(mode, "train", 5) || (mode[5] && mode[5] != ':')) {
    return cli_fail(c, KOHL_USAGE, "--mode: value '%s', expected infer, train, train:head or train:LAYER", mode);
  }
  int from = 0;
  if (!strcmp(mode, "train:head")) {
    from = graph->base_output + 1;
    if (from == 0) return cli_fail(c, KOHL_USAGE, "--mode %s: the network has no head", mode);
  } else if (mode[5]) {
    kohl_status status = kohl_graph_need(c->ctx, graph, "--mode", mode + 6, &from);
    if (status != KOHL_OK) return cli_fail_library(c, status);
  }
  for (size_t i = 0; i < graph->count; i++) graph->nodes[i].trainable = (int)i >= from;
  *train = true;
  return 0;
}

kohl_status cli_trainer_begin(cli *c, kohl_session *session, cli_trainer *out) {
  const kohl_plan *plan = session->plan;
  kohl_shape in = plan->buffers[plan->input].shape;
  size_t count;
  *out = (cli_trainer){.session = session};
  cli_fill_random(kohl_session_input(session), (size_t)plan->options.batch * (size_t)in.h * (size_t)in.w * (size_t)in.c,
                  0);
  for (int i = 0; i < plan->options.batch; i++) kohl_session_draws(session)[i] = (uint64_t)i;
  for (size_t h = 0; h < plan->head_count; h++) {
    kohl_session_head head = kohl_session_head_at(session, h);
    for (int i = 0; head.labels && i < plan->options.batch; i++) head.labels[i] = i % head.k;
    for (int i = 0; head.targets && i < plan->options.batch * head.k; i++) head.targets[i] = (float)(i % 2);
  }
  kohl_session_params(session, &count);
  kohl_rmsprop_desc desc = {.n = 1, .count = (int64_t)count, .lr = 1e-4f, .rho = 0.9f, .epsilon = 1e-7f};
  out->update = kohl_kernel_choose(c->ctx, &kohl_rmsprop_op, KOHL_FWD, &desc);
  if (!out->update) return KOHL_USAGE; /* the text says why each kernel refused */
  return kohl_alloc(c->ctx, count, sizeof(float), "optimizer state", &out->square);
}

kohl_status cli_trainer_step(cli *c, cli_trainer *trainer) {
  size_t count;
  kohl_session *session = trainer->session;
  int batch = session->plan->options.batch;
  kohl_status status = kohl_session_backward(session, batch, 1);
  if (status != KOHL_OK) return status;
  double loss = kohl_session_loss(session, batch);
  if (!isfinite(loss)) return kohl_fail(c->ctx, KOHL_NOT_FINITE, "training: the loss is %g", loss);
  kohl_args args;
  memset(&args, 0, sizeof args);
  args.out[RMSPROP_WEIGHTS] = kohl_session_params(session, &count);
  args.in[RMSPROP_GRAD] = kohl_session_gradients(session, &count);
  args.out[RMSPROP_V] = trainer->square;
  kohl_rmsprop_desc desc = {.n = 1, .count = (int64_t)count, .lr = 1e-4f, .rho = 0.9f, .epsilon = 1e-7f};
  trainer->update->code->run(&desc, &args, c->ctx->threads);
  return KOHL_OK;
}

void cli_trainer_free(cli *c, cli_trainer *trainer) {
  kohl_free(c->ctx, trainer->square);
  trainer->square = NULL;
}
