/* Some rows of a problem's outputs in double, made once and compared with every kernel that is timed. */
#ifndef KOHL_TESTS_KERNELCHECK_BENCH_SAMPLE_H
#define KOHL_TESTS_KERNELCHECK_BENCH_SAMPLE_H

#include "tests/kernelcheck/instance.h"

enum { BENCH_SAMPLES = 12 }; /* rows of each output at most, the first and the last among them */

typedef struct bench_samples {
  bool made;
  kohl_accuracy accuracy; /* whose bounds they have, */
  int tile;               /* and which m of WINOGRAD's */
  size_t count[KOHL_ARGS_OUT], rows[KOHL_ARGS_OUT][BENCH_SAMPLES];
  case_value *values[KOHL_ARGS_OUT]; /* count x channels */
} bench_samples;

/* Makes them with the bounds of a kernel's class; nothing when they are there already.  Starts from zeros, freed by
 * bench_samples_free. */
void bench_samples_make(bench_samples *samples, case_instance *instance, const kohl_kernel *kernel);
void bench_samples_free(bench_samples *samples);

/* Whether outputs out[i], which were poisoned, are written everywhere and within the bounds where they were sampled;
 * the errors over the rms of truth are raised to theirs. */
bool bench_samples_check(const bench_samples *samples, const case_layout *layout, void *const out[KOHL_ARGS_OUT],
                         double *max_rel, double *rms, difference *where);

#endif
