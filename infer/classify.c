/* Classifying picture files. */
#include "infer/classify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "datasets/prepare.h"
#include "nn/session.h"

/* What a picture of the batch became. */
typedef struct outcome {
  kohl_status status;
  char error[KOHL_ERROR_TEXT];
} outcome;

/* A further head: its nodes and rows. */
typedef struct further {
  const kohl_model_head *head;
  int logits_node;
  float *probabilities, *logits; /* batch rows each */
  bool *chosen;                  /* of one picture; NULL but for many labels */
} further;

struct kohl_classifier {
  kohl_context *ctx;
  const kohl_model *model;
  kohl_session *session;
  int batch, classes;
  int last, logits_node, features_node; /* -1: none */
  size_t input_floats, feature_floats;
  float *probabilities, *logits, *features; /* batch rows each; NULL when not asked for */
  bool *chosen;                             /* of one picture; NULL but for many labels */
  outcome *outcomes;
  further more[KOHL_MODEL_HEADS];
  kohl_classified_head results[KOHL_MODEL_HEADS]; /* of one picture */
  size_t more_count;
};

kohl_classifier_options kohl_classifier_options_default(void) {
  kohl_classifier_options options = {8, NULL};
  return options;
}

static size_t floats_of(kohl_shape shape) { return (size_t)shape.h * (size_t)shape.w * (size_t)shape.c; }

/* Finds the nodes that are read, checking that the model's ends are what its task says. */
static kohl_status find_nodes(kohl_classifier *k, const char *features) {
  const kohl_graph *graph = k->model->graph;
  k->last = (int)graph->count - 1;
  k->logits_node = k->features_node = -1;
  const kohl_preprocessing *pre = &k->model->preprocessing;
  kohl_shape input = graph->nodes[0].shape;
  if (input.h != pre->fit.h || input.w != pre->fit.w || input.c != 3) {
    return kohl_fail(k->ctx, KOHL_BAD_INPUT, "%s: the network reads %dx%dx%d, but its preprocessing gives %dx%dx3",
                     k->model->path, input.h, input.w, input.c, pre->fit.h, pre->fit.w);
  }
  k->input_floats = floats_of(input);
  if (k->model->task != KOHL_TASK_NONE) {
    const kohl_node *node = &graph->nodes[k->last];
    if (node->layer != KOHL_LAYER_softmax && node->layer != KOHL_LAYER_sigmoid) {
      return kohl_fail(k->ctx, KOHL_BAD_INPUT, "%s: last layer '%s' is %s, expected softmax or sigmoid", k->model->path,
                       node->name, kohl_layer_name(node->layer));
    }
    k->classes = (int)floats_of(node->shape);
    k->logits_node = node->inputs[0];
  }
  return features ? kohl_graph_need(k->ctx, graph, "--features", features, &k->features_node) : KOHL_OK;
}

/* Rows of the further heads, whose nodes become taps. */
static kohl_status allocate_more(kohl_classifier *k, int *taps, size_t *tap_count) {
  const kohl_model *model = k->model;
  kohl_status status = KOHL_OK;
  for (size_t h = 0; h < model->more_count && status == KOHL_OK; h++) {
    further *f = &k->more[k->more_count++];
    const size_t rows = (size_t)k->batch, classes = model->more_heads[h].label_count;
    f->head = &model->more_heads[h];
    f->logits_node = model->graph->nodes[f->head->node].inputs[0];
    taps[(*tap_count)++] = f->head->node;
    taps[(*tap_count)++] = f->logits_node;
    status = kohl_alloc(k->ctx, rows * classes, sizeof(float), "the probabilities", &f->probabilities);
    if (status == KOHL_OK) status = kohl_alloc(k->ctx, rows * classes, sizeof(float), "the logits", &f->logits);
    if (status == KOHL_OK && f->head->task == KOHL_TASK_MANY_LABELS) {
      status = kohl_alloc(k->ctx, classes, sizeof *f->chosen, "the chosen labels", &f->chosen);
    }
  }
  return status;
}

/* The session and the rows that results are copied to. */
static kohl_status allocate(kohl_classifier *k) {
  int taps[2 * KOHL_MODEL_HEADS + 2];
  kohl_plan_options options = kohl_plan_options_default();
  options.batch = k->batch;
  options.taps = taps;
  if (k->logits_node >= 0) taps[options.tap_count++] = k->logits_node;
  if (k->features_node >= 0 && k->features_node != k->logits_node) taps[options.tap_count++] = k->features_node;
  kohl_status status = allocate_more(k, taps, &options.tap_count);
  if (status == KOHL_OK) status = kohl_session_create(k->ctx, k->model, &options, &k->session);
  size_t rows = (size_t)k->batch, classes = (size_t)k->classes;
  if (status == KOHL_OK) status = kohl_alloc(k->ctx, rows, sizeof *k->outcomes, "the pictures' results", &k->outcomes);
  if (status == KOHL_OK && classes) {
    status = kohl_alloc(k->ctx, rows * classes, sizeof(float), "the probabilities", &k->probabilities);
    if (status == KOHL_OK) status = kohl_alloc(k->ctx, rows * classes, sizeof(float), "the logits", &k->logits);
    if (status == KOHL_OK && k->model->task == KOHL_TASK_MANY_LABELS) {
      status = kohl_alloc(k->ctx, classes, sizeof *k->chosen, "the chosen labels", &k->chosen);
    }
  }
  if (status == KOHL_OK && k->features_node >= 0) {
    k->feature_floats = floats_of(k->model->graph->nodes[k->features_node].shape);
    size_t count;
    if (!kohl_mul_size(rows, k->feature_floats, &count)) {
      return kohl_fail(k->ctx, KOHL_NO_RESOURCE, "--features: %d x %zu floats are too many", k->batch,
                       k->feature_floats);
    }
    status = kohl_alloc(k->ctx, count, sizeof(float), "the features", &k->features);
  }
  return status;
}

kohl_status kohl_classifier_create(kohl_context *ctx, const kohl_model *model, const kohl_classifier_options *options,
                                   kohl_classifier **out) {
  *out = NULL;
  if (options->batch < 1 || options->batch > 4096) {
    return kohl_fail(ctx, KOHL_USAGE, "batch: value %d, expected 1 to 4096", options->batch);
  }
  kohl_classifier *k;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *k, "the classifier", &k);
  if (status != KOHL_OK) return status;
  k->ctx = ctx;
  k->model = model;
  k->batch = options->batch;
  status = find_nodes(k, options->features);
  if (status == KOHL_OK) status = allocate(k);
  if (status != KOHL_OK) {
    kohl_classifier_destroy(k);
    return status;
  }
  *out = k;
  return KOHL_OK;
}

void kohl_classifier_destroy(kohl_classifier *classifier) {
  if (!classifier) return;
  kohl_context *ctx = classifier->ctx;
  kohl_session_destroy(classifier->session);
  kohl_free(ctx, classifier->probabilities);
  kohl_free(ctx, classifier->logits);
  kohl_free(ctx, classifier->features);
  kohl_free(ctx, classifier->chosen);
  kohl_free(ctx, classifier->outcomes);
  for (size_t h = 0; h < classifier->more_count; h++) {
    kohl_free(ctx, classifier->more[h].probabilities);
    kohl_free(ctx, classifier->more[h].logits);
    kohl_free(ctx, classifier->more[h].chosen);
  }
  kohl_free(ctx, classifier);
}

int kohl_classifier_classes(const kohl_classifier *classifier) { return classifier->classes; }

kohl_shape kohl_classifier_features_shape(const kohl_classifier *classifier) {
  kohl_shape none = {0, 0, 0};
  return classifier->features_node < 0 ? none : classifier->model->graph->nodes[classifier->features_node].shape;
}

typedef struct prepare_job {
  kohl_classifier *k;
  const char *const *paths;
  float *input;
} prepare_job;

/* Decodes and prepares one picture of the batch; a failed one leaves zeros, which cannot trouble its neighbours. */
static void prepare_one(void *state, size_t index, size_t worker) {
  (void)worker;
  prepare_job *job = state;
  kohl_classifier *k = job->k;
  kohl_context own = kohl_context_worker(k->ctx);
  float *dst = job->input + index * k->input_floats;
  kohl_status status = kohl_prepare_file(&own, &k->model->preprocessing, job->paths[index], dst);
  k->outcomes[index].status = status;
  memcpy(k->outcomes[index].error, own.error, sizeof own.error);
  if (status != KOHL_OK) memset(dst, 0, k->input_floats * sizeof *dst);
}

static bool all_finite(const float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(values[i])) return false;
  }
  return true;
}

static kohl_status fetch(kohl_classifier *k, int n) {
  kohl_status status = KOHL_OK;
  if (k->classes) status = kohl_session_output(k->session, k->last, n, k->probabilities);
  if (status == KOHL_OK && k->classes) status = kohl_session_output(k->session, k->logits_node, n, k->logits);
  if (status == KOHL_OK && k->features) status = kohl_session_output(k->session, k->features_node, n, k->features);
  for (size_t h = 0; h < k->more_count && status == KOHL_OK; h++) {
    status = kohl_session_output(k->session, k->more[h].head->node, n, k->more[h].probabilities);
    if (status == KOHL_OK) status = kohl_session_output(k->session, k->more[h].logits_node, n, k->more[h].logits);
  }
  return status;
}

/* The further heads' results for one row; false: one is not finite. */
static bool fill_more(kohl_classifier *k, size_t row) {
  bool finite = true;
  for (size_t h = 0; h < k->more_count; h++) {
    const further *f = &k->more[h];
    const size_t classes = f->head->label_count;
    const float *probabilities = f->probabilities + row * classes, *logits = f->logits + row * classes;
    for (size_t c = 0; f->chosen && c < classes; c++) {
      f->chosen[c] = probabilities[c] >= (f->head->thresholds ? f->head->thresholds[c] : 0.5f);
    }
    k->results[h] = (kohl_classified_head){probabilities, logits, f->chosen};
    finite = finite && all_finite(probabilities, classes) && all_finite(logits, classes);
  }
  return finite;
}

/* Hands out one row. */
static kohl_status deliver(kohl_classifier *k, const char *path, size_t index, size_t row, kohl_classify_sink sink,
                           void *user) {
  outcome *o = &k->outcomes[row];
  size_t classes = (size_t)k->classes;
  kohl_classified result = {.index = index, .path = path, .status = o->status, .error = ""};
  if (o->status == KOHL_OK && classes) {
    result.probabilities = k->probabilities + row * classes;
    result.logits = k->logits + row * classes;
    for (size_t c = 0; k->chosen && c < classes; c++) {
      k->chosen[c] = result.probabilities[c] >= kohl_model_threshold(k->model, c);
    }
    result.chosen = k->chosen;
  }
  if (o->status == KOHL_OK && k->features) result.features = k->features + row * k->feature_floats;
  bool finite = o->status != KOHL_OK ||
                ((!classes || (all_finite(result.probabilities, classes) && all_finite(result.logits, classes))) &&
                 (!result.features || all_finite(result.features, k->feature_floats)) && fill_more(k, row));
  if (o->status == KOHL_OK) result.more = k->results;
  if (!finite) {
    result = (kohl_classified){.index = index, .path = path, .status = KOHL_NOT_FINITE, .error = ""};
    snprintf(o->error, sizeof o->error, "%s: the network's output is NaN or infinite, expected finite numbers", path);
  }
  if (result.status != KOHL_OK) result.error = o->error;
  return sink(user, &result);
}

kohl_status kohl_classify(kohl_classifier *k, const char *const *paths, size_t count, kohl_classify_sink sink,
                          void *user) {
  kohl_status status = KOHL_OK;
  for (size_t first = 0; status == KOHL_OK && first < count; first += (size_t)k->batch) {
    size_t n = count - first < (size_t)k->batch ? count - first : (size_t)k->batch;
    status = kohl_check_cancel(k->ctx);
    if (status != KOHL_OK) break;
    prepare_job job = {k, paths + first, kohl_session_input(k->session)};
    kohl_parallel(k->ctx->threads, prepare_one, &job, n);
    for (size_t i = 0; i < n; i++) {
      if (k->outcomes[i].status == KOHL_NO_RESOURCE) {
        return kohl_fail(k->ctx, KOHL_NO_RESOURCE, "%s", k->outcomes[i].error);
      }
    }
    status = kohl_session_run(k->session, (int)n);
    if (status == KOHL_OK) status = fetch(k, (int)n);
    for (size_t i = 0; status == KOHL_OK && i < n; i++) status = deliver(k, paths[first + i], first + i, i, sink, user);
  }
  return status;
}

/* Whether value a at index i comes before b at index j. */
static bool comes_before(float a, int i, float b, int j) {
  if (isnan(a) || isnan(b)) return isnan(a) == isnan(b) ? i < j : !isnan(a);
  return a > b || (a == b && i < j);
}

int kohl_top_k(const float *values, int count, int k, int *order) {
  int used = 0;
  if (k > count) k = count;
  for (int i = 0; i < count && k > 0; i++) {
    int at = used;
    if (used == k && !comes_before(values[i], i, values[order[k - 1]], order[k - 1])) continue;
    if (used == k) at = k - 1;
    for (; at > 0 && comes_before(values[i], i, values[order[at - 1]], order[at - 1]); at--) order[at] = order[at - 1];
    order[at] = i;
    if (used < k) used++;
  }
  return used;
}
