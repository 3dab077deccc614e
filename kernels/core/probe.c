/* Timing of the probes, and the ones in plain C. */
#include "kernels/core/probe.h"

#include <math.h>
#include <time.h>

#include "kernels/core/alloc.h"

enum { REPEATS = 5, PIECES = 64 };
static const size_t probe_floats = (size_t)16 << 20;

float kohl_probe_fma_ref(long rounds) {
  float a0 = 1, a1 = 2, a2 = 3, a3 = 4, a4 = 5, a5 = 6, a6 = 7, a7 = 8;
  for (long i = 0; i < rounds; i++) {
    a0 = fmaf(a0, 0.5f, 1.0f);
    a1 = fmaf(a1, 0.5f, 1.0f);
    a2 = fmaf(a2, 0.5f, 1.0f);
    a3 = fmaf(a3, 0.5f, 1.0f);
    a4 = fmaf(a4, 0.5f, 1.0f);
    a5 = fmaf(a5, 0.5f, 1.0f);
    a6 = fmaf(a6, 0.5f, 1.0f);
    a7 = fmaf(a7, 0.5f, 1.0f);
  }
  return a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7;
}

float kohl_probe_read_ref(const float *values, size_t count) {
  float sum[8] = {0};
  for (size_t i = 0; i < count; i += 8) {
    for (size_t j = 0; j < 8; j++) sum[j] += values[i + j];
  }
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

typedef struct probe_job {
  float (*fma)(long rounds);
  float (*read)(const float *values, size_t count);
  long rounds;
  const float *values;
  float result[PIECES]; /* per piece of work, kept so that the work cannot be left out */
} probe_job;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fma_unit(void *state, size_t index, size_t worker) {
  (void)worker;
  probe_job *job = state;
  job->result[index % PIECES] = job->fma(job->rounds);
}

static void read_unit(void *state, size_t index, size_t worker) {
  (void)worker;
  probe_job *job = state;
  size_t piece = probe_floats / PIECES;
  job->result[index] = job->read(job->values + index * piece, piece);
}

/* The shortest time of several. */
static double best_time(kohl_context *ctx, kohl_task task, probe_job *job, size_t units) {
  double best = 1e30;
  for (int i = 0; i < REPEATS; i++) {
    double begin = now();
    kohl_parallel(ctx->threads, task, job, units);
    double seconds = now() - begin;
    if (seconds < best) best = seconds;
  }
  return best > 1e-9 ? best : 1e-9;
}

kohl_status kohl_probe_run(kohl_context *ctx, kohl_probe *out) {
  probe_job job = {kohl_probe_fma_ref, kohl_probe_read_ref, 100000, NULL, {0}};
  double fmas = KOHL_PROBE_FMAS_REF;
#if defined(__x86_64__)
  if (ctx->caps & KOHL_CAP_AVX512) {
    job.fma = kohl_probe_fma_avx512;
    job.read = kohl_probe_read_avx512;
    fmas = KOHL_PROBE_FMAS_AVX512;
  } else if (ctx->caps & KOHL_CAP_AVX2) {
    job.fma = kohl_probe_fma_avx2;
    job.read = kohl_probe_read_avx2;
    fmas = KOHL_PROBE_FMAS_AVX2;
  }
#endif
  float *values;
  kohl_status status = kohl_alloc(ctx, probe_floats, sizeof *values, "the bandwidth probe", &values);
  if (status != KOHL_OK) return status;
  job.values = values;
  /* Units are handed out one at a time: four for each worker keep all of them busy to about the end. */
  size_t units = 4 * kohl_threads_count(ctx->threads);
  out->flops = 2.0 * fmas * (double)job.rounds * (double)units / best_time(ctx, fma_unit, &job, units);
  out->bytes = (double)(probe_floats * sizeof *values) / best_time(ctx, read_unit, &job, PIECES);
  kohl_free(ctx, values);
  return KOHL_OK;
}
