/* The heads of a run: which labels each of them is asked for, and where its answers are. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/run.h"
#include "train/targets.h"

size_t kohl_run_columns(const kohl_run *run, const char *columns[KOHL_RECIPE_HEADS]) {
  const kohl_recipe *r = &run->recipe;
  for (int h = 1; h < r->head_count; h++) {
    const kohl_recipe_head *head = &r->heads[h];
    columns[h - 1] = head->head.column[0] ? head->head.column : head->head.name;
  }
  return (size_t)r->head_count - 1;
}

/* Labels of the first head divide the data and are the list's own; those of the others are a column's.  Classes of a
 * further head are those that can be learned: of the training part. */
static kohl_status read_labels(kohl_run *run, size_t h) {
  kohl_run_head *head = &run->head[h];
  if (h == 0) {
    head->labels = kohl_head_labels_own(&run->samples);
    return KOHL_OK;
  }
  const char *columns[KOHL_RECIPE_HEADS];
  kohl_run_columns(run, columns);
  if (!kohl_sample_value(&run->samples, 0, h - 1)) {
    return kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: no column '%s' for head '%s', expected a CSV that has it",
                     run->options->data, columns[h - 1], head->name);
  }
  kohl_status status = kohl_head_labels_of_column(run->ctx, &run->samples, h - 1, head->several, NULL, 0, run->list,
                                                  run->train_count, &head->labels);
  const kohl_head_labels *l = &head->labels;
  if (status != KOHL_OK) return status;
  kohl_run_log(run->ctx, run->options->run, "head '%s': %zu classes, %zu pictures without a label", head->name,
               l->class_count, l->without);
  if (l->unknown) {
    kohl_run_log(run->ctx, run->options->run,
                 "head '%s': %zu labels, as '%.100s', are of no training picture and do not count", head->name,
                 l->unknown, l->first_unknown);
  }
  return KOHL_OK;
}

static kohl_status open_head(kohl_run *run, size_t h) {
  kohl_run_head *head = &run->head[h];
  head->recipe = &run->recipe.heads[h];
  head->name = head->recipe->head.name;
  head->sigmoid = head->recipe->loss.name == KOHL_LOSS_SIGMOID;
  head->several = kohl_recipe_several(&run->recipe, (int)h);
  kohl_status status = read_labels(run, h);
  if (status != KOHL_OK) return status;
  if (head->labels.class_count < 2) {
    return kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: %zu class%s%s%s, expected at least 2", run->options->data,
                     head->labels.class_count, head->labels.class_count == 1 ? "" : "es",
                     head->name[0] ? " of training pictures for head " : "", head->name);
  }
  head->first = run->outputs;
  run->outputs += head->labels.class_count;
  return kohl_targets_check(run->ctx, &head->labels, run->list, run->train_count + run->validation_count, head->sigmoid,
                            run->options->data);
}

kohl_status kohl_run_heads(kohl_run *run) {
  kohl_status status = KOHL_OK;
  run->head_count = run->outputs = 0;
  for (int h = 0; h < run->recipe.head_count && status == KOHL_OK; h++) {
    run->head_count++; /* what a failure leaves is freed, too */
    status = open_head(run, (size_t)h);
  }
  return status;
}

void kohl_run_heads_free(kohl_run *run) {
  for (size_t h = 0; h < run->head_count; h++) kohl_head_labels_free(run->ctx, &run->head[h].labels);
  run->head_count = 0;
}

void kohl_run_nodes(const kohl_run *run, const kohl_graph *graph, int nodes[KOHL_RECIPE_HEADS]) {
  for (size_t h = 0; h < run->head_count; h++) {
    const char *name = run->head[h].name;
    nodes[h] = name[0] ? kohl_graph_find(graph, name) : (int)graph->count - 1;
  }
}

kohl_status kohl_run_answers(const kohl_run *run, size_t h, kohl_answers *out) {
  const kohl_answers *all = &run->answers;
  const kohl_run_head *head = &run->head[h];
  const size_t classes = head->labels.class_count;
  *out = (kohl_answers){.classes = classes};
  kohl_status status = kohl_alloc(run->ctx, all->count * classes, sizeof *out->rows, "probabilities", &out->rows);
  if (status == KOHL_OK) status = kohl_alloc(run->ctx, all->count, sizeof *out->sample, "samples", &out->sample);
  for (size_t i = 0; i < all->count && status == KOHL_OK; i++) {
    size_t labels;
    kohl_head_labels_at(&head->labels, all->sample[i], &labels);
    if (!labels) continue;
    memcpy(out->rows + out->count * classes, all->rows + i * all->classes + head->first, classes * sizeof *out->rows);
    out->sample[out->count++] = all->sample[i];
  }
  return status;
}

static void write_number(kohl_json_writer *json, const char *key, double value) {
  kohl_json_write_key(json, key);
  kohl_json_write_double(json, value);
}

void kohl_run_write_heads(const kohl_run *run, kohl_json_writer *json) {
  for (size_t h = 0; h < run->head_count && run->recipe.heads_listed; h++) {
    const kohl_run_head *head = &run->head[h];
    const kohl_train_head *place = &run->place.head[h];
    kohl_json_write_key(json, head->name);
    kohl_json_write_object_begin(json);
    kohl_json_write_key(json, "classes");
    kohl_json_write_uint64(json, head->labels.class_count);
    kohl_json_write_key(json, "pictures_without_label");
    kohl_json_write_uint64(json, head->labels.without);
    if (run->validation_count) {
      write_number(json, "val_loss", place->best_loss);
      write_number(json, "val_accuracy", place->best_accuracy);
      write_number(json, "val_balanced_accuracy", place->best_balanced);
      write_number(json, "val_macro_f1", place->best_macro_f1);
    }
    kohl_json_write_object_end(json);
  }
}
