/* What the frozen base gives for every picture, worked out once and kept in memory. */
#ifndef KOHL_TRAIN_FEATURES_H
#define KOHL_TRAIN_FEATURES_H

#include "train/pictures.h"
#include "train/recipe.h"

/* Rows of one list.  Owned until kohl_features_free. */
typedef struct kohl_features {
  size_t count, floats; /* pictures of the list, floats of a row */
  float *rows;          /* [count][floats]; zeros for bad pictures */
  const size_t *list;   /* borrowed: indices into the samples */
} kohl_features;

/* A pass over the pictures: its decoding threads, as in kohl_pictures_job, and who is told how far it is (call may be
 * NULL); what is "statistics" or "features". */
typedef struct kohl_features_pass {
  int workers;
  void (*call)(void *user, const char *what, size_t done, size_t count);
  void *user;
} kohl_features_pass;

/* The preprocessing of a recipe on a source's own: fit from the recipe, and with featurewise the per-channel mean and
 * standard deviation over all pixels of the good pictures in the list, borders included, as Keras' featurewise
 * standardisation of the prepared pictures.  source is the model's. */
kohl_status kohl_recipe_preprocessing(kohl_context *ctx, const kohl_recipe *recipe, const kohl_preprocessing *source,
                                      kohl_samples *samples, const size_t *list, size_t count,
                                      const kohl_features_pass *pass, kohl_preprocessing *out);

/* Computes rows.  *room is how many bytes are left of limits.cache_bytes; what is taken is subtracted, too little is
 * KOHL_NO_RESOURCE before any picture is opened. */
kohl_status kohl_features_compute(kohl_context *ctx, const kohl_model *base, const kohl_preprocessing *pre,
                                  kohl_samples *samples, const size_t *list, size_t count, int64_t *room,
                                  const kohl_features_pass *pass, kohl_features *out);
void kohl_features_free(kohl_context *ctx, kohl_features *features);

#endif
