/* Marking the layers that train; see trainable.h. */
#include "train/trainable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "train/recipe.h"

enum { QUOTED = 200 }; /* bytes of a value in an error text */

typedef struct marker {
  kohl_context *ctx;
  const kohl_graph *graph;
  const char *train, *where;
  int base;     /* the base's last node */
  bool *chosen; /* [graph->count], owned */
} marker;

/* The first of several names between commas, without the blanks around it, into name, cut where it is longer than any
 * layer's; returns what comes behind the comma, or NULL. */
static const char *next_name(const char *list, char name[KOHL_NAME_TEXT]) {
  const char *comma = strchr(list, ',');
  size_t n = comma ? (size_t)(comma - list) : strlen(list);
  while (n && *list == ' ') list++, n--;
  while (n && list[n - 1] == ' ') n--;
  if (n >= KOHL_NAME_TEXT) n = KOHL_NAME_TEXT - 1;
  memcpy(name, list, n);
  name[n] = 0;
  return comma ? comma + 1 : NULL;
}

/* chosen of every layer that one of the names matches becomes `value`. */
static kohl_status choose_names(marker *m, const char *list, const char *where, bool value) {
  char name[KOHL_NAME_TEXT];
  while (list) {
    int index, found = 0;
    list = next_name(list, name);
    for (size_t i = 0; i < m->graph->count; i++) {
      if (!kohl_recipe_patterns_match(name, m->graph->nodes[i].name)) continue;
      m->chosen[i] = value;
      found++;
    }
    if (!found) return kohl_graph_need(m->ctx, m->graph, where, name, &index);
  }
  return KOHL_OK;
}

/* How many inputs of layers each node is. */
static void count_readers(const kohl_graph *graph, int *readers) {
  for (size_t i = 0; i < graph->count; i++)
    for (int j = 0; j < graph->nodes[i].input_count; j++) readers[graph->nodes[i].inputs[j]]++;
}

/* Whether node i is the activation of the layer before it, one with it in Keras. */
static bool is_activation_of(const kohl_graph *graph, int i, const int *readers) {
  const kohl_node *node = &graph->nodes[i];
  if (node->layer != KOHL_LAYER_relu && node->layer != KOHL_LAYER_sigmoid && node->layer != KOHL_LAYER_softmax)
    return false;
  const kohl_node *before = &graph->nodes[node->inputs[0]];
  if (before->layer != KOHL_LAYER_conv2d && before->layer != KOHL_LAYER_dense) return false;
  return before->params.bias && before->params.activation == KOHL_ACTIVATION_NONE && readers[node->inputs[0]] == 1;
}

/* A layer of the base in Keras's order. */
typedef struct place {
  int node, depth, met; /* edges of the longest way to the output; when the walk met it */
  bool joined;          /* an activation that is one layer with the node before it */
} place;

/* Last layers first. */
static int by_place(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->depth != y->depth) return x->depth < y->depth ? -1 : 1;
  return x->met > y->met ? -1 : x->met < y->met;
}

/* Sets depth and joined of all nodes that the output needs; depth of the others is -1. */
static void measure(const kohl_graph *graph, int output, const int *readers, place *places) {
  for (int i = 0; i <= output; i++) places[i] = (place){.node = i, .depth = -1, .met = -1};
  places[output].depth = 0;
  for (int i = output; i > 0; i--) {
    if (places[i].depth < 0) continue;
    const kohl_node *node = &graph->nodes[i];
    places[i].joined = is_activation_of(graph, i, readers);
    int depth = places[i].depth + !places[i].joined;
    for (int j = 0; j < node->input_count; j++) {
      place *before = &places[node->inputs[j]];
      if (before->depth < depth) before->depth = depth;
    }
  }
}

/* Numbers the nodes as a walk from the output meets them, each before its inputs.  stack has room for every edge and
 * one more. */
static void walk(const kohl_graph *graph, int output, place *places, int *stack) {
  int met = 0;
  size_t waiting = 0;
  stack[waiting++] = output;
  while (waiting) {
    int at = stack[--waiting];
    if (places[at].met >= 0) continue;
    const kohl_node *node = &graph->nodes[at];
    places[at].met = met++;
    for (int j = node->input_count; j-- > 0;) stack[waiting++] = node->inputs[j];
  }
}

/* Chooses the last `want` layers of the base. */
static kohl_status choose_ordered(marker *m, int want, place *places) {
  size_t count = (size_t)m->base + 1;
  int have = 0;
  for (size_t i = 1; i < count; i++) have += places[i].depth >= 0 && !places[i].joined;
  if (want < 1 || want > have) {
    return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: '%.*s', expected 1 to %d, the layers of the base", m->where, QUOTED,
                     m->train, have);
  }
  qsort(places, count, sizeof *places, by_place);
  for (size_t i = 0; i < count && want; i++) {
    if (places[i].depth < 0 || places[i].joined) continue;
    m->chosen[places[i].node] = true;
    want--;
  }
  for (size_t i = 0; i < count; i++) {
    int node = places[i].node;
    if (places[i].joined) m->chosen[node] = m->chosen[m->graph->nodes[node].inputs[0]];
  }
  return KOHL_OK;
}

static kohl_status choose_last(marker *m, int last) {
  size_t edges = 1;
  int *readers = NULL, *stack = NULL;
  place *places = NULL;
  for (int i = 0; i <= m->base; i++) edges += (size_t)m->graph->nodes[i].input_count;
  kohl_status status = kohl_alloc(m->ctx, m->graph->count, sizeof *readers, "the order of layers", &readers);
  if (status == KOHL_OK) status = kohl_alloc(m->ctx, edges, sizeof *stack, "the order of layers", &stack);
  if (status == KOHL_OK)
    status = kohl_alloc(m->ctx, (size_t)m->base + 1, sizeof *places, "the order of layers", &places);
  if (status == KOHL_OK) {
    count_readers(m->graph, readers);
    measure(m->graph, m->base, readers, places);
    walk(m->graph, m->base, places, stack);
    status = choose_ordered(m, last, places);
  }
  kohl_free(m->ctx, places);
  kohl_free(m->ctx, stack);
  kohl_free(m->ctx, readers);
  return status;
}

static kohl_status choose_from(marker *m, const char *name) {
  int first;
  kohl_status status = kohl_graph_need(m->ctx, m->graph, m->where, name, &first);
  if (status != KOHL_OK) return status;
  if (first > m->base) {
    return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: '%.*s', a layer of the head, expected one of the base, or 'head'",
                     m->where, QUOTED, m->train);
  }
  for (int i = first; i <= m->base; i++) m->chosen[i] = true;
  return KOHL_OK;
}

static kohl_status choose(marker *m) {
  const char *train = m->train;
  for (size_t i = 0; i < m->graph->count; i++) m->chosen[i] = (int)i > m->base;
  kohl_recipe_train what;
  if (!kohl_recipe_train_read(train, &what)) {
    return kohl_fail(m->ctx, KOHL_BAD_INPUT,
                     "%s: '%.*s', expected head, all, last N, from LAYER or names of layers between commas", m->where,
                     QUOTED, train);
  }
  switch (what.kind) {
    case KOHL_TRAIN_ALL:
      for (size_t i = 0; i < m->graph->count; i++) m->chosen[i] = true;
      return KOHL_OK;
    case KOHL_TRAIN_LAST: return choose_last(m, what.last);
    case KOHL_TRAIN_FROM: return choose_from(m, what.text);
    case KOHL_TRAIN_PATTERNS: return choose_names(m, train, m->where, true);
    default: break;
  }
  if (m->graph->base_output >= 0) return KOHL_OK;
  return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: 'head', but the network has none, expected 'all' or layers of it",
                   m->where);
}

/* Takes back what is to stay frozen. */
static kohl_status take_back(marker *m, const char *freeze, bool batch_norm) {
  char where[1024];
  m->chosen[0] = false;
  for (int i = 0; i <= m->base && !batch_norm; i++)
    if (m->graph->nodes[i].layer == KOHL_LAYER_batch_norm) m->chosen[i] = false;
  if (!freeze || !*freeze) return KOHL_OK;
  snprintf(where, sizeof where, "%s, freeze", m->where);
  return choose_names(m, freeze, where, false);
}

/* Whether a node has weights; with running, batch-norm's mean and variance are some. */
static bool has_weights(const kohl_graph *graph, const kohl_node *node, bool running) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  int count = kohl_node_weights(graph, node, specs);
  return node->layer == KOHL_LAYER_batch_norm && !running ? node->params.gamma || node->params.beta : count > 0;
}

kohl_status kohl_trainable_mark(kohl_context *ctx, kohl_graph *graph, const char *train, const char *freeze,
                                bool batch_norm, const char *where) {
  marker m = {ctx, graph, train, where, graph->base_output, NULL};
  if (m.base < 0) m.base = (int)graph->count - 1;
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *m.chosen, "the layers to train", &m.chosen);
  if (status == KOHL_OK) status = choose(&m);
  if (status == KOHL_OK) status = take_back(&m, freeze, batch_norm);
  size_t left = 0;
  for (size_t i = 0; i < graph->count && status == KOHL_OK; i++)
    left += m.chosen[i] && has_weights(graph, &graph->nodes[i], false);
  if (status == KOHL_OK && !left) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: '%.*s'%s%.*s leaves no layer with weights to train, expected one",
                       where, QUOTED, train, freeze && *freeze ? " without " : "", QUOTED, freeze ? freeze : "");
  }
  for (size_t i = 0; i < graph->count && status == KOHL_OK; i++) graph->nodes[i].trainable = m.chosen[i];
  kohl_free(ctx, m.chosen);
  return status;
}

int kohl_trainable_boundary(const kohl_graph *graph) {
  int first = (int)graph->count; /* that trains */
  for (int i = (int)graph->count - 1; i >= 0; i--) {
    const kohl_node *node = &graph->nodes[i];
    if (node->trainable && (node->layer == KOHL_LAYER_dropout || has_weights(graph, node, true))) first = i;
  }
  int lowest = (int)graph->count; /* that a node after i reads */
  for (int i = (int)graph->count - 1; i > 0; i--) {
    if (i < first && lowest >= i) return i;
    for (int j = 0; j < graph->nodes[i].input_count; j++)
      if (graph->nodes[i].inputs[j] < lowest) lowest = graph->nodes[i].inputs[j];
  }
  return 0;
}
