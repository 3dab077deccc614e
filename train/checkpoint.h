/* The state of a run after an update, in one safetensors file: last.ckpt, and the one before as previous.ckpt.
 *
 * With the recipe, the data, the base and the file of the phase (train/fit.h) it is everything that a run needs to go
 * on as if it had never stopped. */
#ifndef KOHL_TRAIN_CHECKPOINT_H
#define KOHL_TRAIN_CHECKPOINT_H

#include "nn/safetensors.h"
#include "train/schedule.h"

/* One head's part of it: of the draws of the epoch at hand that steps have taken, and of the validation part in the
 * best epoch. */
typedef struct kohl_train_head {
  double loss, divisor; /* sums of the losses and of what they are divided by */
  int64_t right, seen;  /* right answers, good pictures with a label */
  double best_loss, best_accuracy, best_balanced, best_macro_f1;
} kohl_train_head;
enum { KOHL_TRAIN_HEADS = 16 };

/* How far a run is. */
typedef struct kohl_train_place {
  int64_t phase;              /* from 0 */
  int64_t epoch, phase_epoch; /* complete epochs, of the run and of the phase */
  int64_t step, phase_step;   /* updates, likewise */
  int64_t at;                 /* draws of the epoch at hand that steps have taken */
  kohl_train_head head[KOHL_TRAIN_HEADS];
  int64_t head_count;
  int64_t bad_steps;                              /* refused steps in a row */
  int64_t ended;                                  /* 1: the phase has had its last epoch */
  int64_t best_epoch;                             /* from 1; 0: none yet */
  double best;                                    /* its figure: larger is better; -DBL_MAX: none yet */
  double best_loss, best_accuracy, best_balanced; /* of the validation part in that epoch: of all heads, of the first */
  kohl_schedule_state schedule;
} kohl_train_place;

/* Of a new run. */
kohl_train_place kohl_train_place_begin(void);

/* One array of the state: params, running statistics, or what the optimizer keeps (train/update.h). */
typedef struct kohl_checkpoint_array {
  const char *name; /* of its tensor */
  float *values;    /* the owner's */
  size_t count;     /* floats */
} kohl_checkpoint_array;
enum { KOHL_CHECKPOINT_ARRAYS = 5 };

typedef struct kohl_checkpoint {
  kohl_train_place place;
  uint32_t recipe, data; /* CRC32C of the recipe's text and of the lists */
  uint32_t features;     /* CRC32C of the base's outputs: another machine or CPU level gives others; 0: not kept */
  uint32_t plan;         /* of the kernels, likewise */
  char *kernels;         /* names of the kernels (kernels/core/record.h), "" where they are not known; as history */
  kohl_checkpoint_array arrays[KOHL_CHECKPOINT_ARRAYS];
  size_t array_count;
  char *history; /* text of metrics.csv so far; after kohl_checkpoint_open the caller's until kohl_free */
} kohl_checkpoint;

/* Writes FOLDER/last.ckpt (tmp, CRCs, fsync, rename); the old one stays as previous.ckpt. */
kohl_status kohl_checkpoint_save(kohl_context *ctx, const char *folder, const kohl_checkpoint *checkpoint);

/* Is there a checkpoint to load? */
bool kohl_checkpoint_exists(const char *folder);

/* Opens the newest one that is whole, with all its checksums, last.ckpt first; a damaged one is named in the log.
 * All but the arrays is set.  KOHL_BAD_INPUT names the file, the tensor or field and both values.  *file is the
 * caller's until kohl_safetensors_close. */
kohl_status kohl_checkpoint_open(kohl_context *ctx, const char *folder, kohl_checkpoint *checkpoint,
                                 kohl_safetensors **file);

/* Fills the arrays of an opened one.  KOHL_BAD_INPUT names the tensor: another number of them, or of floats. */
kohl_status kohl_checkpoint_read(kohl_context *ctx, const kohl_safetensors *file, kohl_checkpoint *checkpoint);

#endif
