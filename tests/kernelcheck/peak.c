/* The peak over all threads, and its scalar part. */
#include "tests/kernelcheck/peak.h"

#include <math.h>
#include <time.h>

typedef double peak_part(long rounds, float *sink);

double peak_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* fmaf is a library call without FMA instructions, which is what ref pays too. */
double peak_scalar(long rounds, float *sink) {
  float a = 0.5f, b = 0.25f, c = 0.125f, d = 0.0625f;
  for (long i = 0; i < rounds; i++) {
    a = fmaf(a, 0.999f, 0.001f);
    b = fmaf(b, 0.999f, 0.001f);
    c = fmaf(c, 0.999f, 0.001f);
    d = fmaf(d, 0.999f, 0.001f);
  }
  *sink = a + b + c + d;
  return 8.0 * (double)rounds;
}

enum { WORKERS = 1024 };

typedef struct job {
  peak_part *part;
  long rounds;
  float sinks[WORKERS];
  double flops[WORKERS];
} job;

static void work(void *state, size_t index, size_t worker) {
  job *j = state;
  (void)worker;
  j->flops[index] = j->part(j->rounds, &j->sinks[index]);
}

static double measure(peak_part *part, long rounds, kohl_threads *threads) {
  static job j;
  size_t count = kohl_threads_count(threads);
  double best = 0.0;
  j.part = part;
  j.rounds = rounds;
  for (int repeat = 0; repeat < 9; repeat++) {
    double start = peak_clock(), flops = 0.0;
    kohl_parallel(threads, work, &j, count);
    double seconds = peak_clock() - start;
    for (size_t i = 0; i < count; i++) flops += j.flops[i];
    if (flops / seconds > best) best = flops / seconds;
  }
  return best;
}

double peak_flops(unsigned caps, kohl_threads *threads) {
  double best = measure(peak_scalar, 100000, threads);
  if (caps & KOHL_CAP_AVX2) best = fmax(best, measure(peak_avx2, 1000000, threads));
  if (caps & KOHL_CAP_AVX512) best = fmax(best, measure(peak_avx512, 1000000, threads));
  return best;
}
