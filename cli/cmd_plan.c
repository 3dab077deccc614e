/* kohl plan: how a network will be computed, and what the machine's peak rates say about it. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/network.h"
#include "cli/training.h"
#include "kernels/core/probe.h"
#include "nn/session.h"

enum { RUNS = 5 };

typedef struct plan_view {
  const kohl_plan *plan;
  kohl_probe peak;
  const double *measured; /* seconds per step, or NULL */
} plan_view;

typedef struct step_view {
  double flops, bytes, predicted; /* predicted: seconds */
  const char *bound;
} step_view;

/* The longer of the time that the arithmetic and the time that the memory takes at least. */
static step_view look(const plan_view *v, const kohl_step *step) {
  step_view s = {kohl_step_flops(step), kohl_step_bytes(v->plan, step), 0.0, "FLOP"};
  double compute = s.flops / v->peak.flops, memory = s.bytes / v->peak.bytes;
  s.predicted = compute > memory ? compute : memory;
  if (memory > compute) s.bound = "DRAM";
  return s;
}

static kohl_shape step_shape(const kohl_plan *plan, const kohl_step *step) {
  bool pixels = step->out[0] >= 0 && plan->buffers[step->out[0]].kind == KOHL_BUFFER_ACTIVATION;
  return pixels ? plan->buffers[step->out[0]].shape : plan->graph->nodes[step->node].shape;
}

/* Bytes that a step's own weights and bias have in the arena, as its kernel reads them. */
static size_t packed_bytes(const kohl_plan *plan, const kohl_step *step) {
  const bool weighted = step->op == &kohl_conv2d_op || step->op == &kohl_dense_op || step->op == &kohl_batchnorm_op;
  size_t bytes = 0;
  for (int i = 1; i <= 2 && weighted && step->repeats < 0; i++) {
    const kohl_buffer *b = step->in[i] < 0 ? NULL : &plan->buffers[step->in[i]];
    if (b && b->kind == KOHL_BUFFER_WEIGHTS && b->home < 0) bytes += b->bytes;
  }
  return bytes;
}

/* What the arena is for: all activations and the largest workspace, which have the place of its second part in turns.
 */
typedef struct arena_view {
  size_t activations, workspace;
} arena_view;

static arena_view look_at_arena(const kohl_plan *plan) {
  arena_view a = {0, 0};
  for (size_t i = 0; i < plan->buffer_count; i++) {
    const kohl_buffer *b = &plan->buffers[i];
    if (b->home >= 0 || b->first < 0) continue;
    if (b->kind == KOHL_BUFFER_ACTIVATION) a.activations += b->bytes;
    if (b->kind == KOHL_BUFFER_SCRATCH && b->bytes > a.workspace) a.workspace = b->bytes;
  }
  return a;
}

/* Runs the network, in training the whole step, and keeps each step's shortest time. */
static kohl_status measure(cli *c, kohl_session *session, double *best) {
  const kohl_plan *plan = session->plan;
  const kohl_buffer *input = &plan->buffers[plan->input];
  size_t count = (size_t)plan->options.batch * (size_t)input->shape.h * (size_t)input->shape.w * (size_t)input->shape.c;
  cli_trainer trainer = {NULL, NULL, 0};
  cli_fill_random(kohl_session_input(session), count, 0);
  kohl_status status = kohl_session_time_steps(session);
  if (status == KOHL_OK && plan->options.train) status = cli_trainer_begin(c, session, &trainer);
  for (int run = 0; status == KOHL_OK && run < RUNS; run++) {
    status = plan->options.train ? cli_trainer_step(c, &trainer) : kohl_session_run(session, plan->options.batch);
    for (size_t i = 0; status == KOHL_OK && i < plan->step_count; i++) {
      if (run == 0 || session->seconds[i] < best[i]) best[i] = session->seconds[i];
    }
  }
  cli_trainer_free(&trainer);
  return status;
}

/* Whether a kernel stands before the chosen one in the list: then *why is its reason. */
static bool passed_over(const cli *c, const kohl_step *step, const kohl_kernel *kernel, const char **why) {
  const bool here = !(kernel->needs & KOHL_CAP_CUDA) == !c->ctx->device;
  if (!here || kernel >= step->kernel || kernel->direction != step->direction || kernel->kind != KOHL_KIND_KERNEL)
    return false;
  *why = kohl_kernel_passed_over(c->ctx, step->op, kernel, &step->desc);
  if (!*why) *why = "it accepts; --impl or the plan chose another";
  return true;
}

static void print_refusals(const cli *c, const kohl_plan *plan) {
  printf("\nkernels earlier in the list, and why they were not taken:\n");
  for (size_t i = 0; i < plan->step_count; i++) {
    const kohl_step *step = &plan->steps[i];
    for (size_t k = 0; step->absorbed_by < 0 && k < step->op->count; k++) {
      const kohl_kernel *kernel = &step->op->kernels[k];
      const char *why;
      if (!passed_over(c, step, kernel, &why)) continue;
      printf("  %s: %s %s: %s\n", plan->graph->nodes[step->node].name, step->op->name, kernel->id, why);
    }
  }
}

static void write_refusals(const cli *c, kohl_json_writer *w, const kohl_step *step) {
  kohl_json_write_key(w, "refused");
  kohl_json_write_array_begin(w);
  for (size_t k = 0; k < step->op->count; k++) {
    const char *why;
    if (!passed_over(c, step, &step->op->kernels[k], &why)) continue;
    kohl_json_write_object_begin(w);
    cli_json_text(w, "kernel", step->op->kernels[k].id);
    cli_json_text(w, "reason", why);
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
}

static int print_steps(cli *c, const plan_view *v) {
  cli_table *table =
      cli_table_new(v->measured ? "layer|kernel|fused|output|>packed MB|>MFLOP|>MB|bound|>ms|>measured|>%"
                                : "layer|kernel|fused|output|>packed MB|>MFLOP|>MB|bound|>ms");
  for (size_t i = 0; i < v->plan->step_count; i++) {
    const kohl_step *step = &v->plan->steps[i];
    if (step->absorbed_by >= 0) continue;
    step_view s = look(v, step);
    cli_table_cell(table, v->plan->graph->nodes[step->node].name);
    bool forward = step->direction == KOHL_FWD;
    cli_table_cellf(table, "%s%s%s %s", step->op->name, forward ? "" : " ",
                    forward ? "" : kohl_direction_name(step->direction), step->kernel->id);
    cli_table_cell(table, step->fused);
    cli_table_cell(table, cli_shape(step_shape(v->plan, step)).text);
    cli_table_cellf(table, "%.2f", (double)packed_bytes(v->plan, step) / 1e6);
    cli_table_cellf(table, "%.1f", s.flops / 1e6);
    cli_table_cellf(table, "%.2f", s.bytes / 1e6);
    cli_table_cell(table, s.bound);
    cli_table_cellf(table, "%.3f", s.predicted * 1e3);
    if (!v->measured) continue;
    cli_table_cellf(table, "%.3f", v->measured[i] * 1e3);
    cli_table_cellf(table, "%.0f", v->measured[i] > 0 ? 100.0 * s.predicted / v->measured[i] : 0.0);
  }
  return cli_print_table(c, table);
}

/* Sums over the steps that run themselves; seconds[1] is 0 when nothing was measured. */
static step_view total(const plan_view *v, double *measured) {
  step_view sum = {0, 0, 0, ""};
  *measured = 0;
  for (size_t i = 0; i < v->plan->step_count; i++) {
    if (v->plan->steps[i].absorbed_by >= 0) continue;
    step_view s = look(v, &v->plan->steps[i]);
    sum.flops += s.flops;
    sum.bytes += s.bytes;
    sum.predicted += s.predicted;
    if (v->measured) *measured += v->measured[i];
  }
  return sum;
}

static void print_totals(cli *c, const plan_view *v) {
  double measured;
  step_view sum = total(v, &measured);
  int batch = v->plan->options.batch;
  printf("\ntotal      %.1f MFLOP, %.1f MB moved, batch %d, %zu threads, level %s\n", sum.flops / 1e6, sum.bytes / 1e6,
         batch, kohl_threads_count(c->ctx->threads), cli_level(c).text);
  printf("peak       %.0f GFLOP/s, %.1f GB/s (%s)\n", v->peak.flops / 1e9, v->peak.bytes / 1e9,
         c->ctx->device ? "of the device, by its clocks" : "measured now");
  printf("at peak    %.2f ms, %.1f pictures/s\n", sum.predicted * 1e3, batch / sum.predicted);
  if (v->measured) {
    printf("measured   %.2f ms, %.1f pictures/s, %.0f GFLOP/s, %.0f %% of peak\n", measured * 1e3, batch / measured,
           sum.flops / measured / 1e9, 100.0 * sum.predicted / measured);
  }
  const size_t arena = v->plan->arena_bytes, weights = v->plan->weights_bytes;
  const arena_view a = look_at_arena(v->plan);
  printf(
      "arena      %.1f MB (%zu bytes): weights %.1f, and %.1f that are used in turns by activations (%.1f in all) and "
      "workspace (at most %.1f)\n",
      (double)arena / 1e6, arena, (double)weights / 1e6, (double)(arena - weights) / 1e6, (double)a.activations / 1e6,
      (double)a.workspace / 1e6);
  if (v->plan->segments > 1)
    printf("recompute  the forward pass is cut into %d parts; all but the last are computed again\n",
           v->plan->segments);
}

static void write_step(const cli *c, kohl_json_writer *w, const plan_view *v, size_t i) {
  const kohl_step *step = &v->plan->steps[i];
  step_view s = look(v, step);
  kohl_json_write_object_begin(w);
  cli_json_text(w, "layer", v->plan->graph->nodes[step->node].name);
  cli_json_text(w, "op", step->op->name);
  cli_json_text(w, "direction", kohl_direction_name(step->direction));
  cli_json_text(w, "kernel", step->kernel->id);
  cli_json_text(w, "fused", step->fused);
  cli_json_shape(w, "output", step_shape(v->plan, step));
  cli_json_count(w, "packed_bytes", packed_bytes(v->plan, step));
  cli_json_number(w, "flops", s.flops);
  cli_json_number(w, "bytes", s.bytes);
  cli_json_text(w, "bound", s.bound);
  cli_json_number(w, "predicted_ms", s.predicted * 1e3);
  if (v->measured) {
    cli_json_number(w, "measured_ms", v->measured[i] * 1e3);
    cli_json_number(w, "percent", v->measured[i] > 0 ? 100.0 * s.predicted / v->measured[i] : 0.0);
  }
  if (cli_get(c, CLI_OPTION_why)->set) write_refusals(c, w, step);
  kohl_json_write_object_end(w);
}

static int print_as_json(cli *c, const plan_view *v) {
  double measured;
  step_view sum = total(v, &measured);
  kohl_json_writer writer, *w = &writer;
  kohl_json_write_begin(w, c->ctx);
  kohl_json_write_object_begin(w);
  kohl_json_write_key(w, "steps");
  kohl_json_write_array_begin(w);
  for (size_t i = 0; i < v->plan->step_count; i++) {
    if (v->plan->steps[i].absorbed_by < 0) write_step(c, w, v, i);
  }
  kohl_json_write_array_end(w);
  cli_json_count(w, "batch", (uint64_t)v->plan->options.batch);
  cli_json_count(w, "threads", kohl_threads_count(c->ctx->threads));
  cli_json_text(w, "level", cli_level(c).text);
  cli_json_number(w, "flops", sum.flops);
  cli_json_number(w, "bytes", sum.bytes);
  cli_json_number(w, "peak_flops_per_s", v->peak.flops);
  cli_json_number(w, "peak_bytes_per_s", v->peak.bytes);
  cli_json_number(w, "predicted_ms", sum.predicted * 1e3);
  if (v->measured) cli_json_number(w, "measured_ms", measured * 1e3);
  const arena_view a = look_at_arena(v->plan);
  cli_json_count(w, "arena_bytes", v->plan->arena_bytes);
  cli_json_count(w, "weights_bytes", v->plan->weights_bytes);
  cli_json_count(w, "activations_bytes", a.activations);
  cli_json_count(w, "workspace_bytes", a.workspace);
  char digest[24];
  snprintf(digest, sizeof digest, "%016llx", (unsigned long long)v->plan->digest);
  cli_json_text(w, "digest", digest);
  kohl_json_write_object_end(w);
  return cli_print_json(c, w);
}

static int print_plan(cli *c, const plan_view *v) {
  if (cli_format_is(c, "json")) return print_as_json(c, v);
  int code = print_steps(c, v);
  if (code || !cli_format_is(c, "table")) return code;
  print_totals(c, v);
  if (cli_get(c, CLI_OPTION_why)->set) print_refusals(c, v->plan);
  return cli_flush(c, 0);
}

/* Plans, and with --measure runs. */
static int plan_model(cli *c, const kohl_model *model, plan_view *view) {
  kohl_plan_options options = kohl_plan_options_default();
  int code = cli_training_mode(c, model->graph, &options.train);
  if (code) return code;
  const cli_value *batch = cli_get(c, CLI_OPTION_batch);
  options.batch = batch->set ? (int)batch->number : 1;
  options.memory_limit = (size_t)cli_get(c, CLI_OPTION_memory)->number << 20;
  kohl_session *session = NULL;
  kohl_plan *plan = NULL;
  double *measured = NULL;
  kohl_status status = kohl_probe_run(c->ctx, &view->peak);
  if (status == KOHL_OK && cli_get(c, CLI_OPTION_measure)->set) {
    status = kohl_session_create(c->ctx, model, &options, &session);
    if (status == KOHL_OK) {
      status = kohl_alloc(c->ctx, session->plan->step_count, sizeof *measured, "the times of the steps", &measured);
    }
    if (status == KOHL_OK) status = measure(c, session, measured);
  } else if (status == KOHL_OK) {
    status = kohl_plan_create(c->ctx, model->graph, &options, &plan);
  }
  if (status == KOHL_OK) {
    view->plan = session ? session->plan : plan;
    view->measured = measured;
    code = print_plan(c, view);
  } else {
    code = cli_fail_library(c, status);
  }
  kohl_free(c->ctx, measured);
  kohl_session_destroy(session);
  kohl_plan_destroy(c->ctx, plan);
  return code;
}

int cmd_plan(cli *c) {
  int code = cli_begin(c);
  if (code) return code;
  kohl_model *model = NULL;
  code = cli_network_load(c, c->options.operands[0], cli_get(c, CLI_OPTION_size)->text, &model);
  if (code) return code;
  plan_view view;
  memset(&view, 0, sizeof view);
  code = plan_model(c, model, &view);
  kohl_model_destroy(c->ctx, model);
  return code;
}
