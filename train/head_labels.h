/* The labels that the pictures of a list have for one head: the list's own, or those of a further column of its CSV,
 * where a picture may have none.
 *
 * Not what a head is told (train/targets.h).  One thread at a time makes them; then any number reads. */
#ifndef KOHL_TRAIN_HEAD_LABELS_H
#define KOHL_TRAIN_HEAD_LABELS_H

#include "datasets/source.h"

typedef struct kohl_head_labels {
  const kohl_samples *samples; /* borrowed */
  const char *const *classes;  /* class_count of them; sorted bytewise, or in the order in which they were given */
  size_t class_count;
  size_t without;            /* pictures without any label */
  size_t unknown;            /* labels that are none of the classes, and do not count */
  const char *first_unknown; /* one of them, in its whole cell; NULL: there is none */
  /* Of a further column, owned; NULL and empty where labels are the list's own. */
  uint32_t *begin; /* count + 1: those of sample i are label[begin[i]] to [begin[i + 1] - 1] */
  int *label;
  size_t room;
  kohl_text_store texts;
  kohl_text_table names;
} kohl_head_labels;

/* The list's own.  Nothing to free. */
kohl_head_labels kohl_head_labels_own(const kohl_samples *samples);

/* Those of further column `column` of the list: one in each cell, or with several up to 64 with ';' between them; an
 * empty cell has none.  Classes are class_count given names or, where classes is NULL, all labels of the count samples
 * of list.  *out is the caller's until kohl_head_labels_free, also on failure; KOHL_BAD_INPUT names the picture. */
kohl_status kohl_head_labels_of_column(kohl_context *ctx, const kohl_samples *samples, size_t column, bool several,
                                       const char *const *classes, size_t class_count, const size_t *list, size_t count,
                                       kohl_head_labels *out);
void kohl_head_labels_free(kohl_context *ctx, kohl_head_labels *labels);

/* The labels of sample i, *count of them, which is 0 for a picture without any. */
const int *kohl_head_labels_at(const kohl_head_labels *labels, size_t i, size_t *count);

#endif
