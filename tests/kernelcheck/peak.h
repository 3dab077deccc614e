/* The machine's peak of f32 fused multiply-adds, measured beside each kernel. */
#ifndef KOHL_TESTS_KERNELCHECK_PEAK_H
#define KOHL_TESTS_KERNELCHECK_PEAK_H

#include "kernels/core/context.h"

/* FLOP/s of independent chains of fused multiply-adds on every thread of the pool at once, with the widest registers
 * that caps allow (scalar fmaf without any): the best of a few runs of some milliseconds.  Every level is measured,
 * since a processor may have a lower clock for the widest. */
double peak_flops(unsigned caps, kohl_threads *threads);

/* One thread's part: `rounds` rounds, from registers.  *sink takes a result, so that nothing is left out; the FLOPs
 * done are returned. */
double peak_avx512(long rounds, float *sink);
double peak_avx2(long rounds, float *sink);
double peak_scalar(long rounds, float *sink);

/* Seconds on a clock that only goes forward. */
double peak_clock(void);

#endif
