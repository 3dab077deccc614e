/* Cross-validation: one run for each fold of the data, judged by the pictures that it has not seen, and the mean and
 * spread of the figures.
 *
 * Not the division into folds (datasets/folds.h) and no training of its own: RUN/fold-1 to RUN/fold-K are runs of
 * kohl_train whose recipes differ in data.fold alone.  Each sample is in the test part of exactly one of them.
 * Then the folder holds
 *   folds.csv   fold,pictures,bad,best_epoch, and the figures of each fold's test part; when all are there, two
 *               more rows, "mean" and "sd" */
#ifndef KOHL_TRAIN_CROSSVAL_H
#define KOHL_TRAIN_CROSSVAL_H

#include "train/fit.h"

enum { KOHL_CROSSVAL_LEAST = 3 }; /* folds: one tests, one validates, one trains */

/* The figures by their names in kohl_metrics (train/metrics.h). */
#define KOHL_CROSSVAL_FIGURE_LIST(FIGURE) FIGURE(accuracy) FIGURE(balanced_accuracy) FIGURE(macro_f1)
enum {
#define KOHL_FIGURE(name) KOHL_CROSSVAL_##name,
  KOHL_CROSSVAL_FIGURE_LIST(KOHL_FIGURE)
#undef KOHL_FIGURE
      KOHL_CROSSVAL_FIGURES
};
extern const char *const kohl_crossval_names[KOHL_CROSSVAL_FIGURES];

typedef struct kohl_fold_result {
  size_t pictures, bad; /* of the test part: judged, and those that could not be read */
  int best_epoch;
  double figure[KOHL_CROSSVAL_FIGURES];
} kohl_fold_result;

typedef struct kohl_crossval_result {
  int folds, done;         /* done: the complete ones, which are the first */
  kohl_fold_result *fold;  /* [folds], owned */
  kohl_train_result train; /* of the fold that was trained last */
} kohl_crossval_result;

/* Trains and judges, fold after fold.  options are those of kohl_train with RUN as run: new or empty, unless resume,
 * which goes on within the fold at hand.  folds: KOHL_CROSSVAL_LEAST to KOHL_FOLDS; it takes the place of data.folds.
 * The data must be the same in all calls, or the folds are not parts of one division.
 * With resume the recipe of fold 1 holds for all; options->recipe is only read where there is none yet, and overrides
 * that would change it are KOHL_USAGE.
 *
 * Besides its own events, progress gets "fold" when fold `done` of count begins and "test" while its model is judged.
 *
 * *out is the caller's until kohl_crossval_free, also after a failure.  Errors are those of kohl_train and
 * kohl_evaluate; KOHL_USAGE: data that cannot be read several times (-) or listed picture by picture (CIFAR's batches),
 * a resume with another number of folds. */
kohl_status kohl_crossval(kohl_context *ctx, const kohl_train_options *options, int folds, kohl_crossval_result *out);
void kohl_crossval_free(kohl_context *ctx, kohl_crossval_result *result);

/* Over the folds that are done: the arithmetic mean, and the sample standard deviation (divisor n - 1; NaN for one). */
void kohl_crossval_mean(const kohl_crossval_result *result, int figure, double *mean, double *sd);

#endif
