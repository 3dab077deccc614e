/* The learning rate of every step of a phase, and whether a phase ends early.  Arithmetic only.
 *
 *   rate = lr * warm-up * fall / (1 + decay * step)
 *
 * step counts the updates of the phase from 0, t those since the end of the warm-up, E is steps_per_epoch; decay is
 * Keras 2's.  W = warmup * E, a real number, is the length of the warm-up.
 *
 *   warm-up       for step < W: warmup_from + (1 - warmup_from) * step / W, while the fall is 1; then 1
 *   constant      1
 *   step          factor ^ floor(t / (every * E))                           (PyTorch: StepLR by epochs)
 *   exponential   factor ^ (t / E)                                          (Keras: ExponentialDecay; at whole epochs
 *                                                                            PyTorch's ExponentialLR)
 *   cosine        floor + (1 - floor) * (1 + cos(pi * t / T)) / 2           (CosineDecay, CosineAnnealingLR)
 *                 with T = epochs * E - W, so that the phase's last step is the last one above the floor
 *   plateau       what kohl_schedule_epoch has made of it, at least `floor`
 *
 * A schedule begins anew with every phase.  Figures are those of validation, larger is better (a loss with its sign
 * turned); one that is not a number is worse than any. */
#ifndef KOHL_TRAIN_SCHEDULE_H
#define KOHL_TRAIN_SCHEDULE_H

#include "train/recipe.h"

/* What a schedule remembers between epochs.  Plain data that a checkpoint holds as it is: eight bytes per member, no
 * padding, every number finite. */
typedef struct kohl_schedule_state {
  double factor;       /* of plateau: what lr is multiplied by now */
  double before, best; /* of plateau: the figure of the last epoch, the largest so far; -DBL_MAX: none */
  int64_t waited;      /* of plateau: misses in a row since the rate fell */
  int64_t lowered;     /* of plateau: 1 when the rate fell after the last epoch */
  double stop_best;    /* of early stopping: the figure to be beaten; -DBL_MAX: none */
  int64_t stop_waited; /* of early stopping: epochs since then */
} kohl_schedule_state;

/* Before the first epoch of a phase. */
kohl_schedule_state kohl_schedule_begin(void);

/* The rate of a step.  step >= 0, steps_per_epoch >= 1: updates of an epoch, the last and smaller one too. */
double kohl_schedule_rate(const kohl_recipe_phase *phase, const kohl_schedule_state *state, int64_t step,
                          int64_t steps_per_epoch);

/* After every epoch of the phase; true: the phase ends here.
 *
 * schedule_figure is plateau's, that of the recipe's `best`.  A miss is an epoch that is not better than the best so
 * far (compare: best) or worse than the epoch before (previous).  After more misses in a row than `patience` the rate
 * falls; with `stop` the phase ends when the epoch after a fall is not better than what it is compared with.
 *
 * stop_figure is that of stop.metric.  The phase ends after stop.patience epochs (if more than 0) of which none was
 * more than min_delta better than the best before them, as in Keras. */
bool kohl_schedule_epoch(const kohl_recipe_phase *phase, kohl_schedule_state *state, double schedule_figure,
                         double stop_figure);

#endif
