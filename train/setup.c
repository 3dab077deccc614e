/* From options to a network: the recipe, settled; the base, cut; the data; the head with its initial weights. */
#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "train/run.h"

/* CRC32C of the recipe without what a resume may change: numbers of epochs and threads, and memory that
 * changes no result. */
static kohl_status digest_recipe(kohl_run *run) {
  char *text;
  kohl_recipe recipe = run->recipe; /* texts are shared, numbers are not */
  recipe.data.workers = recipe.phase.epochs = recipe.limits.picture_bytes = recipe.limits.resident_bytes = 0;
  for (int i = 0; i < recipe.phase_count; i++) recipe.phases[i].epochs = 0;
  kohl_status status = kohl_recipe_print(run->ctx, &recipe, &text);
  if (status != KOHL_OK) return status;
  run->recipe_digest = kohl_crc32c(0, text, strlen(text));
  kohl_free(run->ctx, text);
  return KOHL_OK;
}

/* A text field of the recipe takes a value that was found out; checked like one that was given. */
static kohl_status settle(kohl_run *run, const char *key, const char *value) {
  kohl_text assignment = {.ctx = run->ctx};
  kohl_text_add(&assignment, "%s=%s", key, value);
  kohl_status status = assignment.status;
  if (status == KOHL_OK) status = kohl_recipe_set(run->ctx, &run->recipe, assignment.text);
  kohl_text_free(&assignment);
  return status;
}

static kohl_status apply_overrides(kohl_run *run) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < run->options->override_count && status == KOHL_OK; i++) {
    status = kohl_recipe_set(run->ctx, &run->recipe, run->options->overrides[i]);
  }
  return status;
}

static kohl_status read_recipe(kohl_run *run) {
  const kohl_train_options *o = run->options;
  char path[KOHL_RUN_PATH];
  const char *file = o->recipe;
  if (!file) {
    if (!o->resume) return kohl_fail(run->ctx, KOHL_USAGE, "no recipe given");
    kohl_status status = kohl_run_path(run->ctx, o->run, "recipe.yaml", path);
    if (status != KOHL_OK) return status;
    file = path;
  }
  kohl_status status = kohl_recipe_read(run->ctx, file, &run->recipe);
  if (status == KOHL_OK) status = apply_overrides(run);
  if (status == KOHL_OK) status = kohl_recipe_check(run->ctx, &run->recipe, file);
  if (status == KOHL_OK && o->init_from) status = settle(run, "base.model", o->init_from);
  const kohl_recipe *r = &run->recipe;
  if (status == KOHL_OK && !r->base.model[0] && (!r->base.name[0] || strcmp(r->phases[0].train, "all") != 0)) {
    return kohl_fail(run->ctx, KOHL_USAGE,
                     "%s: field 'base.model': no weights for the base '%s'; give --init-from MODEL, or train: all from "
                     "initial weights",
                     file, r->base.name);
  }
  return status;
}

/* Frozen running statistics that nobody has measured would leave the network without any normalisation. */
static kohl_status draw_base(kohl_run *run, kohl_model **out) {
  const kohl_recipe *r = &run->recipe;
  kohl_status status = kohl_base_draw(run->ctx, r->base.name, (int)r->pictures.size, (uint64_t)r->seed, out);
  if (status != KOHL_OK) {
    kohl_fail_prefix(run->ctx, "field 'base.name'");
    return status;
  }
  for (size_t i = 0; i < (*out)->graph->count && !r->phases[0].batch_norm; i++) {
    if ((*out)->graph->nodes[i].layer != KOHL_LAYER_batch_norm) continue;
    return kohl_fail(run->ctx, KOHL_BAD_INPUT,
                     "field 'batch_norm': value 'frozen' with initial weights of '%s', expected 'trained'",
                     r->base.name);
  }
  return KOHL_OK;
}

/* Opens or draws the model, cuts the base, and writes what was left open into the recipe.  *out is the caller's. */
static kohl_status make_base(kohl_run *run, kohl_model **out) {
  kohl_model *source = NULL;
  kohl_recipe *r = &run->recipe;
  const bool drawn = !r->base.model[0];
  kohl_status status = drawn ? draw_base(run, &source) : kohl_model_open(run->ctx, r->base.model, &source);
  if (status != KOHL_OK) {
    kohl_model_destroy(run->ctx, source);
    return status;
  }
  if (!drawn && !run->options->init_from && r->base.name[0] && strcmp(r->base.name, source->graph->arch) != 0) {
    status = kohl_fail(run->ctx, KOHL_BAD_INPUT, "%s: architecture '%s', expected base.name '%s'", r->base.model,
                       source->graph->arch, r->base.name);
  }
  run->own = source->preprocessing;
  if (status == KOHL_OK) status = kohl_recipe_adjust(run->ctx, r, source->graph->arch);
  if (status == KOHL_OK) status = apply_overrides(run); /* the command line has the last word */
  if (status == KOHL_OK) status = kohl_recipe_check(run->ctx, r, "the recipe for this base");
  if (status == KOHL_OK && r->pictures.size == 0) r->pictures.size = source->preprocessing.fit.h;
  if (status == KOHL_OK) status = kohl_base_create(run->ctx, r, source, out);
  if (status == KOHL_OK) status = settle(run, "base.name", source->graph->arch);
  if (status == KOHL_OK) {
    status = settle(run, "base.at", (*out)->graph->nodes[(*out)->graph->base_output].name);
  }
  kohl_model_destroy(run->ctx, source);
  return status;
}

/* Labels and preprocessing are set when the data is known. */
static kohl_status make_network(kohl_run *run, const kohl_model *base) {
  kohl_model *head;
  int classes[KOHL_RECIPE_HEADS];
  for (size_t h = 0; h < run->head_count; h++) classes[h] = (int)run->head[h].labels.class_count;
  kohl_status status = kohl_head_create(run->ctx, &run->recipe, base->graph, classes, &head);
  if (status != KOHL_OK) return status;
  const kohl_head_labels *first = &run->head[0].labels;
  status = kohl_head_join(run->ctx, base, head, first->classes, first->class_count, &run->own, &run->model);
  kohl_model_destroy(run->ctx, head);
  for (size_t h = 1; h < run->head_count && status == KOHL_OK; h++) {
    const kohl_run_head *more = &run->head[h];
    status = kohl_model_add_head(run->ctx, run->model, more->name,
                                 more->sigmoid ? KOHL_TASK_MANY_LABELS : KOHL_TASK_ONE_LABEL, more->labels.classes,
                                 more->labels.class_count);
  }
  return status;
}

kohl_status kohl_run_setup(kohl_run *run) {
  kohl_model *base = NULL;
  kohl_status status = read_recipe(run);
  if (status == KOHL_OK) status = make_base(run, &base);
  if (status == KOHL_OK) status = digest_recipe(run);
  if (status == KOHL_OK) status = kohl_run_data(run);
  if (status == KOHL_OK) status = make_network(run, base);
  kohl_model_destroy(run->ctx, base);
  return status;
}
