/* The optimizer's step, made of the ops sgd, rmsprop, adam, clip_norm and ema. */
#include <math.h>
#include <string.h>

#include "kernels/clip_norm/clip_norm.h"
#include "kernels/core/alloc.h"
#include "kernels/ema/ema.h"
#include "kernels/update/step.h"
#include "train/update_parts.h"

enum {
  FIRST = KOHL_UPDATE_FIRST,
  SECOND = KOHL_UPDATE_SECOND,
  AVERAGE = KOHL_UPDATE_AVERAGE,
  STATES = KOHL_UPDATE_STATES
};

typedef union rule_desc {
  kohl_sgd_desc sgd;
  kohl_rmsprop_desc rmsprop;
  kohl_adam_desc adam;
} rule_desc;

kohl_update_desc kohl_update_desc_of(const kohl_update_options *o, size_t count) {
  return (kohl_update_desc){.n = 1,
                            .count = (int64_t)count,
                            .rule = o->rule,
                            .momentum = o->momentum,
                            .nesterov = o->nesterov,
                            .lr_inside = o->lr_inside,
                            .rho = o->rho,
                            .epsilon_inside = o->epsilon_inside,
                            .beta1 = o->beta1,
                            .beta2 = o->beta2,
                            .epsilon_plain = o->epsilon_plain,
                            .epsilon = o->epsilon,
                            .weight_decay = o->weight_decay,
                            .max_norm = o->clip_norm > 0.0 ? (float)o->clip_norm : INFINITY,
                            .ema = o->ema};
}

size_t kohl_update_bytes(const kohl_update_options *options, size_t count) {
  const kohl_update_desc desc = kohl_update_desc_of(options, count);
  size_t bytes = 0;
  for (int i = 0; i < STATES; i++) bytes += kohl_update_has(&desc, UPDATE_FIRST + i) ? count * sizeof(float) : 0;
  return bytes;
}

size_t kohl_update_arrays(const kohl_update *update, kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS]) {
  static const char *const names[2][STATES] = {{"momentum", "square", "average"},
                                               {"first_moment", "second_moment", "average"}};
  const bool adam = update->desc.rule == KOHL_UPDATE_ADAM || update->desc.rule == KOHL_UPDATE_ADAMW;
  size_t n = 0;
  for (int i = 0; i < STATES; i++) {
    if (update->state[i]) arrays[n++] = (kohl_checkpoint_array){names[adam][i], update->state[i], update->count};
  }
  return n;
}

/* The op of the rule and the desc of one step of it. */
static const kohl_op *describe(const kohl_update_desc *d, kohl_update_now now, rule_desc *desc) {
  memset(desc, 0, sizeof *desc);
  if (d->rule == KOHL_UPDATE_SGD) {
    desc->sgd = kohl_update_sgd(d, &now);
    return &kohl_sgd_op;
  }
  if (d->rule == KOHL_UPDATE_RMSPROP) {
    desc->rmsprop = kohl_update_rmsprop(d, &now);
    return &kohl_rmsprop_op;
  }
  desc->adam = kohl_update_adam(d, &now);
  return &kohl_adam_op;
}

static kohl_status choose(kohl_update *update) {
  kohl_context *ctx = update->ctx;
  rule_desc rule;
  const kohl_op *op = describe(&update->desc, (kohl_update_now){1.0, 1}, &rule);
  const kohl_clip_norm_desc clip = {1, (int64_t)update->count, update->desc.max_norm};
  const kohl_ema_desc ema = {1, (int64_t)update->count, update->desc.ema};
  update->rule = kohl_kernel_choose(ctx, op, KOHL_FWD, &rule);
  if (update->rule) update->clip = kohl_kernel_choose(ctx, &kohl_clip_norm_op, KOHL_FWD, &clip);
  if (update->clip) update->ema = kohl_kernel_choose(ctx, &kohl_ema_op, KOHL_FWD, &ema);
  if (!update->ema) return KOHL_USAGE; /* the text says why each kernel refused */
  size_t bytes = update->clip->code->workspace_size(&clip, kohl_threads_count(ctx->threads));
  return kohl_alloc(ctx, bytes, 1, "sums of squared gradients", &update->workspace);
}

kohl_status kohl_update_create(kohl_context *ctx, const kohl_update_options *options, const float *params, size_t count,
                               kohl_update **out) {
  kohl_update *update;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *update, "an optimizer", &update);
  if (status != KOHL_OK) return status;
  update->ctx = ctx;
  update->desc = kohl_update_desc_of(options, count);
  update->count = count;
  if (!ctx->device) status = choose(update);
  for (int i = 0; i < STATES && status == KOHL_OK; i++) {
    if (kohl_update_has(&update->desc, UPDATE_FIRST + i))
      status = kohl_alloc(ctx, count, sizeof(float), "optimizer state", &update->state[i]);
  }
  if (status == KOHL_OK && ctx->device) status = kohl_update_device_create(update, params);
  if (status != KOHL_OK) {
    kohl_update_destroy(update);
    return status;
  }
  if (update->state[AVERAGE]) memcpy(update->state[AVERAGE], params, count * sizeof *params);
  *out = update;
  return KOHL_OK;
}

void kohl_update_destroy(kohl_update *update) {
  if (!update) return;
  kohl_update_device_destroy(update);
  for (int i = 0; i < STATES; i++) kohl_free(update->ctx, update->state[i]);
  kohl_free(update->ctx, update->workspace);
  kohl_free(update->ctx, update);
}

/* The Euclidean norm of x, which is then scaled down to max_norm. */
static double norm_of(const kohl_update *update, float *x, size_t count, float max_norm) {
  float norm = 0.0f;
  const kohl_clip_norm_desc desc = {1, (int64_t)count, max_norm};
  kohl_args args;
  memset(&args, 0, sizeof args);
  args.out[CLIP_NORM_GRAD] = x;
  args.out[CLIP_NORM_NORM] = &norm;
  args.workspace = update->workspace;
  update->clip->code->run(&desc, &args, update->ctx->threads);
  return (double)norm;
}

double kohl_update_norm(const kohl_update *update, const float *x, size_t count) {
  return norm_of(update, (float *)x, count, INFINITY); /* which only reads */
}

/* Clips, and says whether the step can be taken. */
static bool prepare(const kohl_update *update, double lr, float *params, float *gradients) {
  const kohl_update_desc *d = &update->desc;
  const bool asked = d->max_norm < INFINITY || d->weight_decay != 0.0; /* for the norm itself */
  if (!asked && update->bound > 0.0 && kohl_update_allowed(d, lr, update->bound, 0.0)) return true;
  const double norm = norm_of(update, gradients, update->count, d->max_norm);
  return kohl_update_allowed(d, lr, norm,
                             d->weight_decay != 0.0 ? norm_of(update, params, update->count, INFINITY) : 0.0);
}

static void take(const kohl_update *update, const kohl_update_now *now, float *params, const float *gradients) {
  rule_desc desc;
  kohl_args args;
  memset(&args, 0, sizeof args);
  const kohl_op *op = describe(&update->desc, *now, &desc);
  float *first = update->state[FIRST], *second = update->state[SECOND];
  args.in[0] = gradients; /* SGD_GRAD, RMSPROP_GRAD, ADAM_GRAD; and the weights are the first output of each */
  args.out[0] = params;
  if (op == &kohl_sgd_op) {
    args.out[SGD_M] = first;
  } else if (op == &kohl_rmsprop_op) {
    args.out[RMSPROP_V] = second;
    args.out[RMSPROP_M] = first;
  } else {
    args.out[ADAM_M] = first;
    args.out[ADAM_V] = second;
  }
  update->rule->code->run(&desc, &args, update->ctx->threads);
}

bool kohl_update_step(kohl_update *update, int64_t step, double lr, float *params, float *gradients) {
  const kohl_update_now now = {lr, step};
  const bool good = prepare(update, lr, params, gradients);
  update->bound = 0.0;
  if (!good) return false;
  take(update, &now, params, gradients);
  if (!update->state[AVERAGE]) return true;
  const kohl_ema_desc ema = {1, (int64_t)update->count, update->desc.ema};
  kohl_args args;
  memset(&args, 0, sizeof args);
  args.in[EMA_WEIGHTS] = params;
  args.out[EMA_AVERAGE] = update->state[AVERAGE];
  update->ema->code->run(&ema, &args, update->ctx->threads);
  return true;
}

void kohl_update_bound(kohl_update *update, double norm) { update->bound = norm; }

kohl_status kohl_update_swap(kohl_update *update, float *params) {
  if (update->device) return kohl_update_device_swap(update, params);
  float *average = update->state[AVERAGE];
  for (size_t i = 0; average && i < update->count; i++) {
    float t = params[i];
    params[i] = average[i];
    average[i] = t;
  }
  return KOHL_OK;
}
