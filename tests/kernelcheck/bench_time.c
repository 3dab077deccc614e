/* Timing of one problem: ref first, then every kernel on the same inputs, each after a sampled check. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/core/probe.h"
#include "tests/kernelcheck/bench.h"
#include "tests/kernelcheck/bench_sample.h"

enum { REPEATS = 200, LEAST = 5, PROBES = 25 };
static const double seconds_each = 0.3, seconds_ref = 2.0;
/* ref makes at least this many FLOP/s on one thread where fmaf is a library call without instruction */
static const double ref_rate = 2e8;

/* Seconds on a clock that only goes forward. */
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A kernel bound to its memory for repeated runs.  Outputs that are updated start from their values once. */
typedef struct bound {
  const kohl_kernel *kernel;
  const case_layout *layout;
  kohl_args args;
  guarded packed, workspace, out[KOHL_ARGS_OUT];
  double pack_ms;
} bound;

static void bound_make(bound *b, const case_instance *instance, const kohl_kernel *kernel, kohl_threads *threads) {
  const kohl_kernel_code *code = kernel->code;
  const case_layout *layout = &instance->layout;
  memset(b, 0, sizeof *b);
  b->kernel = kernel;
  b->layout = layout;
  b->args = instance_args(instance);
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    if (!code->packed_size || !layout->in[i].weights) continue;
    b->packed = guarded_make(code->packed_size(layout->desc), 0);
    guarded_poison(&b->packed, false); /* touches the pages, so that packing alone is timed */
    double start = now();
    code->pack(layout->desc, instance->in[i].data, b->packed.data);
    b->pack_ms = 1e3 * (now() - start);
    b->args.in[i] = b->packed.data;
  }
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &layout->out[i];
    if (!tensor->name) continue;
    size_t bytes = case_tensor_extent(tensor) * case_type_size(tensor->type);
    b->out[i] = guarded_make(bytes, 0);
    guarded_poison(&b->out[i], false);
    if (tensor->updated) memcpy(b->out[i].data, instance->initial[i], bytes);
    b->args.out[i] = b->out[i].data;
  }
  size_t bytes = code->workspace_size ? code->workspace_size(layout->desc, kohl_threads_count(threads)) : 0;
  b->workspace = guarded_make(bytes, 0);
  guarded_poison(&b->workspace, false);
  b->args.workspace = bytes ? b->workspace.data : NULL;
}

static void bound_free(bound *b) {
  guarded_free(&b->packed);
  guarded_free(&b->workspace);
  for (int i = 0; i < KOHL_ARGS_OUT; i++) guarded_free(&b->out[i]);
}

static double run_once(const bound *b, kohl_threads *threads) {
  double start = now();
  b->kernel->code->run(b->layout->desc, &b->args, threads);
  return 1e3 * (now() - start);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void bench_summary(double *ms, int count, bench_row *row) {
  double sum = 0.0, squares = 0.0;
  for (int i = 0; i < count; i++) sum += ms[i];
  for (int i = 0; i < count; i++) squares += (ms[i] - sum / count) * (ms[i] - sum / count);
  qsort(ms, (size_t)count, sizeof *ms, by_size);
  row->ms_min = ms[0];
  row->ms_median = ms[count / 2];
  row->ms_sd = sqrt(squares / count);
}

/* Runs for about seconds_each after a warm-up. */
static void time_runs(const bound *b, kohl_threads *threads, bench_row *row) {
  double ms[REPEATS];
  int count = 0;
  for (double spent = 0.0; count < REPEATS && (count < LEAST || spent < 1e3 * seconds_each); count++) {
    spent += ms[count] = run_once(b, threads);
  }
  bench_summary(ms, count, row);
}

bool bench_lay_out(const case_problem *problem, kohl_direction direction, case_layout *layout) {
  memset(layout, 0, sizeof *layout);
  layout->problem = problem;
  layout->direction = direction;
  return !problem->op->layout(problem, direction, layout);
}

double bench_time_ref(check_tool *tool, const kohl_kernel *ref, const case_problem *problem, char note[CASE_TEXT]) {
  case_problem small = *problem;
  case_layout layout;
  double rate = ref_rate * (double)kohl_threads_count(tool->ctx->threads);
  note[0] = 0;
  if (!bench_lay_out(&small, ref->direction, &layout)) return 0.0;
  while (layout.flops / rate > seconds_ref && small.op->reduce) {
    case_problem smaller = small;
    case_layout tried;
    if (!small.op->reduce(&smaller) || !bench_lay_out(&smaller, ref->direction, &tried)) break;
    small = smaller;
    layout = tried;
    layout.problem = &small;
    case_print(&small, note);
  }
  case_instance instance;
  bound b;
  instance_make(&instance, &layout, CASE_FLOATS, tool->options->seed);
  bound_make(&b, &instance, ref, tool->ctx->threads);
  double best = run_once(&b, tool->ctx->threads), spent = best;
  for (int i = 0; i < LEAST && spent < 200.0; i++) {
    double again = run_once(&b, tool->ctx->threads);
    best = fmin(best, again);
    spent += again;
  }
  bound_free(&b);
  instance_free(&instance);
  return best / (layout.flops > 0.0 ? layout.flops : layout.bytes);
}

void bench_refused(check_tool *tool, const bench_row *row, const difference *where, const char *problem) {
  tool->failed++;
  fprintf(stderr, "FAILED %s %s %s: not timed: %s row %zu channel %d: got %.9g, expected %.9g +- %.3g; \"%s\"\n",
          row->kernel->op, kohl_direction_name(row->kernel->direction), row->kernel->id, where->tensor, where->row,
          where->channel, where->got, where->expected, where->allowed, problem);
}

static void kernel_run(check_tool *tool, case_instance *instance, bench_samples *samples, bench_row *row,
                       double ref_ms) {
  const case_layout *layout = &instance->layout;
  kohl_threads *threads = tool->ctx->threads;
  char text[CASE_TEXT];
  bound b;
  difference where;
  case_print(layout->problem, text);
  bound_make(&b, instance, row->kernel, threads);
  run_once(&b, threads); /* the checked run is the warm-up */
  bench_samples_make(samples, instance, row->kernel);
  bool right = bench_samples_check(samples, layout, b.args.out, &row->max_rel, &row->rms, &where);
  row->pack_ms = b.pack_ms;
  if (right) {
    row->peak = kohl_probe_flops(tool->ctx->caps, threads, PROBES);
    time_runs(&b, threads, row);
    row->peak = fmax(row->peak, kohl_probe_flops(tool->ctx->caps, threads, PROBES));
    row->ratio = ref_ms * (layout->flops > 0.0 ? layout->flops : layout->bytes) / row->ms_min;
    bench_print(tool, row, text);
    tool->passed++;
  } else {
    bench_refused(tool, row, &where, text);
  }
  bound_free(&b);
}

static bool direction_run(check_tool *tool, const kohl_op *op, const case_problem *problem, kohl_direction direction,
                          bench_row *row) {
  const kohl_kernel *ref = NULL;
  case_layout layout;
  for (size_t i = 0; i < op->count; i++) {
    if (op->kernels[i].direction == direction && !strcmp(op->kernels[i].id, "ref")) ref = &op->kernels[i];
  }
  if (!ref || !bench_lay_out(problem, direction, &layout)) return false;
  case_instance instance;
  bench_samples samples = {0};
  double ref_ms = bench_time_ref(tool, ref, problem, row->ref_note);
  instance_make(&instance, &layout, CASE_FLOATS, tool->options->seed);
  row->flops = layout.flops;
  row->bytes = layout.bytes;
  row->threads = kohl_threads_count(tool->ctx->threads);
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *kernel = &op->kernels[i];
    if (kernel->direction != direction || !tool_wants(tool, kernel)) continue;
    if (kohl_kernel_refusal(tool->ctx, kernel, layout.desc)) continue;
    if (kernel == ref && *row->ref_note) continue; /* its time is the smaller problem's */
    row->kernel = kernel;
    row->max_rel = row->rms = 0.0;
    kernel_run(tool, &instance, &samples, row, ref_ms);
  }
  bench_samples_free(&samples);
  instance_free(&instance);
  return true;
}

bool bench_problem(check_tool *tool, const kohl_op *op, const case_problem *problem, const char *shapes,
                   const char *layer) {
  bench_row row;
  bool any = false;
  memset(&row, 0, sizeof row);
  row.shapes = shapes;
  row.layer = layer;
  for (int direction = KOHL_FWD; direction <= KOHL_WGRAD; direction++) {
    bool run = tool->ctx->device ? bench_device(tool, op, problem, (kohl_direction)direction, &row)
                                 : direction_run(tool, op, problem, (kohl_direction)direction, &row);
    any = run || any;
  }
  if (!any) fprintf(stderr, "kernelcheck: %s: %s is no problem of %s\n", shapes, layer, op->name);
  return any;
}
