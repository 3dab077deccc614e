/* Event files: the curves of a run in the form that TensorBoard reads.
 *
 * Not the truth about a run: that is metrics.csv and the checkpoint, and training goes on where this log cannot be
 * written.  The file is a row of TFRecords (length, masked CRC32C of it, data, masked CRC32C of them: the comments of
 * tensorflow/core/lib/io/record_writer.h), each of which is an Event message (tensorflow/core/util/event.proto) in
 * protobuf's wire form; of these formats only what scalars need is written.
 *
 * A file is only ever appended to by the run that made it; a resumed run begins a new one in the same folder.  Its
 * content follows from the calls but for the times in it.  One thread at a time. */
#ifndef KOHL_TRAIN_EVENTS_H
#define KOHL_TRAIN_EVENTS_H

#include "kernels/core/context.h"

enum { KOHL_EVENTS_TAG = 128 }; /* bytes of a tag, at most */

typedef struct kohl_events kohl_events;

/* Makes FOLDER/tensorboard where it is missing, and in it events.out.tfevents.SECONDS.HOST.N: the time of the call,
 * characters of the host's name that are no letters, digits, '-' or '.' as '_', and the first N from 0 that is free.
 * folder is the run's and exists.  *out is the caller's until kohl_events_close.
 *
 * KOHL_NO_RESOURCE when that is impossible: a warning is in the log, *out is NULL, which every other function takes
 * and ignores, so that the caller may go on without looking. */
kohl_status kohl_events_open(kohl_context *ctx, const char *folder, kohl_events **out);

/* Says that a run is taken up again after `step` updates: what earlier files of the folder hold of later steps is from
 * work that was lost, and TensorBoard drops it. */
kohl_status kohl_events_resume(kohl_events *events, int64_t step);

/* Adds one point.  tag: UTF-8, 1 to KOHL_EVENTS_TAG bytes, as "loss" or "validation/accuracy", where the part before
 * the slash is a group of diagrams; else KOHL_USAGE.  step: updates so far, 0 or more.  value is stored as a float and
 * may be NaN.  Points are collected and written when there are some KiB of them, or by kohl_events_flush.
 *
 * The first write that fails is KOHL_NO_RESOURCE with a warning in the log; the log is given up then, and every later
 * call does nothing and is KOHL_OK. */
kohl_status kohl_events_scalar(kohl_events *events, int64_t step, const char *tag, double value);

/* Gives what is collected to the file, whole records only; no fsync.  Errors as above. */
kohl_status kohl_events_flush(kohl_events *events);

/* Flushes, closes and frees; NULL is allowed. */
void kohl_events_close(kohl_events *events);

#endif
