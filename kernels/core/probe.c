/* Timing of the probes, and the ones in plain C. */
#include "kernels/core/probe.h"

#include <math.h>
#include <time.h>

#include "kernels/core/alloc.h"
#include "kernels/core/device.h"

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
static double best_time(kohl_threads *threads, kohl_task task, probe_job *job, size_t units, int repeats) {
  double best = 1e30;
  for (int i = 0; i < repeats; i++) {
    double begin = now();
    kohl_parallel(threads, task, job, units);
    double seconds = now() - begin;
    if (seconds < best) best = seconds;
  }
  return best > 1e-9 ? best : 1e-9;
}

double kohl_probe_flops(unsigned caps, kohl_threads *threads, int repeats) {
  const struct {
    unsigned needs;
    float (*fma)(long rounds);
    double fmas;
  } levels[] = {
    {0, kohl_probe_fma_ref, KOHL_PROBE_FMAS_REF},
#if defined(__x86_64__)
    {KOHL_CAP_AVX2, kohl_probe_fma_avx2, KOHL_PROBE_FMAS_AVX2},
    {KOHL_CAP_AVX512, kohl_probe_fma_avx512, KOHL_PROBE_FMAS_AVX512},
#endif
  };
  double best = 0;
  /* Units are handed out one at a time: four for each worker keep all of them busy to about the end. */
  size_t units = 4 * kohl_threads_count(threads);
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
    if ((caps & levels[i].needs) != levels[i].needs) continue;
    /* fmaf is a library call without FMA instructions: a tenth of the rounds takes as long */
    probe_job job = {levels[i].fma, NULL, levels[i].needs ? 100000 : 10000, NULL, {0}};
    double seconds = best_time(threads, fma_unit, &job, units, repeats);
    double flops = 2.0 * levels[i].fmas * (double)job.rounds * (double)units / seconds;
    if (flops > best) best = flops;
  }
  return best;
}

/* By the clocks that the device names: 128 lanes a multiprocessor, memory that moves twice a clock. */
static kohl_status describe_device(kohl_context *ctx, kohl_probe *out) {
  kohl_device_info info;
  kohl_status status = kohl_device_describe(ctx, kohl_device_number(ctx->device), &info);
  if (status != KOHL_OK) return status;
  out->flops = 2.0 * 128.0 * info.multiprocessors * info.clock_mhz * 1e6;
  out->bytes = 2.0 * info.memory_clock_mhz * 1e6 * info.memory_bits / 8.0;
  return KOHL_OK;
}

kohl_status kohl_probe_run(kohl_context *ctx, kohl_probe *out) {
  if (ctx->device) return describe_device(ctx, out);
  probe_job job = {NULL, kohl_probe_read_ref, 0, NULL, {0}};
#if defined(__x86_64__)
  if (ctx->caps & KOHL_CAP_AVX2) job.read = kohl_probe_read_avx2;
  if (ctx->caps & KOHL_CAP_AVX512) job.read = kohl_probe_read_avx512;
#endif
  float *values;
  kohl_status status = kohl_alloc(ctx, probe_floats, sizeof *values, "the bandwidth probe", &values);
  if (status != KOHL_OK) return status;
  job.values = values;
  out->flops = kohl_probe_flops(ctx->caps, ctx->threads, REPEATS);
  out->bytes = (double)(probe_floats * sizeof *values) / best_time(ctx->threads, read_unit, &job, PIECES, REPEATS);
  kohl_free(ctx, values);
  return KOHL_OK;
}
