/* The state of one training run, shared by fit.c (what comes when), lists.c (what is learned from), learner.c (what is
 * trained), epoch.c and validate.c (a pass) and keep.c (what is written). */
#ifndef KOHL_TRAIN_RUN_H
#define KOHL_TRAIN_RUN_H

#include "datasets/balance.h"
#include "nn/session.h"
#include "train/checkpoint.h"
#include "train/features.h"
#include "train/fit.h"
#include "train/head.h"
#include "train/metrics.h"
#include "train/runfolder.h"
#include "train/update.h"

typedef struct kohl_run {
  kohl_context *ctx;
  const kohl_train_options *options;
  kohl_recipe recipe;
  uint32_t recipe_digest, data_digest, features_digest;
  kohl_samples samples;
  size_t copies; /* pictures that were dropped as copies */
  size_t *list;  /* owned: indices into samples, training first, then validation; each picture once */
  size_t train_count, validation_count;
  kohl_list draws; /* of an epoch, in the list's order: indices into samples, some of them several times */
  size_t *row;     /* [draws.count], owned: the place of a draw's picture in list */
  kohl_preprocessing pre;
  kohl_model *base, *head;
  kohl_features train, validation;
  float *class_weights, *positive_weights; /* [classes], owned */
  kohl_session *session;                   /* of the head, for training */
  kohl_update *update;                     /* the optimizer with its state, owned */
  float *probabilities;                    /* [batch][classes], owned: of one step */
  int32_t *truth;                          /* [batch], owned: the classes of one step */
  size_t *order;                           /* [draws.count], owned: this epoch's positions in draws */
  int64_t epoch, step;                     /* complete epochs, updates */
  int64_t best_epoch;                      /* 0: none */
  double best;                             /* its figure: larger is better */
  int bad_steps;                           /* steps in a row that were not finite */
  kohl_text history;                       /* metrics.csv */
  kohl_train_result result;
  double begun; /* seconds: when this pass began, for rates */
} kohl_run;

/* What an epoch gave. */
typedef struct kohl_epoch {
  double lr; /* of its last step */
  double loss, accuracy;
  kohl_metrics metrics; /* of the validation part; empty without one */
  double val_loss;
  double seconds;
} kohl_epoch;

/* Opens the data, drops copies, splits, and makes the lists.  What is dropped, given to a part and drawn is a function
 * of the recipe and the files alone. */
kohl_status kohl_run_data(kohl_run *run);

/* Makes what learns, for features that are there: class weights, the head with its session, the optimizer. */
kohl_status kohl_run_learner(kohl_run *run);

/* Puts the weights that are judged and kept into head: the optimizer's average where it has one, else the trained ones.
 */
kohl_status kohl_run_store(kohl_run *run);

/* One pass over the training part and, where there is one, the validation part.  epoch counts from 1 and keys order
 * and dropout.  epoch's metrics are the caller's, also on failure. */
kohl_status kohl_run_epoch(kohl_run *run, int64_t epoch, kohl_epoch *out);

/* Judges the weights of kohl_run_store by the validation part: out's metrics and val_loss. */
kohl_status kohl_run_validate(kohl_run *run, kohl_epoch *out);

/* The order of an epoch: a shuffle of 0 .. count-1 keyed by (seed, epoch). */
void kohl_epoch_order(uint64_t seed, uint32_t epoch, size_t *order, size_t count);

/* The lists as files, labels.txt and recipe.yaml. */
kohl_status kohl_run_write_lists(kohl_run *run);

/* After an epoch: best.safetensors when it is the best so far, a line of metrics.csv, the checkpoint. */
kohl_status kohl_run_keep(kohl_run *run, int64_t epoch, const kohl_epoch *what);

/* Writes the checkpoint, or reads it back into the run. */
kohl_status kohl_run_save(kohl_run *run);
kohl_status kohl_run_load(kohl_run *run);

/* Seconds of a clock that only goes forward. */
double kohl_run_clock(void);

#endif
