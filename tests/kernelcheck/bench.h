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
} bench_row;

/* The table's head, or the CSV's two first lines. */
void bench_header(const check_tool *tool);
void bench_print(const check_tool *tool, const bench_row *row, const char *problem);

/* Times the wanted kernels of every direction that has this problem; false when the problem is none. */
bool bench_problem(check_tool *tool, const kohl_op *op, const case_problem *problem, const char *shapes,
                   const char *layer);

#endif
