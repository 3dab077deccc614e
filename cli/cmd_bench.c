/* kohl bench net: how fast a network is, with its error beside the speed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/network.h"
#include "cli/training.h"
#include "cli/truth.h"
#include "nn/session.h"

/* Runs until both are reached, or the most. */
enum { RUNS_LEAST = 5, RUNS_MOST = 1000 };
static const double seconds_least = 1.0;

typedef struct bench_result {
  int runs;
  double open_ms, first_ms, ms_min, ms_median, ms_sd, gflops, images_per_s;
  double peak_bytes;
  double max_rel_error; /* NaN: not computed */
} bench_result;

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double plan_flops(const kohl_plan *plan) {
  double sum = 0;
  for (size_t i = 0; i < plan->step_count; i++) {
    if (plan->steps[i].absorbed_by < 0) sum += kohl_step_flops(&plan->steps[i]);
  }
  return sum;
}

/* One run of what is timed: a whole training step, or the forward pass. */
static kohl_status run_once(cli *c, kohl_session *session, cli_trainer *trainer) {
  return trainer->session ? cli_trainer_step(c, trainer) : kohl_session_run(session, session->plan->options.batch);
}

static kohl_status time_runs(cli *c, kohl_session *session, cli_trainer *trainer, bench_result *out) {
  const cli_value *runs = cli_get(c, CLI_OPTION_runs);
  int batch = session->plan->options.batch;
  double times[RUNS_MOST], begin = now_ms(), mean = 0, spread = 0;
  kohl_status status = KOHL_OK;
  for (out->runs = 0; out->runs < RUNS_MOST && status == KOHL_OK; out->runs++) {
    double start = now_ms();
    if (runs->set ? out->runs >= runs->number : out->runs >= RUNS_LEAST && start - begin > seconds_least * 1e3) break;
    status = run_once(c, session, trainer);
    times[out->runs] = now_ms() - start;
  }
  if (status != KOHL_OK) return status;
  qsort(times, (size_t)out->runs, sizeof *times, compare);
  for (int i = 0; i < out->runs; i++) mean += times[i] / out->runs;
  for (int i = 0; i < out->runs; i++)
    spread += (times[i] - mean) * (times[i] - mean) / (out->runs > 1 ? out->runs - 1 : 1);
  out->ms_min = times[0];
  out->ms_median = out->runs % 2 ? times[out->runs / 2] : 0.5 * (times[out->runs / 2] + times[out->runs / 2 - 1]);
  out->ms_sd = sqrt(spread);
  out->images_per_s = batch / out->ms_median * 1e3;
  out->gflops = plan_flops(session->plan) / out->ms_median * 1e-6;
  cli_say(c, "%d runs, %.1f MFLOP each", out->runs, plan_flops(session->plan) / 1e6);
  return KOHL_OK;
}

/* The largest error of `node` for the first picture, relative to its largest value in double. */
static kohl_status measure_error(cli *c, kohl_session *session, int node, bench_result *out) {
  const char *name = session->model->graph->nodes[node].name;
  kohl_shape shape = session->model->graph->nodes[node].shape;
  size_t count = (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
  float *got = NULL;
  double *truth = NULL, error = 0, largest = 0;
  kohl_status status = kohl_alloc(c->ctx, count, sizeof *got, "the outputs", &got);
  if (status == KOHL_OK) status = kohl_alloc(c->ctx, count, sizeof *truth, "the outputs", &truth);
  if (status == KOHL_OK) status = kohl_session_output(session, node, 1, got);
  if (status == KOHL_OK) status = cli_truth(c->ctx, session->model, node, kohl_session_input(session), truth);
  for (size_t i = 0; status == KOHL_OK && i < count; i++) {
    double e = fabs((double)got[i] - truth[i]);
    if (!isfinite(e))
      status = kohl_fail(c->ctx, KOHL_NOT_FINITE, "layer '%s': value %zu is %g, expected %g", name, i, (double)got[i],
                         truth[i]);
    if (e > error) error = e;
    if (fabs(truth[i]) > largest) largest = fabs(truth[i]);
  }
  out->max_rel_error = largest > 0 ? error / largest : error;
  kohl_free(c->ctx, got);
  kohl_free(c->ctx, truth);
  return status;
}

/* The layer whose values are compared: the logits where there is a softmax or sigmoid at the end. */
static int compared_node(const kohl_graph *graph) {
  const kohl_node *last = &graph->nodes[graph->count - 1];
  bool squashed = last->layer == KOHL_LAYER_softmax || last->layer == KOHL_LAYER_sigmoid;
  return squashed ? last->inputs[0] : (int)graph->count - 1;
}

static kohl_status bench_session(cli *c, kohl_session *session, int node, bench_result *out) {
  const kohl_plan *plan = session->plan;
  kohl_shape shape = plan->buffers[plan->input].shape;
  size_t count = (size_t)plan->options.batch * (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
  cli_trainer trainer = {NULL, NULL, 0};
  cli_fill_random(kohl_session_input(session), count, 0);
  kohl_status status = plan->options.train ? cli_trainer_begin(c, session, &trainer) : KOHL_OK;
  double begin = now_ms();
  if (status == KOHL_OK) status = run_once(c, session, &trainer);
  out->first_ms = now_ms() - begin;
  if (status == KOHL_OK) status = time_runs(c, session, &trainer, out);
  cli_trainer_free(&trainer);
  struct rusage usage;
  out->peak_bytes = getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024.0 : 0.0;
  double mflop = plan_flops(plan) / plan->options.batch / 1e6;
  if (status == KOHL_OK && !plan->options.train && mflop <= (double)cli_get(c, CLI_OPTION_truth)->number) {
    status = measure_error(c, session, node, out);
  }
  return status;
}

static int print_result(cli *c, const char *name, const kohl_session *session, const bench_result *r) {
  const struct {
    const char *key;
    double value;
  } rows[] = {{"images_per_s", r->images_per_s},
              {"ms_min", r->ms_min},
              {"ms_median", r->ms_median},
              {"ms_sd", r->ms_sd},
              {"gflops", r->gflops},
              {"peak_bytes", r->peak_bytes},
              {"open_ms", r->open_ms},
              {"first_ms", r->first_ms},
              {"max_rel_error", r->max_rel_error}};
  enum { ROWS = sizeof rows / sizeof *rows };
  kohl_shape input = session->plan->buffers[session->plan->input].shape;
  size_t threads = kohl_threads_count(c->ctx->threads);
  if (cli_format_is(c, "json")) {
    kohl_json_writer writer;
    kohl_json_write_begin(&writer, c->ctx);
    kohl_json_write_object_begin(&writer);
    cli_json_text(&writer, "net", name);
    cli_json_text(&writer, "mode", cli_get(c, CLI_OPTION_mode)->text);
    cli_json_shape(&writer, "input", input);
    cli_json_count(&writer, "batch", (uint64_t)session->plan->options.batch);
    cli_json_count(&writer, "threads", threads);
    cli_json_text(&writer, "level", cli_level(c).text);
    for (size_t i = 0; i < ROWS; i++) cli_json_number(&writer, rows[i].key, rows[i].value);
    kohl_json_write_object_end(&writer);
    return cli_print_json(c, &writer);
  }
  if (!cli_format_is(c, "table")) {
    cli_table *table = cli_table_new(
        "net|mode|input|batch|threads|level|images_per_s|ms_min|ms_median|ms_sd|gflops|peak_bytes|open_ms|first_ms|"
        "max_rel_error");
    cli_table_cell(table, name);
    cli_table_cell(table, cli_get(c, CLI_OPTION_mode)->text);
    cli_table_cell(table, cli_shape(input).text);
    cli_table_cellf(table, "%d", session->plan->options.batch);
    cli_table_cellf(table, "%zu", threads);
    cli_table_cell(table, cli_level(c).text);
    for (size_t i = 0; i < ROWS; i++) {
      if (isnan(rows[i].value)) cli_table_cell(table, "");
      if (!isnan(rows[i].value)) cli_table_cellf(table, "%.10g", rows[i].value);
    }
    return cli_print_table(c, table);
  }
  printf("%s, %s, input %s, batch %d, %zu threads, level %s, %d runs\n\n", name, cli_get(c, CLI_OPTION_mode)->text,
         cli_shape(input).text, session->plan->options.batch, threads, cli_level(c).text, r->runs);
  printf("images_per_s   %.2f\nms             %.3f median, %.3f min, %.3f sd\ngflops         %.1f\n", r->images_per_s,
         r->ms_median, r->ms_min, r->ms_sd, r->gflops);
  printf("peak memory    %.1f MB\nopen_ms        %.2f\nfirst_ms       %.2f\n", r->peak_bytes / 1e6, r->open_ms,
         r->first_ms);
  if (isnan(r->max_rel_error)) {
    if (session->plan->options.train)
      printf("max_rel_error  not computed in training\n");
    else
      printf("max_rel_error  not computed: more than --truth %ld MFLOP\n", cli_get(c, CLI_OPTION_truth)->number);
  } else {
    printf("max_rel_error  %.2e against double precision\n", r->max_rel_error);
  }
  return cli_flush(c, 0);
}

static int bench_net(cli *c, const char *name) {
  const char *size = cli_get(c, CLI_OPTION_size)->text;
  const cli_value *batch = cli_get(c, CLI_OPTION_batch);
  bench_result result = {.max_rel_error = NAN};
  kohl_model *model = NULL;
  kohl_session *session = NULL;
  double begin = now_ms();
  kohl_plan_options options = kohl_plan_options_default();
  int code = cli_network_load(c, name, size, &model), node = 0;
  if (!code) code = cli_training_mode(c, model->graph, &options.train);
  if (code) {
    kohl_model_destroy(c->ctx, model);
    return code;
  }
  node = compared_node(model->graph);
  options.batch = batch->set ? (int)batch->number : 1;
  options.memory_limit = (size_t)cli_get(c, CLI_OPTION_memory)->number << 20;
  options.taps = &node;
  options.tap_count = !options.train && node + 1 < (int)model->graph->count;
  kohl_status status = kohl_session_create(c->ctx, model, &options, &session);
  result.open_ms = now_ms() - begin;
  if (status == KOHL_OK) status = bench_session(c, session, node, &result);
  code = status == KOHL_OK ? print_result(c, name, session, &result) : cli_fail_library(c, status);
  kohl_session_destroy(session);
  kohl_model_destroy(c->ctx, model);
  return code;
}

int cmd_bench(cli *c) {
  if (strcmp(c->options.operands[0], "net")) {
    return cli_fail(c, KOHL_USAGE, "'%s', expected net; usage: kohl bench [options] net NAME|MODEL",
                    c->options.operands[0]);
  }
  int code = cli_begin(c);
  return code ? code : bench_net(c, c->options.operands[1]);
}
