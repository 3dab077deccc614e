/* What training reads, kept in the memory of a GPU.
 *
 * PICTURES: the training pictures, decoded and fitted by the loader as for the CPU, stay as bytes; a step's graph picks
 * those of its batch, warps, colours and normalises them into the session's input.  ROWS: the kept outputs of the
 * frozen part stay as floats, and are picked.  The host sends which ones, and the numbers that are drawn for them.  All
 * kernels are of class CHAIN: inputs are bit for bit those that feed.c would send. */
#ifndef KOHL_TRAIN_RESIDENT_H
#define KOHL_TRAIN_RESIDENT_H

#include "kernels/core/context.h"

typedef struct kohl_run kohl_run;
typedef struct kohl_resident kohl_resident;

/* For run->feed, when run->session is there; from then on that session's input comes from here.  *out is the caller's
 * until kohl_resident_close, which the session must not outlive.  NULL with KOHL_OK, and the log says why: limits or
 * memory do not hold it, --impl names a kernel that there is not.  Without a word where there is no device, or hooks
 * look at the input. */
kohl_status kohl_resident_open(kohl_run *run, kohl_resident **out);
void kohl_resident_close(kohl_resident *resident); /* NULL is allowed */

/* The batch's i-th row is row `at` of feed->train or, with PICTURES, the picture of position `position` in run->order.
 */
void kohl_resident_pick_row(kohl_resident *resident, int i, size_t at);
void kohl_resident_pick_picture(kohl_resident *resident, int i, const kohl_run *run, size_t position);

#endif
