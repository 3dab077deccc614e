/* What the tests of packed weights share: a network that has what packing treats differently, its file, its answer, and
 * what the library says meanwhile.
 *
 * The network: a convolution with its batch-norm folded in, two siblings that are merged, one that is plain, and a
 * dense layer, which is packed in pieces where it is large; its outputs are no multiple of a piece. */
#ifndef KOHL_TESTS_UNIT_PACKED_MODEL_H
#define KOHL_TESTS_UNIT_PACKED_MODEL_H

#include <sys/types.h>

#include "nn/session.h"

enum { PACKED_CHANNELS = 4100, PACKED_CLASSES = 1030, PACKED_LINES = 8 };

typedef struct packed_test {
  kohl_context *ctx;
  char path[64], kept[80]; /* the model file, and that of its packed weights */
  int channels, classes;
  char said[PACKED_LINES][512]; /* lines of the log */
  kohl_log_level level[PACKED_LINES];
  int lines;
} packed_test;

/* Makes context and model file; the large one has PACKED_CHANNELS and PACKED_CLASSES.  Failures fail the test. */
void packed_begin(packed_test *t, bool large);
void packed_end(packed_test *t);

kohl_model *packed_make(packed_test *t); /* in memory */
kohl_model *packed_open(packed_test *t);
kohl_session *packed_session(packed_test *t, const kohl_model *model, int batch);

/* The probabilities of one picture; the same from weights that never were in a file. */
void packed_run(packed_test *t, kohl_session *session, float out[PACKED_CLASSES]);
void packed_run_in_memory(packed_test *t, float out[PACKED_CLASSES]);

/* KiB of a mapped file that are in this process's memory, by /proc/self/smaps; -1: it is not mapped. */
long packed_resident(const char *file);

#endif
