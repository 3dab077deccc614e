/* Pictures of a list decoded and prepared, many at a time. */
#ifndef KOHL_DATASETS_BATCH_H
#define KOHL_DATASETS_BATCH_H

#include "datasets/prepare.h"
#include "datasets/source.h"

/* dst[count][fit.h][fit.w][3] = the prepared pictures of samples indices[0 .. count - 1], on the context's threads;
 * every picture is the work of one thread, so that their number changes no byte.
 *
 * A bad picture stops nothing: its ok is false, its place in dst zeros, the other places are as they would be without
 * it.  The first time it is met, its sample's bad is set, samples->bad counted up and one warning logged: "bad
 * picture, skipped: PATH: why"; later it is not opened again.  Warnings come from the calling thread, in the order of
 * indices.  Other failures (memory, a preprocessing that cannot be, interrupted) are returned; dst and ok are
 * undefined then. */
kohl_status kohl_batch_load(kohl_context *ctx, kohl_samples *samples, const kohl_preprocessing *pre,
                            const size_t *indices, size_t count, float *dst, bool *ok);

#endif
