/* What a model said about pictures, as a CSV file: one picture a row, so that figures, reports and other programs need
 * the model no more.
 *
 *   file,true,predicted,p_cat,p_dog            one label: names of classes
 *   file,true,predicted,labels,p_cat,p_dog     many labels: `true` and `predicted` hold any number of names with ;
 *                                              between them, `labels` is the number of those in `true`
 *
 * Probabilities are written with nine digits, which give the same floats back.  Text is UTF-8, quoted as RFC 4180
 * says. */
#ifndef KOHL_TRAIN_PREDICTIONS_H
#define KOHL_TRAIN_PREDICTIONS_H

#include "datasets/csv.h"
#include "kernels/core/context.h"

/* All memory is owned until kohl_predictions_free. */
typedef struct kohl_predictions {
  size_t count; /* pictures */
  int classes;
  char **labels;        /* [classes], in the order of the outputs */
  char **file;          /* [count]: paths as the data source gave them; FILE#NUMBER for records of a file */
  int32_t *truth;       /* [count]: index of the label, with many labels of the first one; -1: it has none */
  uint8_t *marks;       /* [count][classes] 0 or 1: the labels it has; NULL for one label */
  uint8_t *chosen;      /* [count][classes] 0 or 1: the labels it was given; NULL for one label */
  float *probabilities; /* [count][classes], 0 to 1 */
} kohl_predictions;

/* The most probable label of picture i, of equal ones the first: with one label, what it was taken for. */
int kohl_predictions_best(const kohl_predictions *predictions, size_t i);

/* Makes `chosen` of many labels: those whose probability is at or above their threshold; thresholds NULL: 0.5. */
kohl_status kohl_predictions_choose(kohl_context *ctx, kohl_predictions *predictions, const float *thresholds);

/* Writes the file, which is removed again on an error.  KOHL_BAD_INPUT: it cannot be written, a name is not UTF-8, a
 * row is longer than the reader takes (KOHL_CSV_RECORD), a label is empty or, with many labels, holds a ';', a truth is
 * no label.  KOHL_NOT_FINITE: a probability is none.  KOHL_USAGE: marks without chosen.  That labels differ is left to
 * the reader. */
kohl_status kohl_predictions_write(kohl_context *ctx, const kohl_predictions *predictions, const char *path);

/* Reads it.  Everything wrong is KOHL_BAD_INPUT naming file, line, field, value and what was expected; a file without
 * rows too.  *out is the caller's, and empty on failure. */
kohl_status kohl_predictions_read(kohl_context *ctx, const char *path, kohl_predictions *out);

/* The same from a reader that has read nothing yet. */
kohl_status kohl_predictions_from_csv(kohl_context *ctx, kohl_csv *csv, kohl_predictions *out);

void kohl_predictions_free(kohl_context *ctx, kohl_predictions *predictions);

#endif
