/* Figures that depend on the order of scores alone: area under the ROC curve, and average precision.
 *
 * Equal scores are one step of the curve, as in scikit-learn.  Scores are probabilities, 0 to 1; score and mark share
 * one 32-bit key, so that a radix sort of plain numbers is all that it takes. */
#ifndef KOHL_TRAIN_METRICS_RANK_H
#define KOHL_TRAIN_METRICS_RANK_H

#include <string.h>

#include "train/metrics.h"

typedef struct kohl_rank {
  double roc_auc, average_precision; /* 0 where it is not known */
  bool known;                        /* there are both positives and negatives */
} kohl_rank;

/* The key of a score of 0 to 1: floats that are not negative have their bits in the order of their values. */
static inline uint32_t kohl_rank_key(float score, bool positive) {
  uint32_t bits;
  score += 0.0f; /* -0 is 0 */
  memcpy(&bits, &score, sizeof bits);
  return bits << 1 | positive;
}

static inline float kohl_rank_score(uint32_t key) {
  float score;
  key >>= 1;
  memcpy(&score, &key, sizeof score);
  return score;
}

/* Sorts count keys in rising order into `sorted`, which has as many; keys is overwritten. */
void kohl_rank_sort(uint32_t *keys, uint32_t *sorted, size_t count);

/* Of count keys, in any order, less than 2^32 of them; keys and scratch, which has as many, are overwritten. */
kohl_rank kohl_rank_measure(uint32_t *keys, uint32_t *scratch, size_t count);

/* Averages over the classes; macro over those that have both samples and others, micro over all pairs of a sample and
 * a class.  0 where there is none. */
typedef struct kohl_rank_averages {
  double roc_auc_macro, roc_auc_micro, average_precision_macro, average_precision_micro;
  int classes_used;
  bool micro_ranked;
} kohl_rank_averages;

/* Fills roc_auc, average_precision and ranked of every class.  Sample i is of class c where marks[i][c] says so, or,
 * without marks, where truth[i] is c.  probabilities: [n][classes], 0 to 1.  KOHL_NO_RESOURCE: eight bytes for each of
 * them are not to be had, or there are 2^32 or more.  *out is set in any case. */
kohl_status kohl_rank_classes(kohl_context *ctx, const float *probabilities, const int32_t *truth, const uint8_t *marks,
                              size_t n, int classes, kohl_class_metrics *per_class, kohl_rank_averages *out);

#endif
