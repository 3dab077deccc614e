/* The optimizer's step, made of the ops sgd, rmsprop, adam, clip_norm and ema. */
#include "train/update.h"

#include <math.h>
#include <string.h>

#include "kernels/adam/adam.h"
#include "kernels/clip_norm/clip_norm.h"
#include "kernels/core/alloc.h"
#include "kernels/ema/ema.h"
#include "kernels/rmsprop/rmsprop.h"
#include "kernels/sgd/sgd.h"

/* What an array is for; its place in kohl_update.state. */
enum { MOMENTUM, SQUARE, FIRST, SECOND, AVERAGE, STATES };
static const char *const names[STATES] = {"momentum", "square", "first_moment", "second_moment", "average"};

typedef union rule_desc {
  kohl_sgd_desc sgd;
  kohl_rmsprop_desc rmsprop;
  kohl_adam_desc adam;
} rule_desc;

struct kohl_update {
  kohl_context *ctx; /* borrowed */
  kohl_update_options options;
  size_t count;
  float *state[STATES]; /* owned; NULL where the options need none */
  const kohl_kernel *rule, *clip, *ema;
  void *workspace; /* of clip, owned */
  double bound;    /* of the next step's gradients; 0: not known */
};

static bool needs(const kohl_update_options *o, int state) {
  const bool adam = o->rule == KOHL_UPDATE_ADAM || o->rule == KOHL_UPDATE_ADAMW;
  switch (state) {
    case MOMENTUM: return !adam && o->momentum > 0.0;
    case SQUARE: return o->rule == KOHL_UPDATE_RMSPROP;
    case AVERAGE: return o->ema > 0.0;
    default: return adam; /* both moments */
  }
}

size_t kohl_update_bytes(const kohl_update_options *options, size_t count) {
  size_t bytes = 0;
  for (int i = 0; i < STATES; i++) bytes += needs(options, i) ? count * sizeof(float) : 0;
  return bytes;
}

size_t kohl_update_arrays(const kohl_update *update, kohl_checkpoint_array arrays[KOHL_UPDATE_ARRAYS]) {
  size_t n = 0;
  for (int i = 0; i < STATES; i++) {
    if (update->state[i]) arrays[n++] = (kohl_checkpoint_array){names[i], update->state[i], update->count};
  }
  return n;
}

/* The op of the rule and the desc of one step of it. */
static const kohl_op *describe(const kohl_update_options *o, size_t count, int64_t step, double lr, rule_desc *desc) {
  memset(desc, 0, sizeof *desc);
  if (o->rule == KOHL_UPDATE_SGD) {
    desc->sgd = (kohl_sgd_desc){.n = 1,
                                .count = (int64_t)count,
                                .lr = (float)lr,
                                .momentum = (float)o->momentum,
                                .weight_decay = (float)o->weight_decay,
                                .nesterov = o->nesterov,
                                .lr_inside = o->lr_inside};
    return &kohl_sgd_op;
  }
  if (o->rule == KOHL_UPDATE_RMSPROP) {
    desc->rmsprop = (kohl_rmsprop_desc){.n = 1,
                                        .count = (int64_t)count,
                                        .lr = (float)lr,
                                        .rho = (float)o->rho,
                                        .epsilon = (float)o->epsilon,
                                        .momentum = (float)o->momentum,
                                        .weight_decay = (float)o->weight_decay,
                                        .epsilon_inside = o->epsilon_inside};
    return &kohl_rmsprop_op;
  }
  desc->adam = (kohl_adam_desc){.n = 1,
                                .count = (int64_t)count,
                                .step = step,
                                .lr = lr,
                                .beta1 = o->beta1,
                                .beta2 = o->beta2,
                                .epsilon = o->epsilon,
                                .weight_decay = o->weight_decay,
                                .epsilon_place = o->epsilon_plain ? KOHL_ADAM_EPSILON_PLAIN : KOHL_ADAM_EPSILON_HAT,
                                .decoupled = o->rule == KOHL_UPDATE_ADAMW};
  return &kohl_adam_op;
}

static kohl_clip_norm_desc clip_desc(const kohl_update *update) {
  const double max = update->options.clip_norm;
  return (kohl_clip_norm_desc){1, (int64_t)update->count, max > 0.0 ? (float)max : INFINITY};
}

static kohl_status choose(kohl_update *update) {
  kohl_context *ctx = update->ctx;
  rule_desc rule;
  const kohl_op *op = describe(&update->options, update->count, 1, 1.0, &rule);
  const kohl_clip_norm_desc clip = clip_desc(update);
  const kohl_ema_desc ema = {1, (int64_t)update->count, update->options.ema};
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
  update->options = *options;
  update->count = count;
  status = choose(update);
  for (int i = 0; i < STATES && status == KOHL_OK; i++) {
    if (needs(options, i)) status = kohl_alloc(ctx, count, sizeof(float), "optimizer state", &update->state[i]);
  }
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
  for (int i = 0; i < STATES; i++) kohl_free(update->ctx, update->state[i]);
  kohl_free(update->ctx, update->workspace);
  kohl_free(update->ctx, update);
}

/* The Euclidean norm of x, which is then scaled down to max_norm. */
static double norm_of(const kohl_update *update, float *x, size_t count, float max_norm) {
  float norm = 0.0f;
  kohl_clip_norm_desc desc = {1, (int64_t)count, max_norm};
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

/* Clips, and says whether the step can be taken.  A norm bounds every element: g <= 1e18 has a square that is a number,
 * and with g <= 1e37 (1 - momentum) / lr, at this rate or at falling ones, lr times a sum of momentum's geometric
 * series is at most 1e37, so that 17 such steps do not reach infinity while the forward pass that refuses a loss comes
 * before each.  RMSprop's and Adam's quotients are a few lr.  What the decay adds counts with the gradient, or for
 * AdamW with the step. */
static bool prepare(const kohl_update *update, double lr, float *params, float *gradients) {
  const kohl_update_options *o = &update->options;
  const bool adamw = o->rule == KOHL_UPDATE_ADAMW;
  const float max_norm = clip_desc(update).max_norm;
  double limit = 1e37 / lr;
  if (needs(o, MOMENTUM)) limit *= 1.0 - o->momentum;
  if (limit > 1e18) limit = 1e18;
  const bool bounded = update->bound > 0.0 && update->bound <= limit && o->clip_norm <= 0.0 && o->weight_decay == 0.0;
  if (bounded) return true;
  double norm = norm_of(update, gradients, update->count, max_norm);
  if (!(norm < INFINITY)) return false;
  if (norm > (double)max_norm) norm = (double)max_norm;
  double shrink = o->weight_decay != 0.0 ? o->weight_decay * norm_of(update, params, update->count, INFINITY) : 0.0;
  return adamw ? norm <= limit && lr * shrink <= 1e37 : norm + shrink <= limit; /* false for NaN */
}

bool kohl_update_step(kohl_update *update, int64_t step, double lr, float *params, float *gradients) {
  const bool good = prepare(update, lr, params, gradients);
  update->bound = 0.0;
  if (!good) return false;
  rule_desc desc;
  kohl_args args;
  memset(&args, 0, sizeof args);
  const kohl_op *op = describe(&update->options, update->count, step, lr, &desc);
  args.in[0] = gradients; /* SGD_GRAD, RMSPROP_GRAD, ADAM_GRAD; and the weights are the first output of each */
  args.out[0] = params;
  if (op == &kohl_sgd_op) {
    args.out[SGD_M] = update->state[MOMENTUM];
  } else if (op == &kohl_rmsprop_op) {
    args.out[RMSPROP_V] = update->state[SQUARE];
    args.out[RMSPROP_M] = update->state[MOMENTUM];
  } else {
    args.out[ADAM_M] = update->state[FIRST];
    args.out[ADAM_V] = update->state[SECOND];
  }
  update->rule->code->run(&desc, &args, update->ctx->threads);
  if (!update->state[AVERAGE]) return true;
  const kohl_ema_desc ema = {1, (int64_t)update->count, update->options.ema};
  memset(&args, 0, sizeof args);
  args.in[EMA_WEIGHTS] = params;
  args.out[EMA_AVERAGE] = update->state[AVERAGE];
  update->ema->code->run(&ema, &args, update->ctx->threads);
  return true;
}

void kohl_update_bound(kohl_update *update, double norm) { update->bound = norm; }

void kohl_update_swap(kohl_update *update, float *params) {
  float *average = update->state[AVERAGE];
  for (size_t i = 0; average && i < update->count; i++) {
    float t = params[i];
    params[i] = average[i];
    average[i] = t;
  }
}
