/* A recipe: everything that decides a training run but the data, as YAML.  train/recipe.def is the list of its keys;
 * recipes/README.md explains them.
 *
 * Reading checks everything at once: an unknown key, a wrong type and a value out of range are errors with file, line
 * and field.  A key that is absent has its default.  What is read can be written and reads back equal.
 * One thread at a time. */
#ifndef KOHL_TRAIN_RECIPE_H
#define KOHL_TRAIN_RECIPE_H

#include "kernels/core/context.h"
#include "kernels/picture/augmentation.h"

enum {
  KOHL_RECIPE_BYTES = 1 << 19, /* of a recipe file; longer ones are refused */
  KOHL_RECIPE_LIST = 8,        /* numbers in a list */
  KOHL_RECIPE_PHASES = 8,
  KOHL_RECIPE_HEADS = 16,
  KOHL_RECIPE_NAME = 33, /* bytes of a head's name with its NUL */
};

/* The words of recipe.def as numbers, in the order of its lists. */
typedef enum kohl_recipe_best {
  KOHL_BEST_ACCURACY,
  KOHL_BEST_LOSS,
  KOHL_BEST_BALANCED_ACCURACY,
  KOHL_BEST_MACRO_F1,
  KOHL_BEST_TOP5,
  KOHL_BEST_KAPPA,
  KOHL_BEST_ROC_AUC,
  KOHL_BEST_AVERAGE_PRECISION,
} kohl_recipe_best;
enum {
  KOHL_STOP_BEST,
  KOHL_STOP_FIRST
}; /* stop.metric: the recipe's `best`, or KOHL_STOP_FIRST + one of those above */
typedef enum kohl_recipe_batch_norm { KOHL_BATCH_NORM_FROZEN, KOHL_BATCH_NORM_TRAINED } kohl_recipe_batch_norm;
typedef enum kohl_recipe_begin { KOHL_BEGIN_LAST, KOHL_BEGIN_BEST } kohl_recipe_begin;
typedef enum kohl_recipe_schedule {
  KOHL_SCHEDULE_CONSTANT,
  KOHL_SCHEDULE_STEP,
  KOHL_SCHEDULE_EXPONENTIAL,
  KOHL_SCHEDULE_COSINE,
  KOHL_SCHEDULE_PLATEAU,
} kohl_recipe_schedule;
typedef enum kohl_recipe_compare { KOHL_COMPARE_BEST, KOHL_COMPARE_PREVIOUS } kohl_recipe_compare;
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
typedef struct kohl_recipe_range {
  double low, high; /* low <= high */
} kohl_recipe_range;
typedef struct kohl_recipe_list {
  int count, value[KOHL_RECIPE_LIST];
} kohl_recipe_list;
typedef struct kohl_recipe_figure { /* "val_loss", "material.val_loss" */
  kohl_recipe_word word;
  char head[KOHL_RECIPE_NAME]; /* "": none is named */
} kohl_recipe_figure;

/* One head: what is asked of every picture.  Its last layer, and so its task, is loss.name's. */
typedef struct kohl_recipe_head {
  struct {
    kohl_recipe_text name, column;
    kohl_recipe_word pool, norm; /* norm: 0 none, 1 batch */
    kohl_recipe_list dense;
    kohl_recipe_real dropout, weight;
  } head;
  struct {
    kohl_recipe_word name, class_weights, positive_weights, weights_divide_by;
    kohl_recipe_real class_weights_beta, label_smoothing;
  } loss;
  uint64_t own; /* a bit for each key, in recipe.def's order, that this head says itself; 0 in kohl_recipe.head */
} kohl_recipe_head;

/* One stretch of a run: what is trained, how long and how fast.  A word whose list is false|true is 0 or 1. */
typedef struct kohl_recipe_phase {
  kohl_recipe_text name;       /* "": shown as "phase N" */
  kohl_recipe_text train;      /* read by kohl_recipe_train */
  kohl_recipe_text freeze;     /* patterns of layers that stay frozen all the same */
  kohl_recipe_word batch_norm; /* kohl_recipe_batch_norm */
  kohl_recipe_word begin;      /* kohl_recipe_begin: which weights of the run so far this phase begins with */
  kohl_recipe_int epochs;
  struct {
    kohl_recipe_word name; /* kohl_recipe_schedule */
    kohl_recipe_real warmup, warmup_from;
    kohl_recipe_int every;
    kohl_recipe_real factor, floor;
    kohl_recipe_int patience;
    kohl_recipe_word compare, stop; /* kohl_recipe_compare; 0 or 1 */
  } schedule;
  struct {
    kohl_recipe_word name, nesterov, lr_place, epsilon_place;
    kohl_recipe_real lr, momentum, rho, beta1, beta2, epsilon, weight_decay, decay, clip_norm, ema;
  } optimizer;
  struct {
    kohl_recipe_figure metric; /* word: KOHL_STOP_BEST, or KOHL_STOP_FIRST + kohl_recipe_best */
    kohl_recipe_int patience;
    kohl_recipe_real min_delta;
  } stop;
  uint64_t own; /* a bit for each key, in recipe.def's order, that this phase says itself; 0 in kohl_recipe.phase */
} kohl_recipe_phase;

typedef struct kohl_recipe {
  kohl_recipe_int batch, accumulate, seed;
  kohl_recipe_figure best;
  struct {
    kohl_recipe_text name, model, at, adjust;
  } base;
  struct {
    kohl_recipe_int size;
    kohl_recipe_word fit, filter, normalise, decode, orient;
    kohl_recipe_colour background;
  } pictures;
  struct {
    kohl_recipe_real rotation, width_shift, height_shift, shear;
    kohl_recipe_range zoom, brightness, contrast, saturation;
    kohl_recipe_word horizontal_flip, vertical_flip, fill; /* 0 or 1; fill: kohl_fill */
    kohl_recipe_int crop;
    kohl_recipe_colour colour;
  } augment;
  struct {
    kohl_recipe_text split_column;
    kohl_recipe_real validation, test;
    kohl_recipe_int seed;
    kohl_recipe_word copies;
    kohl_recipe_text group;
    kohl_recipe_int folds, fold;
    kohl_recipe_int cap, oversample, workers;
    kohl_recipe_word several_labels; /* 0 or 1 */
  } data;
  struct {
    kohl_recipe_word cache; /* 0 or 1 */
    kohl_recipe_int variants;
  } features;
  struct {
    kohl_recipe_real bad_pictures;
    kohl_recipe_int cache_bytes, picture_bytes, resident_bytes;
  } limits;
  kohl_recipe_head head;                        /* what a head has that does not say a key itself */
  kohl_recipe_head heads[KOHL_RECIPE_HEADS];    /* complete: what is trained */
  int head_count;                               /* 1 to KOHL_RECIPE_HEADS */
  bool heads_listed;                            /* the recipe has `heads`; else its one head is `head`, and stays so */
  kohl_recipe_phase phase;                      /* what a phase has that does not say a key itself */
  kohl_recipe_phase phases[KOHL_RECIPE_PHASES]; /* complete: what is trained */
  int phase_count;                              /* 1 to KOHL_RECIPE_PHASES */
  bool phases_listed; /* the recipe has `phases`; else its one phase is `phase`, and stays so */
} kohl_recipe;

/* Every key at its default.  *out is the caller's until kohl_recipe_free; on failure of any reader it is empty. */
kohl_status kohl_recipe_default(kohl_context *ctx, kohl_recipe *out);

/* Reads a file.  Wrong content is KOHL_BAD_INPUT: "FILE:LINE: field 'optimizer.lr': value 'x', expected ...". */
kohl_status kohl_recipe_read(kohl_context *ctx, const char *path, kohl_recipe *out);

/* The same from memory; name stands for the file in messages. */
kohl_status kohl_recipe_parse(kohl_context *ctx, const char *name, const char *text, size_t bytes, kohl_recipe *out);

/* Applies "key=value" with a dotted key.  phases.2.KEY is phase 2's own, heads.2.KEY head 2's.  KEY alone is that of
 * all phases or heads that do not say it themselves; where all of them do, that is an error, since it would change
 * nothing.  Errors are KOHL_USAGE beginning with `--set` and the assignment; the recipe is then unchanged. */
kohl_status kohl_recipe_set(kohl_context *ctx, kohl_recipe *recipe, const char *assignment);

/* Applies the assignments of base.adjust that are for this architecture and empties the field, so that the recipe can
 * be run again as it is.  Wrong ones are KOHL_BAD_INPUT beginning with "field 'base.adjust'". */
kohl_status kohl_recipe_adjust(kohl_context *ctx, kohl_recipe *recipe, const char *arch);

/* What no single field can say: the shares of the split leave something to train on, and what is set for loss,
 * optimizer and schedule is read by those that are named.  where: file or option, named in the message. */
kohl_status kohl_recipe_check(kohl_context *ctx, const kohl_recipe *recipe, const char *where);

/* Every key, with its value, as YAML, and where heads or phases are listed every key of each of them; *text is the
 * caller's until kohl_free and ends with a zero. */
kohl_status kohl_recipe_print(kohl_context *ctx, const kohl_recipe *recipe, char **text);

/* Writes that text to a new file, or in the place of an old one: complete or not at all (kernels/core/place.h). */
kohl_status kohl_recipe_write(kohl_context *ctx, const kohl_recipe *recipe, const char *path);

/* The recipe's `augment`, and whether it changes any picture. */
kohl_augmentation kohl_recipe_augmentation(const kohl_recipe *recipe);
bool kohl_recipe_augments(const kohl_recipe *recipe);

/* Does head h take several labels a picture?  Those of a list by loss.name sigmoid, an only one by data.several_labels.
 */
bool kohl_recipe_several(const kohl_recipe *recipe, int head);

/* The place of the head that a figure is of in recipe->heads: the named one, else the first; -1: there is none. */
int kohl_recipe_head_of(const kohl_recipe *recipe, const kohl_recipe_figure *figure);

/* What the text of `train` says. */
typedef enum kohl_recipe_trained {
  KOHL_TRAIN_HEAD,     /* "head": what comes behind the base */
  KOHL_TRAIN_ALL,      /* "all" */
  KOHL_TRAIN_LAST,     /* "last 4": the head and the last 4 layers of the base */
  KOHL_TRAIN_FROM,     /* "from block5_conv2": that layer and all behind it */
  KOHL_TRAIN_PATTERNS, /* "block5_*, mixed10*": the head and the layers of the base with such names */
} kohl_recipe_trained;
typedef struct kohl_recipe_train {
  kohl_recipe_trained kind;
  int last;         /* of KOHL_TRAIN_LAST, 1 to 100000 */
  const char *text; /* the layer or the patterns, within the text that was read */
} kohl_recipe_train;

/* False when text says nothing that can be trained. */
bool kohl_recipe_train_read(const char *text, kohl_recipe_train *out);

/* Patterns are separated by commas, with spaces around them or not; `*` is any text, `?` any one byte.  Is none of them
 * empty?  Does one of them match all of name? */
bool kohl_recipe_patterns_read(const char *text);
bool kohl_recipe_patterns_match(const char *patterns, const char *name);

void kohl_recipe_free(kohl_context *ctx, kohl_recipe *recipe);

#endif
