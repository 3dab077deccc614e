/* What a step of training reads.
 *
 * ROWS: below the phase's boundary nothing is trained, so that its output is worked out once and kept: once for every
 * picture or, where pictures are augmented, in features.variants variants of every draw.  Kept rows are what a step
 * that runs the whole network would compute, bit for bit.
 * PICTURES: decoded (or out of the run's cache of fitted pictures), augmented and run through the whole network in
 * every step.
 *
 * An augmentation is keyed by (seed, epoch, place of the draw in the unshuffled list); variant v has the numbers of
 * epoch v + 1. */
#ifndef KOHL_TRAIN_FEED_H
#define KOHL_TRAIN_FEED_H

#include "datasets/loader.h"
#include "nn/session.h"
#include "train/augmenting.h"
#include "train/features.h"
#include "train/resident.h"

typedef struct kohl_feed {
  bool rows;
  int boundary; /* of run->model's graph: the node whose output a step begins with */
  /* ROWS */
  kohl_model *below, *above;       /* the two parts, owned; NULL with PICTURES */
  kohl_features train, validation; /* train: of each picture, or [variant][draw] */
  size_t variants;                 /* 0: rows are of pictures */
  size_t variant;                  /* of the epoch at hand */
  /* PICTURES and variants */
  kohl_augmenting *augmenting; /* owned; NULL without augmentation */
  kohl_loader *loader;         /* owned */
  size_t *samples;             /* [draws.count], owned: this epoch's samples in the order of their draws */
  /* on a device */
  kohl_resident *resident; /* owned: rows or pictures are there; NULL: they are sent in every step */
  bool begun;              /* it was tried */
} kohl_feed;

/* Makes run->feed for run->model and the phase's boundary.  Too little of limits.cache_bytes for rows makes it
 * PICTURES, which the log says. */
kohl_status kohl_feed_open(kohl_run *run);
void kohl_feed_close(kohl_run *run);

/* The model whose session a step runs: above, or the whole. */
kohl_model *kohl_feed_model(kohl_run *run);

/* Starts an epoch (from 1) at position `first` of run->order. */
kohl_status kohl_feed_begin(kohl_run *run, int64_t epoch, size_t first);

/* The batch of positions first to end - 1: good pictures' rows go to the session's input (or will be put there by the
 * run itself, out of what is resident), their positions to its draws (kohl_session_draws).  *n = how many.  Batches
 * must be asked for one after the other. */
kohl_status kohl_feed_next(kohl_run *run, size_t first, size_t end, int *n);

/* Tells run's progress callback about a pass over pictures; user is the kohl_run. */
void kohl_feed_progress(void *user, const char *what, size_t done, size_t count);

/* Threads of a loader. */
int kohl_feed_workers(const kohl_run *run);

#endif
