/* Passes over all pictures before training: statistics, and what the frozen part of the network gives. */
#ifndef KOHL_TRAIN_FEATURES_H
#define KOHL_TRAIN_FEATURES_H

#include "train/pictures.h"
#include "train/recipe.h"

/* Rows of one list.  Owned until kohl_features_free. */
typedef struct kohl_features {
  size_t count, floats; /* rows, floats of a row */
  float *rows;          /* [count][floats]; zeros for bad pictures */
} kohl_features;

/* A pass over the pictures of a list: who is told how far it is (call may be NULL); what is "statistics", "features" or
 * "pictures". */
typedef struct kohl_features_pass {
  kohl_samples *samples;
  const kohl_preprocessing *pre;
  int workers; /* as in kohl_pictures_job, like the next two */
  kohl_cache *cache;
  kohl_augmenting *augmenting;
  void (*call)(void *user, const char *what, size_t done, size_t count);
  void *user;
} kohl_features_pass;

/* The fit, decoding and normalisation of a recipe on those of its base.  With featurewise, mean and std are still to be
 * measured. */
kohl_preprocessing kohl_recipe_preprocessing(const kohl_recipe *recipe, const kohl_preprocessing *base);

/* Per-channel mean and standard deviation over all pixels of the good pictures in the list, borders included, into
 * pre's, as Keras' featurewise standardisation of the prepared pictures.  pass->pre is not read. */
kohl_status kohl_features_measure(kohl_context *ctx, const kohl_features_pass *pass, const size_t *list, size_t count,
                                  kohl_preprocessing *pre);

/* Opens every picture of the list once, which fills the cache and finds the bad ones. */
kohl_status kohl_features_look(kohl_context *ctx, const kohl_features_pass *pass, const size_t *list, size_t count);

/* Room for count rows of what model gives.  False, and nothing taken: they need more than *room bytes (what is taken is
 * subtracted). */
kohl_status kohl_features_take(kohl_context *ctx, const kohl_model *model, size_t count, int64_t *room,
                               kohl_features *out, bool *fits);

/* Computes rows first to first + count - 1: those of a list's samples. */
kohl_status kohl_features_fill(kohl_context *ctx, const kohl_model *model, const kohl_features_pass *pass,
                               const size_t *list, size_t count, kohl_features *features, size_t first);
void kohl_features_free(kohl_context *ctx, kohl_features *features);

#endif
