/* What the two files of the optimizer share: update.c (the CPU) and update_device.c. */
#ifndef KOHL_TRAIN_UPDATE_PARTS_H
#define KOHL_TRAIN_UPDATE_PARTS_H

#include "train/update.h"

/* The state in the order of the op update's slots: array i is that of slot UPDATE_FIRST + i. */
enum { KOHL_UPDATE_FIRST, KOHL_UPDATE_SECOND, KOHL_UPDATE_AVERAGE, KOHL_UPDATE_STATES };

struct kohl_update {
  kohl_context *ctx; /* borrowed */
  kohl_update_desc desc;
  size_t count;
  float *state[KOHL_UPDATE_STATES];     /* owned, of the host; NULL where the options need none */
  const kohl_kernel *rule, *clip, *ema; /* on a device: the op update, clip_norm, none */
  void *workspace;                      /* of clip, owned */
  double bound;                         /* of the next step's gradients; 0: not known */
  struct kohl_update_device *device;    /* NULL: the CPU */
};

/* Chooses kernels of ctx->device and makes their memory; the average is params (of the host). */
kohl_status kohl_update_device_create(kohl_update *update, const float *params);
void kohl_update_device_destroy(kohl_update *update);
kohl_status kohl_update_device_swap(kohl_update *update, float *params);

#endif
