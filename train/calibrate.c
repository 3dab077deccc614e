/* Temperature and thresholds: measured, put into the model, written. */
#include "train/calibrate.h"

#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"

kohl_calibrate_options kohl_calibrate_options_default(void) {
  return (kohl_calibrate_options){.evaluate = kohl_evaluate_options_default()};
}

/* Layers whose output is divided by T when their input is. */
static bool passes(const kohl_node *node) {
  switch (node->layer) {
    case KOHL_LAYER_relu:
    case KOHL_LAYER_flatten:
    case KOHL_LAYER_dropout:
    case KOHL_LAYER_max_pool:
    case KOHL_LAYER_avg_pool:
    case KOHL_LAYER_adaptive_avg_pool:
    case KOHL_LAYER_global_avg_pool:
    case KOHL_LAYER_global_max_pool: return true;
    default: return false;
  }
}

static int readers_of(const kohl_graph *graph, int at) {
  int count = 0;
  for (size_t i = 0; i < graph->count; i++) {
    for (int j = 0; j < graph->nodes[i].input_count; j++) count += graph->nodes[i].inputs[j] == at;
  }
  return count;
}

/* *node = the layer whose weights scale the logits. */
static kohl_status find_scale(kohl_context *ctx, const kohl_model *model, int *node) {
  const kohl_graph *graph = model->graph;
  const kohl_node *last = &graph->nodes[graph->count - 1];
  if (model->task == KOHL_TASK_NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: has no labels, expected a model with a head", model->path);
  }
  kohl_layer expected = model->task == KOHL_TASK_MANY_LABELS ? KOHL_LAYER_sigmoid : KOHL_LAYER_softmax;
  if (last->layer != expected) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: last layer '%s' is %s, expected %s for task '%s'", model->path,
                     last->name, kohl_layer_name(last->layer), kohl_layer_name(expected),
                     kohl_model_task_name(model->task));
  }
  int at = last->inputs[0];
  while (passes(&graph->nodes[at]) && readers_of(graph, at) == 1) at = graph->nodes[at].inputs[0];
  const kohl_node *found = &graph->nodes[at];
  const bool linear = found->layer == KOHL_LAYER_dense || found->layer == KOHL_LAYER_conv2d;
  *node = at;
  if (linear && readers_of(graph, at) == 1) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: layer '%s' (%s) %s, expected a dense or convolution layer before '%s'",
                   model->path, found->name, kohl_layer_name(found->layer),
                   linear || passes(found) ? "is read by several layers" : "cannot be scaled by its weights",
                   last->name);
}

/* Divides the layer's weight and bias by T. */
static kohl_status scale(kohl_context *ctx, const kohl_model *model, int node, double temperature) {
  static const char *const suffixes[] = {"weight", "bias"};
  for (int s = 0; s < 2; s++) {
    kohl_weight *weight = kohl_model_weight(model, node, suffixes[s]);
    if (!weight) continue;
    const float *old = weight->data;
    kohl_status status = kohl_weight_verify(ctx, model, weight);
    if (status == KOHL_OK) status = kohl_weight_own(ctx, weight);
    if (status != KOHL_OK) return status;
    for (size_t i = 0; i < weight->spec.count; i++) weight->owned[i] = (float)((double)old[i] / temperature);
  }
  return KOHL_OK;
}

/* Thresholds on the new probabilities where the old ones were on the old: sigmoid(logit(t) / T). */
static kohl_status move_thresholds(kohl_context *ctx, kohl_model *model, double temperature) {
  if (!model->thresholds) return KOHL_OK; /* 0.5 stays where it is */
  float *moved;
  size_t count = model->label_count;
  kohl_status status = kohl_alloc(ctx, count, sizeof *moved, "thresholds", &moved);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < count; i++) {
    double t = (double)model->thresholds[i];
    moved[i] = (float)(1 / (1 + exp(-log(t / (1 - t)) / temperature))); /* 0 stays 0, 1 stays 1 */
  }
  status = kohl_model_set_thresholds(ctx, model, moved, count);
  kohl_free(ctx, moved);
  return status;
}

/* The model without its softmax or sigmoid.  Weights are borrowed from `model`, which must live longer. */
static kohl_status make_logits_model(kohl_context *ctx, const kohl_model *model, kohl_model **out) {
  const kohl_graph *graph = model->graph;
  kohl_graph *cut;
  *out = NULL;
  kohl_status status = kohl_graph_cut(ctx, graph, graph->nodes[graph->count - 1].inputs[0], NULL, &cut);
  if (status == KOHL_OK) status = kohl_model_create(ctx, cut, out);
  if (status != KOHL_OK) return status;
  kohl_model *m = *out;
  for (size_t i = 0; i < m->weight_count && status == KOHL_OK; i++) {
    kohl_weight *weight = &m->weights[i];
    int node = kohl_graph_find(graph, m->graph->nodes[weight->node].name);
    const kohl_weight *from = kohl_model_weight(model, node, weight->spec.suffix);
    status = kohl_weight_verify(ctx, model, from);
    weight->data = from->data;
  }
  if (status == KOHL_OK) {
    status = kohl_model_set_labels(ctx, m, (const char *const *)model->labels, model->label_count);
  }
  m->task = model->task;
  m->preprocessing = model->preprocessing;
  if (status == KOHL_OK) {
    kohl_free(ctx, m->path);
    status = kohl_strdup(ctx, model->path, &m->path);
  }
  if (status == KOHL_OK) return KOHL_OK;
  kohl_model_destroy(ctx, m);
  *out = NULL;
  return status;
}

/* probabilities = softmax or sigmoid of logits / T, in double, rounded once. */
static void squash(const kohl_predictions *p, double temperature, float *probabilities) {
  const size_t classes = (size_t)p->classes;
  for (size_t i = 0; i < p->count; i++) {
    const float *row = p->probabilities + i * classes;
    float *dst = probabilities + i * classes;
    double top = (double)row[0], sum = 0;
    for (size_t c = 1; c < classes; c++) top = (double)row[c] > top ? (double)row[c] : top;
    for (size_t c = 0; c < classes; c++) sum += exp(((double)row[c] - top) / temperature);
    for (size_t c = 0; c < classes; c++) {
      double z = (double)row[c];
      dst[c] = (float)(p->marks ? 1 / (1 + exp(-z / temperature)) : exp((z - top) / temperature) / sum);
    }
  }
}

/* Log loss and calibration error at a temperature into place `at` of the figures. */
static kohl_status measure(kohl_context *ctx, const kohl_predictions *p, double temperature, float *room, int at,
                           kohl_calibrated *out) {
  const kohl_metrics_options how = {.beta = 1};
  squash(p, temperature, room);
  if (p->marks) {
    kohl_metrics_many m;
    kohl_status status = kohl_metrics_many_measure(ctx, room, p->marks, p->count, p->classes, NULL, &how, &m);
    out->log_loss[at] = m.log_loss;
    out->ece[at] = m.ece;
    kohl_metrics_many_free(ctx, &m);
    return status;
  }
  kohl_metrics m;
  kohl_status status = kohl_metrics_measure(ctx, room, p->truth, p->count, p->classes, &how, &m);
  out->log_loss[at] = m.log_loss;
  out->ece[at] = m.ece;
  kohl_metrics_free(ctx, &m);
  return status;
}

static kohl_status find_temperature(kohl_context *ctx, kohl_model *model, const char *data,
                                    const kohl_calibrate_options *options, kohl_calibrated *out) {
  int node = 0;
  kohl_model *logits = NULL;
  kohl_predictions p = {0};
  float *room = NULL;
  kohl_status status = find_scale(ctx, model, &node);
  if (status == KOHL_OK) status = make_logits_model(ctx, model, &logits);
  if (status == KOHL_OK) status = kohl_predict(ctx, logits, data, &options->evaluate, 0, 1, &p, &out->bad);
  out->n = p.count;
  if (status == KOHL_OK) {
    status = kohl_temperature_find(ctx, p.probabilities, p.truth, p.marks, p.count, p.classes, &out->temperature);
    if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", data);
  }
  if (status == KOHL_OK) {
    status = kohl_alloc(ctx, p.count * (size_t)p.classes, sizeof *room, "probabilities", &room);
  }
  if (status == KOHL_OK) status = measure(ctx, &p, 1, room, 0, out);
  if (status == KOHL_OK) status = measure(ctx, &p, out->temperature, room, 1, out);
  if (status == KOHL_OK) status = scale(ctx, model, node, out->temperature);
  if (status == KOHL_OK) status = move_thresholds(ctx, model, out->temperature);
  kohl_free(ctx, room);
  kohl_predictions_free(ctx, &p);
  kohl_model_destroy(ctx, logits);
  return status;
}

static kohl_status measure_many(kohl_context *ctx, const kohl_predictions *p, const float *thresholds, int at,
                                kohl_calibrated *out) {
  const kohl_metrics_options how = {.beta = out->beta};
  kohl_metrics_many m;
  kohl_status status =
      kohl_metrics_many_measure(ctx, p->probabilities, p->marks, p->count, p->classes, thresholds, &how, &m);
  out->log_loss[at] = m.log_loss;
  out->ece[at] = m.ece;
  out->macro_fbeta[at] = m.macro_fbeta;
  out->micro_fbeta[at] = m.micro_fbeta;
  out->samples_fbeta[at] = m.samples_fbeta;
  kohl_metrics_many_free(ctx, &m);
  return status;
}

static kohl_status find_thresholds(kohl_context *ctx, kohl_model *model, const char *data,
                                   const kohl_calibrate_options *options, kohl_calibrated *out) {
  if (model->task != KOHL_TASK_MANY_LABELS) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: task '%s', expected 'many_labels' to choose thresholds", model->path,
                     kohl_model_task_name(model->task));
  }
  kohl_predictions p = {0};
  float *chosen = NULL;
  out->beta = options->evaluate.beta == 0 ? 2 : options->evaluate.beta;
  kohl_status status = kohl_predict(ctx, model, data, &options->evaluate, 0, 1, &p, &out->bad);
  out->n = p.count;
  if (status == KOHL_OK && p.count == 0) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: no picture could be read, expected at least one", data);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, model->label_count, sizeof *chosen, "thresholds", &chosen);
  if (status == KOHL_OK) {
    status = kohl_thresholds_choose(ctx, p.probabilities, p.marks, p.count, p.classes, out->beta, chosen);
  }
  if (status == KOHL_OK) status = measure_many(ctx, &p, model->thresholds, 0, out);
  if (status == KOHL_OK) status = measure_many(ctx, &p, chosen, 1, out);
  if (status == KOHL_OK) status = kohl_model_set_thresholds(ctx, model, chosen, model->label_count);
  kohl_free(ctx, chosen);
  kohl_predictions_free(ctx, &p);
  return status;
}

/* Labels and thresholds of the model into place `at` of the figures. */
static kohl_status note_thresholds(kohl_context *ctx, const kohl_model *model, int at, kohl_calibrated *out) {
  size_t count = model->label_count;
  kohl_status status = KOHL_OK;
  if (!out->labels) status = kohl_alloc(ctx, count, sizeof *out->labels, "labels", &out->labels);
  if (status == KOHL_OK) out->classes = (int)count;
  for (size_t i = 0; i < count && status == KOHL_OK; i++) {
    if (!out->labels[i]) status = kohl_strdup(ctx, model->labels[i], &out->labels[i]);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof(float), "thresholds", &out->thresholds[at]);
  for (size_t i = 0; i < count && status == KOHL_OK; i++) out->thresholds[at][i] = kohl_model_threshold(model, i);
  return status;
}

kohl_status kohl_calibrate(kohl_context *ctx, const char *model_path, const char *data_path, const char *output,
                           const kohl_calibrate_options *options, kohl_calibrated *out) {
  kohl_model *model = NULL;
  memset(out, 0, sizeof *out);
  out->temperature = 1;
  kohl_status status = kohl_model_open(ctx, model_path, &model);
  if (status != KOHL_OK) return status;
  out->many = model->task == KOHL_TASK_MANY_LABELS;
  if (out->many) status = note_thresholds(ctx, model, 0, out);
  if (status == KOHL_OK) {
    status = options->thresholds ? find_thresholds(ctx, model, data_path, options, out)
                                 : find_temperature(ctx, model, data_path, options, out);
  }
  if (status == KOHL_OK && out->many) status = note_thresholds(ctx, model, 1, out);
  if (status == KOHL_OK) status = kohl_calibrated_note(ctx, model, data_path, options, out);
  if (status == KOHL_OK) status = kohl_model_save(ctx, model, output);
  kohl_model_destroy(ctx, model);
  if (status != KOHL_OK) kohl_calibrated_free(ctx, out);
  return status;
}

void kohl_calibrated_free(kohl_context *ctx, kohl_calibrated *calibrated) {
  for (int i = 0; calibrated->labels && i < calibrated->classes; i++) kohl_free(ctx, calibrated->labels[i]);
  kohl_free(ctx, calibrated->labels);
  kohl_free(ctx, calibrated->thresholds[0]);
  kohl_free(ctx, calibrated->thresholds[1]);
  memset(calibrated, 0, sizeof *calibrated);
}
