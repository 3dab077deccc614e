/* Making a trained model's probabilities mean what they say, and choosing the thresholds of many labels.
 *
 * Temperature scaling (Guo et al. 2017): the logits are divided by the one number T > 0 with which the log loss on
 * pictures that the model has not learned from is lowest.  What is most probable stays so.  The division is done to the
 * weights of the last layer that has any, so that the model file needs no word for it.  Nothing is trained here.  Of
 * several heads it is the first that is calibrated. */
#ifndef KOHL_TRAIN_CALIBRATE_H
#define KOHL_TRAIN_CALIBRATE_H

#include "train/evaluate.h"

typedef struct kohl_calibrate_options {
  kohl_evaluate_options evaluate; /* batch, split, split_column, progress; beta (0: 2) of the thresholds */
  bool thresholds;                /* choose the thresholds of many labels instead of a temperature */
} kohl_calibrate_options;

/* Figures before and after.  Owned until kohl_calibrated_free. */
typedef struct kohl_calibrated {
  size_t n, bad;
  bool many;
  double temperature;         /* 1 with thresholds */
  double log_loss[2], ece[2]; /* kohl_metrics' or kohl_metrics_many's; equal ones with thresholds */
  double beta, macro_fbeta[2], micro_fbeta[2], samples_fbeta[2]; /* with many labels */
  int classes;
  char **labels;
  float *thresholds[2]; /* [classes] each, with many labels */
} kohl_calibrated;

kohl_calibrate_options kohl_calibrate_options_default(void);

/* Measures the model on data, as kohl_evaluate does, and writes it, calibrated, to `output`, which may be the model
 * itself.  The provenance says what was done.  A temperature moves the thresholds of many
 * labels so that no decision changes.
 * KOHL_BAD_INPUT: the network does not end in a dense or convolution layer with nothing but ReLU, pools, flatten and
 * dropout between it and the softmax or sigmoid (the text names the layer); thresholds for a model of one label; data
 * that hold no temperature of 0.01 to 100, as where every picture is right; and what kohl_evaluate refuses. */
kohl_status kohl_calibrate(kohl_context *ctx, const char *model_path, const char *data_path, const char *output,
                           const kohl_calibrate_options *options, kohl_calibrated *out);
void kohl_calibrated_free(kohl_context *ctx, kohl_calibrated *calibrated);

/* Members of an object about it: "n", "bad", "log_loss" and "ece" as [before, after], and "temperature", or with
 * thresholds "beta" and "macro_fbeta", "micro_fbeta", "samples_fbeta" as [before, after]. */
void kohl_calibrated_write_json(const kohl_calibrated *calibrated, bool thresholds, kohl_json_writer *writer);

/* Puts them into the model's provenance: member "calibration" or "thresholds", in place of an older one. */
kohl_status kohl_calibrated_note(kohl_context *ctx, kohl_model *model, const char *data,
                                 const kohl_calibrate_options *options, const kohl_calibrated *calibrated);

/* *temperature = the T of 0.01 to 100 that minimises the mean log loss of logits / T: of softmax and truth without
 * marks, of sigmoid with marks (not 0 where the picture has the label).  logits: [n][classes], finite.
 * KOHL_BAD_INPUT: it lies outside. */
kohl_status kohl_temperature_find(kohl_context *ctx, const float *logits, const int32_t *truth, const uint8_t *marks,
                                  size_t n, int classes, double *temperature);

#endif
