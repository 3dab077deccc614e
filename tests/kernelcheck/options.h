/* The command line of kernelcheck, read by main.c, and its commands. */
#ifndef KOHL_TESTS_KERNELCHECK_OPTIONS_H
#define KOHL_TESTS_KERNELCHECK_OPTIONS_H

#include <stdint.h>

#include "kernels/core/kernel.h"

/* Exit codes. */
enum { EXIT_RIGHT = 0, EXIT_USAGE = 1, EXIT_WRONG = 2 };

typedef struct tool_options {
  const char *command, *op; /* op: NULL for all */
  const char *impl;         /* a glob over kernel ids */
  const char *direction;    /* check: by name; NULL: all */
  const char *shapes;       /* bench: one of bench/shapes/, without folder and .txt; NULL: all */
  const char *cpu, *device, *text, *commit;
  const char *vendor_path; /* where cuDNN and cuBLAS are; NULL: where the loader looks */
  bool fast, csv;
  int threads, cases;
  int batch; /* bench: of problems whose text has n=1; 0: as they are */
  uint64_t seed;
} tool_options;

/* What the commands share.  pools: 1 thread (NULL), 2 and 3. */
typedef struct check_tool {
  const tool_options *options;
  kohl_context *ctx;
  kohl_threads *pools[3];
  long passed, failed;
} check_tool;

/* Whether this op, or this kernel, was asked for. */
bool tool_wants_op(const check_tool *tool, const kohl_op *op);
bool tool_wants(const check_tool *tool, const kohl_kernel *kernel);

/* The commands; they print to stdout, count in tool, and return an exit code. */
int check_command(check_tool *tool);
int grad_command(check_tool *tool);
int bench_command(check_tool *tool);

/* Runs the bad kernels of bad_kernels.def: each must be caught by the check that its line names.  Counts in tool. */
void selftest_run(check_tool *tool);

#endif
