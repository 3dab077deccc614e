/* The state of one training run, shared by the files that make it: fit.c (what comes when), setup.c (recipe and base),
 * lists.c (what is learned from), heads.c (what is asked), phase.c (what a phase begins and ends with), feed.c (what a
 * step reads), learner.c (what is trained), step.c, epoch.c and validate.c (a pass), keep.c (what is written) and
 * resume.c (the checkpoint).
 *
 * model is the whole network.  A phase cuts it at its boundary, below which nothing is trained and nothing random
 * happens: what the part below gives is worked out once per picture where memory allows, and a step then runs the part
 * above alone (rest); else a step runs the whole. */
#ifndef KOHL_TRAIN_RUN_H
#define KOHL_TRAIN_RUN_H

#include "datasets/balance.h"
#include "kernels/core/record.h"
#include "nn/session.h"
#include "train/accumulate.h"
#include "train/checkpoint.h"
#include "train/events.h"
#include "train/feed.h"
#include "train/fit.h"
#include "train/head.h"
#include "train/head_labels.h"
#include "train/metrics.h"
#include "train/runfolder.h"
#include "train/update.h"

/* A question that is asked of every picture.  There is one, or those of the recipe's list. */
typedef struct kohl_run_head {
  const kohl_recipe_head *recipe;
  const char *name; /* "" where the recipe lists none; else its last layer's */
  bool sigmoid, several;
  kohl_head_labels labels;
  size_t first;                            /* place of its probabilities in a row of all heads' */
  float *class_weights, *positive_weights; /* [classes], owned; of the phase */
} kohl_run_head;

/* What the network says about the validation part's good pictures. */
typedef struct kohl_answers {
  size_t count, classes;
  float *rows;    /* [count][classes]: probabilities, of all heads one behind the other */
  size_t *sample; /* [count]: indices into the samples */
} kohl_answers;

/* What an epoch gave: one head's part of it, and all. */
typedef struct kohl_epoch_head {
  double loss, accuracy;
  kohl_metrics metrics; /* of the validation part; empty without one */
  double val_loss;
} kohl_epoch_head;
typedef struct kohl_epoch {
  double lr;             /* of its last step */
  double loss, val_loss; /* the heads', each times its weight */
  kohl_epoch_head head[KOHL_RECIPE_HEADS];
  double seconds;
} kohl_epoch;

typedef struct kohl_run {
  kohl_context *ctx;
  const kohl_train_options *options;
  kohl_recipe recipe;
  const kohl_recipe_phase *phase; /* of the recipe: the one at hand */
  uint32_t recipe_digest, data_digest, features_digest;
  uint32_t recorded_features, recorded_plan; /* of the checkpoint that was taken up */
  kohl_kernel_record again, chosen;          /* its kernels, and those of this call */
  kohl_samples samples;
  kohl_run_head head[KOHL_RECIPE_HEADS];
  size_t head_count;
  size_t outputs; /* probabilities of a picture, of all heads */
  size_t copies;  /* pictures that were dropped as copies */
  size_t *list;   /* owned: indices into samples, training first, then validation; each picture once */
  size_t train_count, validation_count;
  kohl_list draws;             /* of an epoch, in the list's order: indices into samples, some of them several times */
  size_t *row;                 /* [draws.count], owned: the place of a draw's picture in list */
  kohl_preprocessing own, pre; /* the base's, the run's */
  bool looked;                 /* every picture of list was opened once: the bad ones are known */
  kohl_cache *pictures;        /* fitted pictures, or NULL */
  kohl_model *model;           /* the whole network; its weights are those of the last kohl_run_store */
  kohl_feed feed;              /* of the phase */
  kohl_session *session;       /* of feed.rest, for training */
  kohl_update *update;         /* the optimizer with its state, owned */
  kohl_accumulate *sum;        /* of gradients, owned; NULL where every batch is an update */
  float *probabilities;        /* [batch][classes of the largest head], owned: of one batch */
  size_t *order;               /* [draws.count], owned: this epoch's positions in draws */
  kohl_train_place place;      /* how far the run is */
  kohl_answers answers;        /* owned: of the last epoch that was judged */
  kohl_events *events;         /* TensorBoard's, or NULL */
  kohl_text history;           /* metrics.csv */
  kohl_train_result result;
  char watched[96];      /* the recipe's word `best` */
  double watched_value;  /* its figure after the last epoch; NaN before */
  double started, begun; /* seconds: when the call and this pass began */
} kohl_run;

/* Reads and settles the recipe, opens the base and makes the network: base, head, initial weights.  own is the base's
 * preprocessing. */
kohl_status kohl_run_setup(kohl_run *run);

/* Opens the data, drops copies, splits, and makes the lists.  What is dropped, given to a part and drawn is a function
 * of the recipe and the files alone. */
kohl_status kohl_run_data(kohl_run *run);

/* Makes run->head: labels, checked against the lists, and places in a row.  columns: names of the CSV's columns that
 * the further heads read (KOHL_RECIPE_HEADS - 1 places are filled); returns how many. */
size_t kohl_run_columns(const kohl_run *run, const char *columns[KOHL_RECIPE_HEADS]);
kohl_status kohl_run_heads(kohl_run *run);
void kohl_run_heads_free(kohl_run *run);

/* The output layers of the heads in a graph of the run: nodes[head_count]. */
void kohl_run_nodes(const kohl_run *run, const kohl_graph *graph, int nodes[KOHL_RECIPE_HEADS]);

/* The answers to one head about the pictures that have a label for it.  *out's arrays are the caller's, also on
 * failure.
 */
kohl_status kohl_run_answers(const kohl_run *run, size_t head, kohl_answers *out);

/* The preprocessing of the run and, where no pass over the pictures has done so yet, a look at every one of them. */
kohl_status kohl_run_preprocessing(kohl_run *run);
kohl_status kohl_run_look(kohl_run *run);

/* Begins phase number place.phase with run->model: marks layers, makes the feed and what learns. */
kohl_status kohl_phase_begin(kohl_run *run);
/* After its last epoch, where another phase follows: the weights that it begins with go to run->model and a file. */
kohl_status kohl_phase_advance(kohl_run *run);
/* Frees what belongs to the phase. */
void kohl_phase_free(kohl_run *run);
/* Puts the network of place.phase, as it was when that phase began, into run->model: for a resume. */
kohl_status kohl_phase_reopen(kohl_run *run);

/* Makes what learns, for a feed that is there: class weights, session, optimizer. */
kohl_status kohl_run_put_update(kohl_run *run, int n); /* device: the optimizer's step behind n losses; 0: none */
kohl_status kohl_run_learner(kohl_run *run);

/* Puts the weights that are judged and kept into model: the optimizer's average where it has one, else the trained
 * ones. */
kohl_status kohl_run_store(kohl_run *run);

/* One update: the gradients of recipe.accumulate batches, of which the first begins at place.at.  Moves place on, also
 * when the step is refused for numbers that are not finite; the third of these in a row is KOHL_NOT_FINITE.  After any
 * other failure everything is as it was before the call. */
kohl_status kohl_run_step(kohl_run *run, double *lr);
size_t kohl_run_steps(const kohl_run *run); /* updates of an epoch */

/* The rest of an epoch: from place.at to the end of the draws, then the validation part.  epoch's metrics are the
 * caller's, also on failure. */
kohl_status kohl_run_epoch(kohl_run *run, kohl_epoch *out);

/* Judges the weights of kohl_run_store by the validation part: run->answers, and out's metrics and val_loss, of each
 * head by the pictures that have a label for it.  With several labels a picture the metrics are those of
 * kohl_metrics_many under the same names; accuracy is the share of pictures whose most probable label is one of theirs,
 * balanced_accuracy the macro recall. */
kohl_status kohl_run_validate(kohl_run *run, kohl_epoch *out);

/* The order of an epoch: a shuffle of 0 .. count-1 keyed by (seed, epoch). */
void kohl_epoch_order(uint64_t seed, uint32_t epoch, size_t *order, size_t count);

/* The lists as files, labels.txt and recipe.yaml. */
kohl_status kohl_run_write_lists(kohl_run *run);

/* After an epoch: best.safetensors when it is the best so far, a line of metrics.csv. */
kohl_status kohl_run_keep(kohl_run *run, const kohl_epoch *what);

/* At the end: run.json and report.html.  What cannot be written is named in the log. */
void kohl_run_finish(kohl_run *run);

/* The figure that decides (word is a kohl_recipe_best), larger is better.  Without validation pictures the last epoch
 * is the best.  A loss of no named head is that of all. */
double kohl_run_figure(const kohl_run *run, const kohl_recipe_figure *which, const kohl_epoch *what);

/* Writes the checkpoint.  kohl_run_peek finds the newest one that is whole and reads how far the run was; load reads
 * its arrays into the session and optimizer that kohl_phase_begin has made for it. */
kohl_status kohl_run_save(kohl_run *run);
kohl_status kohl_run_peek(kohl_run *run, kohl_safetensors **file);
kohl_status kohl_run_load(kohl_run *run, const kohl_safetensors *file);

/* Writes the members "HEAD": {...} of listed heads, with their figures in the epoch that was the best. */
void kohl_run_write_heads(const kohl_run *run, kohl_json_writer *json);

/* Fills progress with where the run is, for the callback. */
kohl_train_progress kohl_run_progress(const kohl_run *run, const char *what, size_t done, size_t count);

/* Seconds of a clock that only goes forward. */
double kohl_run_clock(void);

#endif
