/* This network beside its publisher's; see publisher.h. */
#include "convert/export/publisher.h"

#include <stdio.h>
#include <string.h>

#include "convert/presets.h"

/* What may differ, in the order of the message. */
typedef enum field { STRIDE, DILATION, GROUPS, PADDING, SIZE, COUNTED, ACTIVATION, EPSILON, BIAS, GAMMA, FIELDS } field;
static const char *const field_names[FIELDS] = {"stride",        "dilation", "groups",  "padding", "output",
                                                "count_padding", "relu",     "epsilon", "bias",    "gamma"};

typedef struct found {
  int count;
  char text[256]; /* the first one */
} found;

typedef struct side {
  const kohl_graph *graph;
  const kohl_node *node;
} side;

/* The numbers of a field that a layer has, as text; "" where it has none. */
static void value_of(side s, field f, char *text, size_t bytes) {
  const kohl_params *p = &s.node->params;
  const kohl_layer layer = s.node->layer;
  const bool conv = layer == KOHL_LAYER_conv2d, pool = layer == KOHL_LAYER_max_pool || layer == KOHL_LAYER_avg_pool;
  const bool weights = conv || layer == KOHL_LAYER_dense;
  int pads[4] = {0, 0, 0, 0};
  text[0] = 0;
  if (conv || pool) kohl_node_pads(s.graph, s.node, pads);
  const bool padded = pads[0] || pads[1] || pads[2] || pads[3];
  if (f == STRIDE && (conv || pool)) snprintf(text, bytes, "%dx%d", p->stride[0], p->stride[1]);
  if (f == DILATION && conv) snprintf(text, bytes, "%dx%d", p->dilation[0], p->dilation[1]);
  if (f == GROUPS && conv) snprintf(text, bytes, "%d", p->groups);
  if (f == PADDING && (conv || pool)) snprintf(text, bytes, "%d,%d,%d,%d", pads[0], pads[1], pads[2], pads[3]);
  if (f == SIZE && pool) snprintf(text, bytes, "%dx%d", s.node->shape.h, s.node->shape.w);
  if (f == COUNTED && layer == KOHL_LAYER_avg_pool && padded)
    snprintf(text, bytes, "%s", p->count_padding ? "true" : "false");
  if (f == ACTIVATION && (weights || layer == KOHL_LAYER_add))
    snprintf(text, bytes, "%s", p->activation == KOHL_ACTIVATION_RELU ? "true" : "false");
  if (f == BIAS && weights) snprintf(text, bytes, "%s", p->bias ? "true" : "false");
  if (layer != KOHL_LAYER_batch_norm) return;
  if (f == EPSILON) snprintf(text, bytes, "%g", (double)p->epsilon);
  if (f == GAMMA) snprintf(text, bytes, "%s", p->gamma ? "true" : "false");
}

/* Sizes of maps differ behind a pool that rounds otherwise; of those only the pools themselves are named. */
static void compare(side here, side there, found all[FIELDS]) {
  for (int f = 0; f < FIELDS; f++) {
    char mine[64], theirs[64];
    value_of(here, (field)f, mine, sizeof mine);
    value_of(there, (field)f, theirs, sizeof theirs);
    if (f == COUNTED && (!*mine || !*theirs)) continue;
    if (!strcmp(mine, theirs) || all[f].count++) continue;
    snprintf(all[f].text, sizeof all[f].text, "layer '%s' has %s %s, there %s",
             kohl_quote(here.node->name, strlen(here.node->name)).text, field_names[f], mine, theirs);
  }
}

/* The publisher's network at this size, or NULL. */
static kohl_status build(kohl_context *ctx, const kohl_graph *graph, kohl_naming naming, kohl_graph **out) {
  static const char *const keras[] = {"keras", "keras-caffe", NULL}, *const torch[] = {"torchvision", NULL};
  const kohl_preset *preset = NULL;
  *out = NULL;
  for (const char *const *name = naming == KOHL_NAMING_KERAS ? keras : torch; *name && !preset; name++) {
    if (kohl_preset_find(ctx, graph->arch, *name, &preset) != KOHL_OK) preset = NULL;
  }
  if (!preset) return KOHL_OK;
  kohl_arch_options options = preset->options;
  options.height = graph->nodes[0].shape.h;
  options.width = graph->nodes[0].shape.w;
  kohl_status status = kohl_arch_build(ctx, graph->arch, &options, out);
  return status == KOHL_NO_RESOURCE ? status : KOHL_OK; /* a size that is too small for its head: nothing to compare */
}

kohl_status kohl_export_compare(kohl_context *ctx, const kohl_graph *graph, kohl_naming naming, char *text) {
  const char *who = naming == KOHL_NAMING_KERAS ? "Keras" : "torchvision";
  found all[FIELDS];
  kohl_graph *theirs;
  memset(all, 0, sizeof all);
  text[0] = 0;
  kohl_status status = build(ctx, graph, naming, &theirs);
  if (status != KOHL_OK || !theirs) return status;
  for (size_t i = 0; i < graph->count; i++) {
    int same = kohl_graph_find(theirs, graph->nodes[i].name);
    if (same < 0 || theirs->nodes[same].layer != graph->nodes[i].layer) continue;
    compare((side){graph, &graph->nodes[i]}, (side){theirs, &theirs->nodes[same]}, all);
  }
  kohl_graph_destroy(ctx, theirs);
  if (naming != KOHL_NAMING_KERAS) {
    all[GAMMA].count = 0; /* a missing one is written as ones */
    if (all[BIAS].count) {
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s's %s has other weights: %s; expected a network of its kind, or --to keras or onnx", who,
                       graph->arch, all[BIAS].text);
    }
  }
  size_t at = 0;
  for (int f = 0; f < FIELDS; f++) {
    if (!all[f].count) continue;
    int n = snprintf(text + at, KOHL_EXPORT_DIFFERENCES - at, at ? "; %s" : "%s's %s computes otherwise: %s",
                     at ? all[f].text : who, graph->arch, all[f].text);
    at += n > 0 ? (size_t)n : 0;
    if (at >= KOHL_EXPORT_DIFFERENCES) break;
    if (all[f].count == 1) continue;
    n = snprintf(text + at, KOHL_EXPORT_DIFFERENCES - at, " (so in %d layers)", all[f].count);
    at += n > 0 ? (size_t)n : 0;
    if (at >= KOHL_EXPORT_DIFFERENCES) break;
  }
  return KOHL_OK;
}
