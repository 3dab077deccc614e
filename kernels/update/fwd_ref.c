/* update, the reference: the decision, then the references of its parts. */
#include <string.h>

#include "kernels/ema/ema.h"
#include "kernels/update/step.h"

extern const kohl_kernel_code kohl_sgd_fwd_ref, kohl_rmsprop_fwd_ref, kohl_adam_fwd_ref, kohl_ema_fwd_ref;

static bool allowed(const kohl_update_desc *d, const kohl_args *args) {
  const kohl_update_now *now = args->in[UPDATE_NOW];
  const float *norm = args->in[UPDATE_NORM], *weights_norm = args->in[UPDATE_WEIGHTS_NORM];
  const float *losses = args->in[UPDATE_LOSSES];
  for (int i = 0; i < d->losses; i++) {
    if (!(losses[i] - losses[i] == 0.0f)) return false;
  }
  return kohl_update_allowed(d, now->lr, (double)*norm, d->weight_decay != 0.0 ? (double)*weights_norm : 0.0);
}

static void take(const kohl_update_desc *d, const kohl_args *args, kohl_threads *threads) {
  const kohl_update_now *now = args->in[UPDATE_NOW];
  kohl_args rule;
  memset(&rule, 0, sizeof rule);
  rule.in[0] = args->in[UPDATE_GRAD]; /* SGD_GRAD, RMSPROP_GRAD, ADAM_GRAD; weights are the first output of each */
  rule.out[0] = args->out[UPDATE_WEIGHTS];
  if (d->rule == KOHL_UPDATE_SGD) {
    const kohl_sgd_desc desc = kohl_update_sgd(d, now);
    rule.out[SGD_M] = args->out[UPDATE_FIRST];
    kohl_sgd_fwd_ref.run(&desc, &rule, threads);
  } else if (d->rule == KOHL_UPDATE_RMSPROP) {
    const kohl_rmsprop_desc desc = kohl_update_rmsprop(d, now);
    rule.out[RMSPROP_V] = args->out[UPDATE_SECOND];
    rule.out[RMSPROP_M] = args->out[UPDATE_FIRST];
    kohl_rmsprop_fwd_ref.run(&desc, &rule, threads);
  } else {
    const kohl_adam_desc desc = kohl_update_adam(d, now);
    rule.out[ADAM_M] = args->out[UPDATE_FIRST];
    rule.out[ADAM_V] = args->out[UPDATE_SECOND];
    kohl_adam_fwd_ref.run(&desc, &rule, threads);
  }
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  const kohl_update_desc *d = desc;
  int32_t *taken = args->out[UPDATE_TAKEN];
  *taken = allowed(d, args);
  if (!*taken) return;
  take(d, args, threads);
  if (!kohl_update_has(d, UPDATE_AVERAGE)) return;
  const kohl_ema_desc ema = {1, d->count, d->ema};
  kohl_args average;
  memset(&average, 0, sizeof average);
  average.in[EMA_WEIGHTS] = args->out[UPDATE_WEIGHTS];
  average.out[EMA_AVERAGE] = args->out[UPDATE_AVERAGE];
  kohl_ema_fwd_ref.run(&ema, &average, threads);
}

const kohl_kernel_code kohl_update_fwd_ref = {kohl_update_check, NULL, NULL, NULL, run};
