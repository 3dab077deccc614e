/* Timing of CUDA kernels by the device's own clock.
 *
 * A problem has several sets of memory, inputs and outputs, which together are larger than twice the device's L2 cache;
 * runs go through them in turn, so that each finds its data in memory as a network's layer does.  The first run of a
 * kernel is on set 0, whose outputs were full of NaN, and is checked.  A timing is of many runs, recorded as one graph
 * where that is possible, so that launching them costs nothing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernelcheck/bench.h"
#include "tests/kernelcheck/bench_sample.h"

/* a timing goes through all sets, so that there are no more of them than launches */
enum { SETS = 512, TIMINGS = 200, LEAST = 5, LAUNCHES = 512, ALIGNMENT = 256 };
static const double timing_ms = 1.0, round_ms = 400.0, warm_up_ms = 30.0, timed_ms = 150.0;
/* ref is timed beside it where it takes a moment */
static const double ref_flops = 2e7;

/* One problem's memory on the device. */
typedef struct sets {
  check_tool *tool;
  char *memory;
  void *workspace;
  size_t bytes; /* of one set */
  size_t in[KOHL_ARGS_IN], out[KOHL_ARGS_OUT];
  int count;
} sets;

/* Ends the program: after a failure of the device no later result means anything. */
static void need(const sets *s, kohl_status status) {
  if (status == KOHL_OK) return;
  fflush(stdout);
  fprintf(stderr, "kernelcheck: %s\n", kohl_context_error(s->tool->ctx));
  exit(4);
}

static size_t tensor_bytes(const case_tensor *tensor) {
  return tensor->name ? case_tensor_extent(tensor) * case_type_size(tensor->type) : 0;
}

static size_t placed(size_t *at, size_t bytes) {
  size_t place = *at;
  *at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  return place;
}

/* How many sets: twice the L2 cache together, but no more than half of what memory there is. */
static int set_count(const sets *s, size_t l2, size_t available) {
  size_t wanted = 2 * l2 / s->bytes + 1, room = available / 2 / s->bytes;
  if (wanted > room) wanted = room;
  return wanted < 1 ? 1 : wanted > SETS ? SETS : (int)wanted;
}

/* Set 0's outputs as they are before a run. */
static void poison(const sets *s, const case_instance *instance) {
  kohl_context *ctx = s->tool->ctx;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &instance->layout.out[i];
    if (!tensor->name) continue;
    guarded fill = guarded_make(tensor_bytes(tensor), 0);
    guarded_poison(&fill, false);
    if (tensor->updated) memcpy(fill.data, instance->initial[i], fill.bytes);
    need(s, kohl_device_upload(ctx, ctx->device, s->memory + s->out[i], fill.data, fill.bytes));
    need(s, kohl_device_wait(ctx, ctx->device));
    guarded_free(&fill);
  }
}

static void sets_make(sets *s, check_tool *tool, const case_instance *instance, size_t workspace) {
  kohl_context *ctx = tool->ctx;
  kohl_device_info info;
  size_t at = 0;
  memset(s, 0, sizeof *s);
  s->tool = tool;
  for (int i = 0; i < KOHL_ARGS_IN; i++) s->in[i] = placed(&at, tensor_bytes(&instance->layout.in[i]));
  for (int i = 0; i < KOHL_ARGS_OUT; i++) s->out[i] = placed(&at, tensor_bytes(&instance->layout.out[i]));
  s->bytes = at ? at : ALIGNMENT;
  need(s, kohl_device_describe(ctx, kohl_device_number(ctx->device), &info));
  s->count = set_count(s, info.l2_bytes > 0 ? (size_t)info.l2_bytes : 0, info.available);
  void *memory;
  need(s, kohl_device_alloc(ctx, ctx->device, s->bytes * (size_t)s->count, "tensors", &memory));
  s->memory = memory;
  if (workspace) need(s, kohl_device_alloc(ctx, ctx->device, workspace, "a workspace", &s->workspace));
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    size_t bytes = tensor_bytes(&instance->layout.in[i]);
    if (bytes) need(s, kohl_device_upload(ctx, ctx->device, s->memory + s->in[i], instance->in[i].data, bytes));
  }
  poison(s, instance);
  for (int set = 1; set < s->count; set++)
    need(s, kohl_device_copy(ctx, ctx->device, s->memory + (size_t)set * s->bytes, s->memory, s->bytes));
}

static void sets_free(sets *s) {
  kohl_device_free(s->tool->ctx->device, s->workspace);
  kohl_device_free(s->tool->ctx->device, s->memory);
}

static void launch(const sets *s, const kohl_kernel *kernel, const case_layout *layout, int set) {
  char *base = s->memory + (size_t)set * s->bytes;
  kohl_args args;
  memset(&args, 0, sizeof args);
  for (int i = 0; i < KOHL_ARGS_IN; i++) args.in[i] = layout->in[i].name ? base + s->in[i] : NULL;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) args.out[i] = layout->out[i].name ? base + s->out[i] : NULL;
  args.workspace = s->workspace;
  kernel->cuda->launch(layout->desc, &args, kohl_device_stream(s->tool->ctx->device));
}

/* One timing of row->launches runs, in milliseconds of one.  graph: NULL where there is none. */
static double time_once(const sets *s, const case_layout *layout, const bench_row *row, kohl_device_graph *graph) {
  kohl_context *ctx = s->tool->ctx;
  double seconds;
  need(s, kohl_device_time_begin(ctx, ctx->device));
  if (graph) need(s, kohl_device_replay(ctx, ctx->device, graph));
  for (int i = 0; i < row->launches && !graph; i++) launch(s, row->kernel, layout, i % s->count);
  need(s, kohl_device_time_end(ctx, ctx->device, &seconds));
  need(s, kohl_device_launched(ctx, ctx->device, row->kernel->id));
  return 1e3 * seconds / row->launches;
}

/* Enough runs for a timing, in whole rounds through the sets unless a round takes too long: then a run is so long that
 * what it finds in the cache does not matter. */
static void count_launches(const sets *s, const case_layout *layout, bench_row *row) {
  row->launches = 1;
  time_once(s, layout, row, NULL);
  double once = time_once(s, layout, row, NULL), wanted = ceil(timing_ms / fmax(once, 1e-6));
  row->launches = wanted > LAUNCHES ? LAUNCHES : (int)wanted;
  int rounds = (row->launches + s->count - 1) / s->count * s->count;
  if (rounds > LAUNCHES) rounds -= s->count;
  if (once * rounds < round_ms) row->launches = rounds;
  row->sets = s->count;
}

static void time_kernel(const sets *s, const case_layout *layout, bench_row *row) {
  kohl_context *ctx = s->tool->ctx;
  kohl_device_graph *graph = NULL;
  const double share = s->tool->options->fast ? 0.1 : 1.0;
  double ms[TIMINGS];
  int count = 0;
  count_launches(s, layout, row);
  need(s, kohl_device_record(ctx, ctx->device));
  for (int i = 0; i < row->launches; i++) launch(s, row->kernel, layout, i % s->count);
  /* a library that cannot be recorded is timed with its launches; what failed was the recording */
  row->graph = kohl_device_recorded(ctx, ctx->device, &graph) == KOHL_OK;
  if (!row->graph && row->kernel->kind == KOHL_KIND_BASELINE) kohl_device_stream(ctx->device)->failure = 0;
  need(s, kohl_device_launched(ctx, ctx->device, row->kernel->id));
  for (double spent = 0.0; spent < share * warm_up_ms;)
    spent += fmax(time_once(s, layout, row, graph) * row->launches, 1e-3 * timing_ms);
  for (double spent = 0.0; count < TIMINGS && (count < LEAST || spent < share * timed_ms); count++) {
    ms[count] = time_once(s, layout, row, graph);
    spent += ms[count] * row->launches;
  }
  bench_summary(ms, count, row);
  kohl_device_graph_destroy(graph);
}

/* A call of a vendor's library that failed has broken nothing: it is said, and forgotten. */
static bool baseline_failed(const sets *s, const bench_row *row) {
  kohl_context *ctx = s->tool->ctx;
  kohl_stream *stream = kohl_device_stream(ctx->device);
  if (row->kernel->kind != KOHL_KIND_BASELINE || !stream->failure) return false;
  fprintf(stderr, "not timed: %s %s %s %s: %s\n", row->layer, row->kernel->op,
          kohl_direction_name(row->kernel->direction), row->kernel->id, stream->failed);
  stream->failure = 0;
  return true;
}

/* Set 0's outputs after a first run, against the samples. */
static bool check(const sets *s, case_instance *instance, bench_samples *samples, bench_row *row, difference *where) {
  kohl_context *ctx = s->tool->ctx;
  guarded host[KOHL_ARGS_OUT];
  void *out[KOHL_ARGS_OUT];
  poison(s, instance);
  launch(s, row->kernel, &instance->layout, 0);
  need(s, kohl_device_launched(ctx, ctx->device, row->kernel->id));
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    host[i] = guarded_make(tensor_bytes(&instance->layout.out[i]), 0);
    out[i] = host[i].data;
    if (!host[i].bytes) continue;
    need(s, kohl_device_download(ctx, ctx->device, out[i], s->memory + s->out[i], host[i].bytes));
  }
  need(s, kohl_device_wait(ctx, ctx->device));
  bench_samples_make(samples, instance, row->kernel);
  bool right = bench_samples_check(samples, &instance->layout, out, &row->max_rel, &row->rms, where);
  for (int i = 0; i < KOHL_ARGS_OUT; i++) guarded_free(&host[i]);
  return right;
}

/* FLOP/s by the clock that the device states: f32 lanes of a multiprocessor times two, or what its tensor cores do of
 * TF32; 0 where that is not known here.  Bytes/s of memory, two a clock. */
static void peaks(check_tool *tool, bench_row *row) {
  kohl_device_info d;
  row->peak = row->bandwidth = 0.0;
  if (kohl_device_describe(tool->ctx, kohl_device_number(tool->ctx->device), &d) != KOHL_OK) return;
  const bool sm80 = d.major == 8 && d.minor == 0, sm90 = d.major == 9;
  double lanes = sm80 ? 64.0 : 128.0, tf32 = sm80 ? 1024.0 : sm90 ? 2048.0 : 0.0, clock = 1e6 * d.clock_mhz;
  row->peak = d.multiprocessors * clock * (row->kernel->accuracy == KOHL_ACCURACY_TF32 ? tf32 : 2.0 * lanes);
  row->bandwidth = 2e6 * d.memory_clock_mhz * d.memory_bits / 8.0;
}

static void kernel_run(check_tool *tool, case_instance *instance, bench_samples *samples, double ref_ms,
                       bench_row *row) {
  const case_layout *layout = &instance->layout;
  char text[CASE_TEXT];
  difference where;
  sets s;
  case_print(layout->problem, text);
  row->max_rel = row->rms = 0.0;
  sets_make(&s, tool, instance, kohl_kernel_workspace(row->kernel, layout->desc, 1));
  launch(&s, row->kernel, layout, 0); /* a library looks for its algorithm */
  if (baseline_failed(&s, row)) {
    sets_free(&s);
    return;
  }
  if (check(&s, instance, samples, row, &where)) {
    time_kernel(&s, layout, row);
    peaks(tool, row);
    row->ratio = ref_ms * (layout->flops > 0.0 ? layout->flops : layout->bytes) / row->ms_min;
    bench_device_print(tool, row, text);
    tool->passed++;
  } else {
    bench_refused(tool, row, &where, text);
  }
  sets_free(&s);
}

bool bench_device(check_tool *tool, const kohl_op *op, const case_problem *problem, kohl_direction direction,
                  bench_row *row) {
  const kohl_kernel *ref = NULL;
  case_layout layout;
  if (!bench_lay_out(problem, direction, &layout)) return false;
  for (size_t i = 0; i < op->count; i++) {
    if (op->kernels[i].direction == direction && !strcmp(op->kernels[i].id, "ref")) ref = &op->kernels[i];
  }
  if (!ref) return false;
  case_instance instance;
  bench_samples samples = {0};
  row->ref_note[0] = 0;
  double ref_ms = layout.flops < ref_flops ? bench_time_ref(tool, ref, problem, row->ref_note) : 0.0;
  instance_make(&instance, &layout, CASE_FLOATS, tool->options->seed);
  instance.ctx = tool->ctx;
  row->flops = layout.flops;
  row->bytes = layout.bytes;
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *kernel = &op->kernels[i];
    if (kernel->direction != direction || !(kernel->needs & KOHL_CAP_CUDA) || !tool_wants(tool, kernel)) continue;
    const char *refusal = kohl_kernel_refusal(tool->ctx, kernel, layout.desc);
    if (refusal) {
      fprintf(stderr, "not timed: %s %s %s %s: %s\n", row->layer, op->name, kohl_direction_name(direction), kernel->id,
              refusal);
      continue;
    }
    row->kernel = kernel;
    kernel_run(tool, &instance, &samples, ref_ms, row);
  }
  bench_samples_free(&samples);
  instance_free(&instance);
  return true;
}
