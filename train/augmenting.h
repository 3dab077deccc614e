/* The augmentation of training pictures as the loader's hook: drawn, warped, coloured, normalised.
 *
 * Not the arithmetic (datasets/augment.h).  A picture's numbers are a function of (seed, epoch, draw) alone, draw being
 * the position in the epoch's list: a picture that stands there several times is changed differently each time, and
 * neither workers, nor cache, nor what becomes of other pictures moves a bit. */
#ifndef KOHL_TRAIN_AUGMENTING_H
#define KOHL_TRAIN_AUGMENTING_H

#include "datasets/augment.h"
#include "datasets/loader.h"

typedef struct kohl_augmenting kohl_augmenting;

/* a and pre are copied; pre says what the network reads.  With a->crop pictures are fitted to crop x crop pixels and a
 * random window of pre's size is cut from them; the fit "crop" keeps its `resize`.  *out is the caller's until
 * kohl_augmenting_destroy (NULL is allowed), stands at epoch 0, and must outlive the loaders that use it.  KOHL_USAGE:
 * numbers that cannot be, a crop below the network's sides or above `resize`, no kernel that may be chosen. */
kohl_status kohl_augmenting_create(kohl_context *ctx, const kohl_augmentation *a, const kohl_preprocessing *pre,
                                   uint64_t seed, kohl_augmenting **out);
void kohl_augmenting_destroy(kohl_augmenting *augmenting);

/* The preprocessing that the loader, its cache and a pack are made with: pre with the fit of the larger pictures. */
kohl_preprocessing kohl_augmenting_fitted(const kohl_augmenting *augmenting);

/* Sets the hook, its workspace and the size of rows in options.  Where the augmentation changes nothing there is no
 * hook: rows are what kohl_prepare gives, as they are with a hook that draws nothing. */
void kohl_augmenting_hook(kohl_augmenting *augmenting, kohl_loader_options *options);

/* The same for kernels that take a batch: whether there is anything to change; how one picture is warped and, behind
 * that and its colours, normalised; what warp and colour are told about a draw of the loader's list (NaN, which makes
 * the picture NaN as the hook would, where the numbers cannot be). */
bool kohl_augmenting_changes(const kohl_augmenting *augmenting);
kohl_warp_desc kohl_augmenting_warp(const kohl_augmenting *augmenting);
kohl_normalise_desc kohl_augmenting_normalise(const kohl_augmenting *augmenting);
void kohl_augmenting_numbers(const kohl_augmenting *augmenting, uint64_t draw, int64_t matrix[6], float factors[3]);

/* The epoch of the pictures that come from now on; only before kohl_loader_begin.  order: the loader's list is an
 * epoch's list in another order, its position p being the epoch's order[p], which keys the numbers; borrowed until the
 * epoch is over.  NULL: they are the same. */
void kohl_augmenting_begin(kohl_augmenting *augmenting, uint32_t epoch, const size_t *order);

#endif
