/* Offline augmentation: new pictures as files, until every class has at least N in the training part.
 *
 * Not the augmentation itself: the caller makes the pixels.  Here it is decided which pictures are taken how often, and
 * the files are written:
 *
 *   FOLDER/<class>/<name>_<draw>.png   name: of the picture that it is made of; draw: 1, 2, ... of that picture
 *   FOLDER/labels.csv                  path, label, split of all: the pictures that were there (where they are; they
 * are not copied), and the new ones, which are train.  Written last: a folder without it is not finished.
 *
 * kohl_samples_open reads the folder.  Only the training part grows, so that nothing of a validation or test picture
 * comes into the training: every sample must have a split. */
#ifndef KOHL_DATASETS_EXPAND_H
#define KOHL_DATASETS_EXPAND_H

#include "datasets/balance.h"

/* A picture to be made: of samples->sample[sample], the draw-th, from 1. */
typedef struct kohl_extra {
  size_t sample;
  uint32_t draw;
} kohl_extra;

/* The pictures that bring every class to `least` in the training part: what kohl_list_oversample appends, with the same
 * seed, each numbered within its sample.  Bad samples are left out and do not count.  *extras is the caller's until
 * kohl_free.  A sample without a split is KOHL_USAGE. */
kohl_status kohl_extras_plan(kohl_context *ctx, const kohl_samples *samples, size_t least, uint64_t seed,
                             kohl_extra **extras, size_t *count);

/* Makes the pixels of one picture: dst is [h][w][3].  Called from several threads at once, each with a context of its
 * own.  KOHL_BAD_INPUT: the picture cannot be read, which is a warning and leaves it out; anything else ends all. */
typedef kohl_status (*kohl_extra_maker)(void *user, kohl_context *ctx, const kohl_samples *samples, kohl_extra extra,
                                        uint8_t *dst, int w, int h);

typedef struct kohl_expand_options {
  int w, h; /* of the new pictures */
  kohl_extra_maker make;
  void *user;
  void (*progress)(void *user, size_t done, size_t count); /* NULL: none; called from the caller's thread */
  void *progress_user;
} kohl_expand_options;

/* Writes pictures and labels.csv into folder, which is made, or is there and empty.  Where two of the pictures that are
 * drawn from have the same name in a class, every new name has the number of its sample: <name>_<sample>_<draw>.png.
 * Class names that are no folder names have their odd characters replaced and get their number.  *written: the new
 * pictures; the other `count` less these could not be made.  Bad samples are not in labels.csv.  Pictures without a
 * file of their own (a pack, records) are KOHL_BAD_INPUT.  Errors name the file; pictures that were written stay. */
kohl_status kohl_expand(kohl_context *ctx, const kohl_samples *samples, const kohl_extra *extras, size_t count,
                        const kohl_expand_options *options, const char *folder, size_t *written);

#endif
