/* Timing of one problem, and the rows that it prints. */
#ifndef KOHL_TESTS_KERNELCHECK_BENCH_H
#define KOHL_TESTS_KERNELCHECK_BENCH_H

#include "tests/kernelcheck/instance.h"
#include "tests/kernelcheck/options.h"

typedef struct bench_row {
  const kohl_kernel *kernel;
  const char *shapes, *layer; /* the file and the name in it */
  size_t threads;
  double ms_min, ms_median, ms_sd, pack_ms; /* milliseconds of a run; pack_ms of one packing, 0 without any */
  double flops, bytes;                      /* of the problem */
  double peak;                              /* FLOP/s measured right before and after: the higher one */
  double ratio;                             /* how many times faster than ref, per FLOP; 0 when ref was not timed */
  double max_rel, rms;                      /* over the rms of the outputs that were sampled */
  char ref_note[CASE_TEXT];                 /* the problem that ref was timed on when it is another one */
  double bandwidth;                         /* device: bytes/s of its memory; peak is then of its clock and class */
  int launches, sets;                       /* device: runs of one timing, sets of memory that they go through */
  bool graph;                               /* device: they were recorded, so that launching them takes no time */
} bench_row;

/* The table's head, or the CSV's two first lines. */
void bench_header(const check_tool *tool);
void bench_print(const check_tool *tool, const bench_row *row, const char *problem);
/* The same for kernels of a device. */
void bench_device_header(check_tool *tool);
void bench_device_print(const check_tool *tool, const bench_row *row, const char *problem);

/* Times the wanted kernels of every direction that has this problem; false when the problem is none. */
bool bench_problem(check_tool *tool, const kohl_op *op, const case_problem *problem, const char *shapes,
                   const char *layer);

/* Lays a problem out; false when the direction has no such problem. */
bool bench_lay_out(const case_problem *problem, kohl_direction direction, case_layout *layout);

/* Milliseconds of ref per FLOP (per byte where there are no FLOPs), on a problem small enough; note says which. */
double bench_time_ref(check_tool *tool, const kohl_kernel *ref, const case_problem *problem, char note[CASE_TEXT]);

/* The smallest, the median and the standard deviation of count times, which are sorted. */
void bench_summary(double *ms, int count, bench_row *row);

/* Says that a kernel was not timed since its result is wrong, and counts it. */
void bench_refused(check_tool *tool, const bench_row *row, const difference *where, const char *problem);

/* Times the wanted CUDA kernels of one direction (bench_device.c); false when it has no such problem. */
bool bench_device(check_tool *tool, const kohl_op *op, const case_problem *problem, kohl_direction direction,
                  bench_row *row);

#endif
