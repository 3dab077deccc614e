/* The optimizer's step on a device: clip_norm and the op update put on the stream, which decide for themselves. */
#include <math.h>
#include <string.h>

#include "kernels/clip_norm/clip_norm.h"
#include "kernels/core/alloc.h"
#include "kernels/update/step.h"
#include "train/update_parts.h"

/* Memory of the device, all owned. */
struct kohl_update_device {
  kohl_device *device; /* borrowed */
  float *state[KOHL_UPDATE_STATES];
  float *spare; /* for exchanging weights and average */
  kohl_update_now *now;
  float *norms; /* of gradients and of weights, 64 floats apart */
  int32_t *taken;
  void *workspace;
  struct { /* of the host, pinned */
    kohl_update_now now;
    int32_t taken;
  } * pinned;
};

enum { NORM_APART = 64 };

static kohl_status choose(kohl_update *update) {
  kohl_context *ctx = update->ctx;
  const kohl_clip_norm_desc clip = {1, (int64_t)update->count, update->desc.max_norm};
  update->rule = kohl_kernel_choose_on_device(ctx, &kohl_update_op, KOHL_FWD, &update->desc);
  if (update->rule) update->clip = kohl_kernel_choose_on_device(ctx, &kohl_clip_norm_op, KOHL_FWD, &clip);
  return update->clip ? KOHL_OK : KOHL_USAGE; /* the text says why each kernel refused */
}

kohl_status kohl_update_device_create(kohl_update *update, const float *params) {
  kohl_context *ctx = update->ctx;
  kohl_device *device = ctx->device;
  const size_t bytes = update->count * sizeof(float);
  const kohl_clip_norm_desc clip = {1, (int64_t)update->count, update->desc.max_norm};
  struct kohl_update_device *d;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *d, "an optimizer", &d);
  if (status != KOHL_OK) return status;
  update->device = d;
  d->device = device;
  status = choose(update);
  for (int i = 0; i < KOHL_UPDATE_STATES && status == KOHL_OK; i++) {
    if (update->state[i]) status = kohl_device_alloc(ctx, device, bytes, "optimizer state", (void **)&d->state[i]);
  }
  if (status == KOHL_OK && update->state[KOHL_UPDATE_AVERAGE])
    status = kohl_device_alloc(ctx, device, bytes, "averaged weights", (void **)&d->spare);
  const struct {
    void *out;
    size_t bytes;
  } small[] = {{&d->now, sizeof *d->now},
               {&d->norms, 2 * NORM_APART * sizeof *d->norms},
               {&d->taken, sizeof *d->taken},
               {&d->workspace, status == KOHL_OK ? kohl_kernel_workspace(update->clip, &clip, 1) : 0}};
  for (size_t i = 0; i < sizeof small / sizeof *small && status == KOHL_OK; i++)
    status = kohl_device_alloc(ctx, device, small[i].bytes, "an optimizer", (void **)small[i].out);
  if (status == KOHL_OK)
    status = kohl_device_alloc_host(ctx, device, sizeof *d->pinned, "an optimizer", (void **)&d->pinned);
  if (status == KOHL_OK && d->state[KOHL_UPDATE_AVERAGE])
    status = kohl_device_upload(ctx, device, d->state[KOHL_UPDATE_AVERAGE], params, bytes);
  return status == KOHL_OK ? kohl_device_wait(ctx, device) : status;
}

void kohl_update_device_destroy(kohl_update *update) {
  struct kohl_update_device *d = update->device;
  if (!d) return;
  for (int i = 0; i < KOHL_UPDATE_STATES; i++) kohl_device_free(d->device, d->state[i]);
  kohl_device_free(d->device, d->spare);
  kohl_device_free(d->device, d->now);
  kohl_device_free(d->device, d->norms);
  kohl_device_free(d->device, d->taken);
  kohl_device_free(d->device, d->workspace);
  kohl_device_free_host(d->device, d->pinned);
  kohl_free(update->ctx, d);
}

bool kohl_update_on_device(const kohl_update *update) { return update->device != NULL; }

void kohl_update_set(kohl_update *update, int64_t step, double lr) {
  update->device->pinned->now = (kohl_update_now){lr, step};
}

static kohl_status put_norm(kohl_update *update, float *x, float max_norm, float *norm) {
  const kohl_clip_norm_desc desc = {1, (int64_t)update->count, max_norm};
  kohl_args args;
  memset(&args, 0, sizeof args);
  args.out[CLIP_NORM_GRAD] = x;
  args.out[CLIP_NORM_NORM] = norm;
  args.workspace = update->device->workspace;
  update->clip->cuda->launch(&desc, &args, kohl_device_stream(update->device->device));
  return kohl_device_launched(update->ctx, update->device->device, "clip_norm");
}

kohl_status kohl_update_put(kohl_update *update, float *params, float *gradients, const float *losses, int count) {
  struct kohl_update_device *d = update->device;
  kohl_context *ctx = update->ctx;
  kohl_update_desc desc = update->desc;
  kohl_args args;
  memset(&args, 0, sizeof args);
  desc.losses = count;
  kohl_status status = kohl_device_upload(ctx, d->device, d->now, &d->pinned->now, sizeof *d->now);
  if (status == KOHL_OK) status = put_norm(update, gradients, desc.max_norm, d->norms);
  if (status == KOHL_OK && desc.weight_decay != 0.0) status = put_norm(update, params, INFINITY, d->norms + NORM_APART);
  if (status != KOHL_OK) return status;
  args.in[UPDATE_GRAD] = gradients;
  args.in[UPDATE_NOW] = d->now;
  args.in[UPDATE_NORM] = d->norms;
  args.in[UPDATE_WEIGHTS_NORM] = desc.weight_decay != 0.0 ? d->norms + NORM_APART : NULL;
  args.in[UPDATE_LOSSES] = losses;
  args.out[UPDATE_WEIGHTS] = params;
  for (int i = 0; i < KOHL_UPDATE_STATES; i++) args.out[UPDATE_FIRST + i] = d->state[i];
  args.out[UPDATE_TAKEN] = d->taken;
  update->rule->cuda->launch(&desc, &args, kohl_device_stream(d->device));
  status = kohl_device_launched(ctx, d->device, "update");
  return status == KOHL_OK ? kohl_device_download(ctx, d->device, &d->pinned->taken, d->taken, sizeof *d->taken)
                           : status;
}

bool kohl_update_taken(const kohl_update *update) { return update->device->pinned->taken != 0; }

kohl_status kohl_update_device_swap(kohl_update *update, float *params) {
  struct kohl_update_device *d = update->device;
  kohl_context *ctx = update->ctx;
  float *average = d->state[KOHL_UPDATE_AVERAGE];
  const size_t bytes = update->count * sizeof(float);
  if (!average) return KOHL_OK;
  kohl_status status = kohl_device_copy(ctx, d->device, d->spare, params, bytes);
  if (status == KOHL_OK) status = kohl_device_copy(ctx, d->device, params, average, bytes);
  return status == KOHL_OK ? kohl_device_copy(ctx, d->device, average, d->spare, bytes) : status;
}

static kohl_status move(kohl_update *update, bool down) {
  struct kohl_update_device *d = update->device;
  const size_t bytes = update->count * sizeof(float);
  kohl_status status = KOHL_OK;
  for (int i = 0; d && i < KOHL_UPDATE_STATES && status == KOHL_OK; i++) {
    if (!d->state[i]) continue;
    status = down ? kohl_device_download(update->ctx, d->device, update->state[i], d->state[i], bytes)
                  : kohl_device_upload(update->ctx, d->device, d->state[i], update->state[i], bytes);
  }
  return d && status == KOHL_OK ? kohl_device_wait(update->ctx, d->device) : status;
}

kohl_status kohl_update_fetch(kohl_update *update) { return move(update, true); }
kohl_status kohl_update_restore(kohl_update *update) { return move(update, false); }
