/* Running a frozen network over pictures of a list, a batch at a time, while the next ones are decoded.
 *
 * Shared by the features of training and by evaluation.  Bad pictures are left out; the caller sees them in
 * samples->sample[i].bad afterwards. */
#ifndef KOHL_TRAIN_PICTURES_H
#define KOHL_TRAIN_PICTURES_H

#include "datasets/loader.h"
#include "nn/session.h"
#include "train/augmenting.h"

enum { KOHL_PICTURES_BATCH = 32 };

/* Receives the output row of the picture at place `at` of the list; anything but KOHL_OK ends the run. */
typedef kohl_status (*kohl_pictures_sink)(void *user, size_t at, const float *row, size_t floats);

typedef struct kohl_pictures_job {
  const kohl_model *model; /* what runs; NULL: the prepared pixels themselves are the rows */
  const int *nodes;        /* node_count layers whose outputs, one behind the other, are a row; NULL: the last one's */
  size_t node_count;
  const kohl_preprocessing *pre; /* its fit must be the model's input size */
  kohl_samples *samples;
  const size_t *list; /* count indices into samples */
  size_t count;
  int batch;                   /* pictures in one run */
  int workers;                 /* decoding threads, 0: the caller decodes; -1: as many as the context has */
  kohl_cache *cache;           /* of fitted pictures, borrowed; or NULL */
  kohl_augmenting *augmenting; /* or NULL: pictures as they are */
  kohl_pictures_sink sink;
  void *user;
  void (*progress)(void *user, size_t done, size_t count); /* after each batch; may be NULL */
  void *progress_user;
} kohl_pictures_job;

/* The outputs of nodes for the n pictures of a session's last run, as rows: those of the first node, then of the next.
 * Each must be the last layer or a tap.  apart has n times the floats of the largest output. */
kohl_status kohl_pictures_rows(const kohl_session *session, const int *nodes, size_t count, int n, float *apart,
                               float *rows);

/* Rows arrive in the order of the list, for any number of threads with the same bits.  How long it waited for pictures
 * goes to the log.  A row that is not finite is KOHL_NOT_FINITE naming the picture and the layer. */
kohl_status kohl_pictures_run(kohl_context *ctx, const kohl_pictures_job *job);

/* KOHL_BAD_INPUT when more than `share` of the samples that were looked at (of all `count`) are bad. */
kohl_status kohl_pictures_check(kohl_context *ctx, const kohl_samples *samples, size_t count, double share);

#endif
