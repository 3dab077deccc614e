/* What stands in the run folder for people once a run is complete. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "train/report/report.h"
#include "train/run.h"

static void write_count(kohl_json_writer *json, const char *key, size_t value) {
  kohl_json_write_key(json, key);
  kohl_json_write_uint64(json, value);
}

static void write_text(kohl_json_writer *json, const char *key, const char *value) {
  kohl_json_write_key(json, key);
  kohl_json_write_string(json, value);
}

/* Counts, time and memory: of this call, where a run was taken up again. */
static void write_run(const kohl_run *run, kohl_json_writer *json) {
  struct rusage usage;
  kohl_json_write_object_begin(json);
  write_text(json, "kohl", kohl_version());
  write_text(json, "base", run->recipe.base.name);
  kohl_json_write_key(json, "data");
  kohl_json_write_object_begin(json);
  write_text(json, "path", run->options->data);
  write_count(json, "classes", run->samples.class_count);
  write_count(json, "train", run->train_count);
  write_count(json, "draws", run->draws.count);
  write_count(json, "validation", run->validation_count);
  write_count(json, "test", kohl_samples_count(&run->samples, KOHL_SPLIT_TEST));
  write_count(json, "copies_dropped", run->copies);
  write_count(json, "bad", run->samples.bad);
  kohl_json_write_object_end(json);
  if (run->recipe.heads_listed) {
    kohl_json_write_key(json, "heads");
    kohl_json_write_object_begin(json);
    kohl_run_write_heads(run, json);
    kohl_json_write_object_end(json);
  }
  write_count(json, "epochs", (size_t)run->place.epoch);
  write_count(json, "steps", (size_t)run->place.step);
  write_count(json, "best_epoch", (size_t)run->place.best_epoch);
  kohl_json_write_key(json, "seconds");
  kohl_json_write_double(json, kohl_run_clock() - run->started);
  if (getrusage(RUSAGE_SELF, &usage) == 0) write_count(json, "peak_bytes", (size_t)usage.ru_maxrss * 1024);
  write_count(json, "threads", kohl_threads_count(run->ctx->threads));
  kohl_json_write_object_end(json);
}

void kohl_run_finish(kohl_run *run) {
  kohl_json_writer json;
  kohl_text text = {.ctx = run->ctx};
  kohl_json_write_begin(&json, run->ctx);
  write_run(run, &json);
  text.status = kohl_json_write_end(&json);
  if (text.status == KOHL_OK) kohl_text_add(&text, "%s\n", json.text);
  if (kohl_run_write(run->ctx, run->options->run, "run.json", &text) != KOHL_OK) {
    kohl_run_log(run->ctx, run->options->run, "no run.json: %s", kohl_context_error(run->ctx));
  }
  kohl_text_free(&text);
  kohl_json_write_free(&json);
  const kohl_report_options report = {.run = run->options->run};
  if (kohl_report_write(run->ctx, &report) != KOHL_OK) {
    kohl_run_log(run->ctx, run->options->run, "no report.html: %s", kohl_context_error(run->ctx));
  }
}
