/* What this machine can do at most: what `kohl plan` predicts by, and what `kernelcheck bench` compares kernels with.
 *
 * Short probes (a few milliseconds each, best of several), not a benchmark: another program's load lowers them. */
#ifndef KOHL_KERNELS_CORE_PROBE_H
#define KOHL_KERNELS_CORE_PROBE_H

#include "kernels/core/context.h"

typedef struct kohl_probe {
  double flops; /* f32 operations a second, fused multiply-adds counted as two, all threads of the context together */
  double bytes; /* bytes a second read from memory by all threads together */
} kohl_probe;

/* With a device: what its clocks make of its multiprocessors and its memory's width.  Else measures both at the
 * context's CPU level with its threads.  Needs 64 MiB for a moment; a last-level cache larger than that makes `bytes`
 * the cache's rate.  KOHL_NO_RESOURCE when memory is refused. */
kohl_status kohl_probe_run(kohl_context *ctx, kohl_probe *out);

/* Operations a second of independent chains of fused multiply-adds on every worker of the pool (NULL: one) at once,
 * with the registers that caps allow: every level is tried, since a processor may have a lower clock for the widest.
 * The best of `repeats` runs of about a millisecond each. */
double kohl_probe_flops(unsigned caps, kohl_threads *threads, int repeats);

/* One thread's part, per level: `rounds` rounds of KOHL_PROBE_FMAS fused multiply-adds in independent chains, from
 * registers.  The result depends on all of them, so that none can be left out. */
float kohl_probe_fma_ref(long rounds);
float kohl_probe_fma_avx2(long rounds);
float kohl_probe_fma_avx512(long rounds);
enum { KOHL_PROBE_FMAS_REF = 8, KOHL_PROBE_FMAS_AVX2 = 12 * 8, KOHL_PROBE_FMAS_AVX512 = 24 * 16 };

/* The sum of count floats (a multiple of 64), read once in order. */
float kohl_probe_read_ref(const float *values, size_t count);
float kohl_probe_read_avx2(const float *values, size_t count);
float kohl_probe_read_avx512(const float *values, size_t count);

#endif
