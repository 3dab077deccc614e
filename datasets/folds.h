/* Cross-validation folds, groups that must not be torn apart, and the dealing of groups into parts.
 *
 * Not a loop over folds: who trains k times sets the splits of each fold by kohl_folds_apply. */
#ifndef KOHL_DATASETS_FOLDS_H
#define KOHL_DATASETS_FOLDS_H

#include "datasets/source.h"

enum { KOHL_FOLDS = 1000, KOHL_PARTS = KOHL_FOLDS }; /* at most */

/* group[i] (one for each sample) = a number for the text that the parentheses of a POSIX extended regular expression
 * find in the sample's file name (without folders), the same number for the same text, from 0 in the order of the
 * samples.  "^([0-9][0-9])": the first two digits.  KOHL_USAGE: not an expression with one pair of parentheses.
 * KOHL_BAD_INPUT names a sample whose name it does not match. */
kohl_status kohl_groups_from_names(kohl_context *ctx, const kohl_samples *samples, const char *pattern,
                                   uint32_t *group);

/* *group = the groups that a list is divided by: those of its own column, those of a pattern (NULL: none), or with both
 * what a chain of either connects.  NULL where there is neither; else the caller's until kohl_free. */
kohl_status kohl_groups_gather(kohl_context *ctx, const kohl_samples *samples, const char *pattern, uint32_t **group);

/* Joins: unit[i] is the same for two samples exactly when a chain of shared groups and copies connects them.  Numbers
 * begin at 0 and rise in the order of the samples; *units of them.  group and copy_of as in datasets/split.h, either
 * may be NULL. */
kohl_status kohl_units_join(kohl_context *ctx, size_t count, const uint32_t *group, const uint32_t *copy_of,
                            uint32_t *unit, size_t *units);

/* Divides the samples into folds, 2 to KOHL_FOLDS: fold[i] is 0 .. folds - 1.
 *
 * Without group and copy_of: each class is shuffled, keyed by (seed, class), and dealt out one by one from a fold that
 * is drawn too, so that each fold has floor(n / folds) or one more of the class's n samples, as scikit-learn's
 * StratifiedKFold has.  Other classes and threads change nothing.
 * With them: kohl_units_deal with equal parts. */
kohl_status kohl_folds_make(kohl_context *ctx, const kohl_samples *samples, const uint32_t *group,
                            const uint32_t *copy_of, uint64_t seed, size_t folds, uint32_t *fold);

/* Sets the splits for one fold: its samples are the test part; with `validation` those of the next fold (after the
 * last comes the first) are the validation part, so that each sample is tested once and validates once; the rest
 * trains.  For another share of the rest: validation false, then kohl_samples_split with that fraction.  Splits that
 * the samples had are overwritten.  which < folds, and folds >= 3 with validation, else KOHL_USAGE. */
kohl_status kohl_folds_apply(kohl_context *ctx, kohl_samples *samples, const uint32_t *fold, size_t folds, size_t which,
                             bool validation);

/* A deal: whole units (numbers 0 .. units - 1, one for each sample) into parts of given shares, every class as near to
 * its share of each part as whole units allow.
 *
 * want[p * classes + c] is what part p should have of class c; a unit with a class of which a part wants 0 does not go
 * there.  Units come in order of their size, largest first, those of one size in an order drawn by (seed, class of the
 * unit's first sample).  Each goes to the part where it raises the statistic
 *     X = sum over p, c of (have - want)^2 / want
 * least; of equal ones to the one that has the smallest share of all it wants, then to the first in the rotation that
 * begins with a part drawn by (seed, class), so that of parts that want the same none stays empty while there are
 * units.  A unit that is
 * the last chance of a class to be in part `keeper` goes there (keeper < 0: no such part), unless all of the class is
 * in that unit and other classes are in it too.
 *
 * With the parts' shares f adding up to 1 and want = f * n_class the result has, keeper aside,
 *     X <= (parts - 1) * sum over units, c of (the unit's samples of c)^2 / n_c,
 * which is what dealing at random gives on average; and where each unit is of one class and m is the class's largest
 * unit, have <= want + m * (1 + f * (parts - 2)) / 2. */
typedef struct kohl_deal {
  const kohl_samples *samples;
  const uint32_t *unit;
  size_t units, parts;
  const double *want;
  uint16_t *part; /* one for each unit, the caller's: what is KOHL_UNDEALT is dealt; the rest stays, and counts only as
                     being with the keeper (part == keeper) or not */
  uint64_t seed;
  int keeper;
} kohl_deal;
enum { KOHL_UNDEALT = 0xffff, KOHL_ELSEWHERE = 0xfffe };

kohl_status kohl_units_deal(kohl_context *ctx, const kohl_deal *deal);

#endif
