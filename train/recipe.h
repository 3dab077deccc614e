/* A recipe: everything that decides a training run but the data, as YAML.  train/recipe.def is the list of its keys;
 * recipes/README.md explains them.
 *
 * Reading checks everything at once: an unknown key, a wrong type and a value out of range are errors with file, line
 * and field.  A key that is absent has its default.  What is read can be written and reads back equal.
 * One thread at a time. */
#ifndef KOHL_TRAIN_RECIPE_H
#define KOHL_TRAIN_RECIPE_H

#include "kernels/core/context.h"

enum {
  KOHL_RECIPE_BYTES = 1 << 16, /* of a recipe file; longer ones are refused */
  KOHL_RECIPE_LIST = 8,        /* numbers in a list */
};

/* The words of recipe.def as numbers, in the order of its lists. */
typedef enum kohl_recipe_best { KOHL_BEST_ACCURACY, KOHL_BEST_LOSS, KOHL_BEST_BALANCED_ACCURACY } kohl_recipe_best;
typedef enum kohl_recipe_fit { KOHL_RECIPE_STRETCH, KOHL_RECIPE_LETTERBOX, KOHL_RECIPE_CROP } kohl_recipe_fit;
typedef enum kohl_recipe_normalise { KOHL_NORMALISE_BASE, KOHL_NORMALISE_FEATUREWISE } kohl_recipe_normalise;
typedef enum kohl_recipe_pool { KOHL_HEAD_FLATTEN, KOHL_HEAD_GLOBAL_AVG, KOHL_HEAD_GLOBAL_MAX } kohl_recipe_pool;
typedef enum kohl_recipe_loss { KOHL_LOSS_SOFTMAX, KOHL_LOSS_SIGMOID } kohl_recipe_loss;
typedef enum kohl_recipe_weights {
  KOHL_WEIGHTS_NONE,
  KOHL_WEIGHTS_BALANCED, /* positive_weights has these two */
  KOHL_WEIGHTS_INVERSE,
  KOHL_WEIGHTS_EFFECTIVE,
} kohl_recipe_weights;
typedef enum kohl_recipe_copies { KOHL_COPIES_KEEP, KOHL_COPIES_DROP } kohl_recipe_copies;
typedef enum kohl_recipe_divide { KOHL_DIVIDE_BY_BATCH, KOHL_DIVIDE_BY_WEIGHTS } kohl_recipe_divide;
typedef enum kohl_recipe_optimizer {
  KOHL_OPTIMIZER_SGD,
  KOHL_OPTIMIZER_RMSPROP,
  KOHL_OPTIMIZER_ADAM,
  KOHL_OPTIMIZER_ADAMW,
} kohl_recipe_optimizer;
typedef enum kohl_recipe_place {
  KOHL_PLACE_OUTSIDE,
  KOHL_PLACE_INSIDE,
  KOHL_PLACE_HAT,
  KOHL_PLACE_PLAIN,
} kohl_recipe_place;

typedef char *kohl_recipe_text; /* owned, never NULL; UTF-8 without control characters */
typedef int64_t kohl_recipe_int;
typedef double kohl_recipe_real;
typedef int kohl_recipe_word; /* one of the enums above */
typedef struct kohl_recipe_colour {
  uint8_t rgb[3];
} kohl_recipe_colour;
typedef struct kohl_recipe_list {
  int count, value[KOHL_RECIPE_LIST];
} kohl_recipe_list;

typedef struct kohl_recipe {
  kohl_recipe_int epochs, batch, seed;
  kohl_recipe_word best;
  struct {
    kohl_recipe_text name, model, at, adjust;
  } base;
  struct {
    kohl_recipe_int size;
    kohl_recipe_word fit, filter, normalise, decode, orient;
    kohl_recipe_colour background;
  } pictures;
  struct {
    kohl_recipe_text split_column;
    kohl_recipe_real validation, test;
    kohl_recipe_int seed;
    kohl_recipe_word copies;
    kohl_recipe_text group;
    kohl_recipe_int cap, oversample, workers;
  } data;
  struct {
    kohl_recipe_word pool;
    kohl_recipe_list dense;
    kohl_recipe_real dropout;
  } head;
  struct {
    kohl_recipe_word name, class_weights, positive_weights, weights_divide_by;
    kohl_recipe_real class_weights_beta, label_smoothing;
  } loss;
  struct {
    kohl_recipe_word name, nesterov, lr_place, epsilon_place;
    kohl_recipe_real lr, momentum, rho, beta1, beta2, epsilon, weight_decay, decay, clip_norm, ema;
  } optimizer;
  struct {
    kohl_recipe_real bad_pictures;
    kohl_recipe_int cache_bytes;
  } limits;
} kohl_recipe;

/* Every key at its default.  *out is the caller's until kohl_recipe_free; on failure of any reader it is empty. */
kohl_status kohl_recipe_default(kohl_context *ctx, kohl_recipe *out);

/* Reads a file.  Wrong content is KOHL_BAD_INPUT: "FILE:LINE: field 'optimizer.lr': value 'x', expected ...". */
kohl_status kohl_recipe_read(kohl_context *ctx, const char *path, kohl_recipe *out);

/* The same from memory; name stands for the file in messages. */
kohl_status kohl_recipe_parse(kohl_context *ctx, const char *name, const char *text, size_t bytes, kohl_recipe *out);

/* Applies "key=value" with a dotted key.  Errors are KOHL_USAGE beginning with `--set` and the assignment; the recipe
 * is then unchanged. */
kohl_status kohl_recipe_set(kohl_context *ctx, kohl_recipe *recipe, const char *assignment);

/* Applies the assignments of base.adjust that are for this architecture and empties the field, so that the recipe can
 * be run again as it is.  Wrong ones are KOHL_BAD_INPUT beginning with "field 'base.adjust'". */
kohl_status kohl_recipe_adjust(kohl_context *ctx, kohl_recipe *recipe, const char *arch);

/* What no single field can say: the shares of the split leave something to train on, and what is set for loss and
 * optimizer is read by those that are named.  where: file or option, named in the message. */
kohl_status kohl_recipe_check(kohl_context *ctx, const kohl_recipe *recipe, const char *where);

/* Every key, with its value, as YAML; *text is the caller's until kohl_free and ends with a zero. */
kohl_status kohl_recipe_print(kohl_context *ctx, const kohl_recipe *recipe, char **text);

/* Writes that text to a new file, or in the place of an old one: complete or not at all (kernels/core/place.h). */
kohl_status kohl_recipe_write(kohl_context *ctx, const kohl_recipe *recipe, const char *path);

void kohl_recipe_free(kohl_context *ctx, kohl_recipe *recipe);

#endif
