/* The state of a run between two epochs, in one safetensors file: last.ckpt, and the one before as previous.ckpt.
 *
 * With the recipe, the data and the base it is everything that a run needs to go on as if it had never stopped. */
#ifndef KOHL_TRAIN_CHECKPOINT_H
#define KOHL_TRAIN_CHECKPOINT_H

#include "kernels/core/context.h"

/* One array of the state: params, running statistics, or what the optimizer keeps (train/update.h). */
typedef struct kohl_checkpoint_array {
  const char *name; /* of its tensor */
  float *values;    /* the owner's */
  size_t count;     /* floats */
} kohl_checkpoint_array;
enum { KOHL_CHECKPOINT_ARRAYS = 5 };

typedef struct kohl_checkpoint {
  int64_t epoch;         /* complete epochs */
  int64_t step;          /* updates of the weights so far */
  int64_t best_epoch;    /* from 1; 0: none yet */
  double best;           /* its figure: an accuracy, or minus a loss */
  uint32_t recipe, data; /* CRC32C of the recipe's text and of the lists */
  uint32_t features;     /* CRC32C of the base's outputs: another machine or CPU level gives others */
  uint32_t plan;         /* of the head's kernels, likewise */
  kohl_checkpoint_array arrays[KOHL_CHECKPOINT_ARRAYS];
  size_t array_count;
  char *history; /* text of metrics.csv so far; after load the caller's until kohl_free */
} kohl_checkpoint;

/* Writes FOLDER/last.ckpt (tmp, CRCs, fsync, rename); the old one stays as previous.ckpt. */
kohl_status kohl_checkpoint_save(kohl_context *ctx, const char *folder, const kohl_checkpoint *checkpoint);

/* Is there a checkpoint to load? */
bool kohl_checkpoint_exists(const char *folder);

/* Reads the newest one whose checksums all verify, last.ckpt first; a damaged one is named in the log.  recipe and
 * the arrays are given: the arrays are filled, the rest is set.  KOHL_USAGE: it is of another recipe (the arrays
 * are then untouched).  KOHL_BAD_INPUT names the file, the tensor or field and both values. */
kohl_status kohl_checkpoint_load(kohl_context *ctx, const char *folder, kohl_checkpoint *checkpoint);

#endif
