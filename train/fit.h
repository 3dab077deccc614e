/* Training by a recipe: the whole run, from pictures and a base to a folder with the best model.
 *
 * A run goes through the phases of its recipe.  Its folder RUN then holds
 *   recipe.yaml       the recipe with every default and override, which can be run again
 *   labels.txt        the classes in the order of the outputs
 *   train.csv validation.csv test.csv    the lists
 *   metrics.csv       phase,epoch,step,lr,loss,accuracy,val_loss,val_accuracy,val_balanced_accuracy,val_macro_f1,
 *                     seconds; with listed heads, before seconds and for each head, HEAD_loss, HEAD_accuracy,
 *                     val_HEAD_loss, _accuracy, _balanced_accuracy and _macro_f1.  Losses without a name are of all
 *                     heads, other figures of the first
 *   best.safetensors  the whole model of the best epoch
 *   phase-2.safetensors ...    the whole model as a later phase begins with it
 *   last.ckpt previous.ckpt    what --resume goes on from
 *   predictions.csv   what the best model says about the validation part (train/predictions.h); of further heads
 *                     predictions-HEAD.csv
 *   run.json report.html figures/    at the end: counts, time and memory; the page (train/report/report.h)
 *   tensorboard/      the curves (train/events.h)
 *   log.txt
 * A resume removes NAME.tmp.PID.N of processes that are gone.
 * Numbers are the same for any number of threads, and after a resume as without one. */
#ifndef KOHL_TRAIN_FIT_H
#define KOHL_TRAIN_FIT_H

#include "kernels/core/context.h"

/* Where a run is.  Given to the callback after every batch of pictures and every step, from the calling thread. */
typedef struct kohl_train_progress {
  const char *what; /* "statistics", "pictures", "features", "test": done of count pictures.  "phase": one begins, done
                       of count.  "training": done of count steps of the epoch.  "epoch": one has ended, all figures are
                       its own.  "stopped early": this phase ends after epoch.  "fold": of kohl_crossval, fold `done` of
                       count begins */
  size_t done, count;
  int phase, phases;                                    /* from 1; 0: not begun */
  const char *phase_name;                               /* of the recipe; may be NULL, or "" where it gives none */
  int epoch, epochs;                                    /* from 1, of all phases; epochs with "phase": its own */
  int64_t step;                                         /* updates so far */
  double loss, accuracy;                                /* of the epoch so far */
  double val_loss, val_accuracy, val_balanced_accuracy; /* of the last complete epoch */
  double rate;                                          /* pictures a second */
  double seconds_left;                                  /* of all epochs (of the pass, before training); an estimate */
  const char *watched;                                  /* the recipe's `best`, as "val_accuracy"; may be NULL */
  double watched_value;                                 /* of the last complete epoch; NaN before the first one */
} kohl_train_progress;

/* Looks into every pass of a training, and may change what it sees: for tests of what a step refuses, and for watching
 * numbers.  Both are called from the calling thread; either may be NULL.  step: updates so far.  The arrays are the
 * session's, good during the call. */
typedef struct kohl_train_hooks {
  /* before every forward and backward pass: the rows of its good pictures, features or prepared pixels */
  void (*on_input)(void *user, int64_t step, float *input, size_t floats);
  /* behind it and before the update: the gradients of all trained weights, in the order of the session's params */
  void (*on_gradients)(void *user, int64_t step, float *gradients, size_t count);
  void *user;
} kohl_train_hooks;

typedef struct kohl_train_options {
  const char *recipe;           /* its file; may be NULL with resume: RUN/recipe.yaml */
  const char *data;             /* folder or CSV (datasets/source.h) */
  const char *run;              /* the folder of the run: new or empty, unless resume */
  const char *init_from;        /* model whose graph and weights replace the recipe's base, or NULL */
  bool resume;                  /* go on from RUN/last.ckpt; a run without one begins again */
  const char *const *overrides; /* override_count texts "key=value", applied in order */
  size_t override_count;
  void (*progress)(const kohl_train_progress *progress, void *user); /* may be NULL */
  bool (*save_now)(void *user);  /* asked after every step: true writes a checkpoint.  May be NULL */
  void *progress_user;           /* of both */
  const kohl_train_hooks *hooks; /* or NULL */
} kohl_train_options;

typedef struct kohl_train_result {
  int epochs, best_epoch;
  int64_t steps;
  size_t pictures, bad;  /* looked at (training and validation), and how many of them could not be read */
  double loss, accuracy; /* of the last epoch, training */
  double val_loss, val_accuracy, val_balanced_accuracy; /* of the best epoch; 0 without validation pictures */
} kohl_train_result;

/* Runs.  options and its strings are only read during the call; out may be NULL.
 * KOHL_USAGE: the folder is not empty, an override or layer does not exist, a resume with another recipe.
 * KOHL_BAD_INPUT: recipe, model or data are wrong, or too many bad pictures.  KOHL_NO_RESOURCE: memory or disk.
 * KOHL_NOT_FINITE: three steps in a row had a loss or gradient that is not finite; the text names step, layer and
 * pictures, and no weight was changed by them.  KOHL_INTERRUPTED: the context's cancel callback said stop; last.ckpt
 * is that of the last update. */
kohl_status kohl_train(kohl_context *ctx, const kohl_train_options *options, kohl_train_result *out);

#endif
