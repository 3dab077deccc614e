/* Training steps on random pictures: what --mode says, and the step itself. */
#include "cli/training.h"

#include <math.h>
#include <string.h>

#include "cli/network.h"

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

/* A whole step is one graph. */
static kohl_status put_update(void *user, int n) {
  const cli_trainer *trainer = user;
  const kohl_session *session = trainer->session;
  const kohl_plan *plan = session->plan;
  return kohl_update_put(trainer->update, kohl_session_at(session, plan->params),
                         kohl_session_at(session, plan->gradients), kohl_session_at(session, plan->heads[0].losses), n);
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
  const kohl_update_options options = {.rule = KOHL_UPDATE_RMSPROP, .rho = 0.9, .epsilon = 1e-7};
  const float *params = kohl_session_params(session, &count);
  kohl_status status = kohl_update_create(c->ctx, &options, params, count, &out->update);
  if (status == KOHL_OK && kohl_update_on_device(out->update)) session->tail = put_update, session->tail_user = out;
  return status;
}

kohl_status cli_trainer_step(cli *c, cli_trainer *trainer) {
  kohl_session *session = trainer->session;
  int batch = session->plan->options.batch;
  trainer->steps++;
  if (kohl_update_on_device(trainer->update)) kohl_update_set(trainer->update, trainer->steps, 1e-4);
  kohl_status status = kohl_session_backward(session, batch, 1);
  if (status != KOHL_OK) return status;
  double loss = kohl_session_loss(session, batch);
  if (!isfinite(loss)) return kohl_fail(c->ctx, KOHL_NOT_FINITE, "training: the loss is %g", loss);
  const kohl_plan *plan = session->plan;
  float *params = kohl_session_at(session, plan->params), *gradients = kohl_session_at(session, plan->gradients);
  bool taken;
  if (kohl_update_on_device(trainer->update)) {
    taken = kohl_update_taken(trainer->update);
  } else {
    taken = kohl_update_step(trainer->update, trainer->steps, 1e-4, params, gradients);
  }
  if (taken) return KOHL_OK;
  return kohl_fail(c->ctx, KOHL_NOT_FINITE, "training: a gradient is not finite");
}

void cli_trainer_free(cli_trainer *trainer) {
  kohl_update_destroy(trainer->update);
  trainer->update = NULL;
}
