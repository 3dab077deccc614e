/* A network as data: nodes in topological order, each a layer with named parameters.
 *
 * The graph knows nothing of weights (nn/model.h), batches or kernels (nn/plan.h).  It stores the padding rule,
 * not numbers; kohl_graph_infer turns rules into shapes.  It is written to and read from the model file as JSON. */
#ifndef KOHL_NN_GRAPH_H
#define KOHL_NN_GRAPH_H

#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "nn/json.h"

typedef enum kohl_layer {
#define LAYER(name, least, most, idea) KOHL_LAYER_##name,
#include "nn/layers.def"
#undef LAYER
  KOHL_LAYER_COUNT
} kohl_layer;

typedef enum kohl_padding {
  KOHL_PADDING_VALID,      /* none */
  KOHL_PADDING_SAME_UPPER, /* output = ceil(input/stride); the odd cell goes to the bottom and right */
  KOHL_PADDING_EXPLICIT,   /* pad[] says */
} kohl_padding;

/* The parameters of all layers; which of them a layer uses, their ranges and their words in the model file are in
 * graph.c's field table.  Pairs are (vertical, horizontal). */
typedef struct kohl_params {
  int size[3]; /* input: h, w, c */
  int filters; /* conv2d: output channels; dense: units */
  int kernel[2], stride[2], dilation[2], groups;
  kohl_padding padding;
  int pad[4];         /* top, left, bottom, right, for KOHL_PADDING_EXPLICIT */
  bool ceil;          /* pools: the last window may begin inside and end outside */
  bool count_padding; /* avg_pool: divide by the whole window (torchvision), not by the valid cells (Keras) */
  bool bias;
  kohl_activation activation;          /* of conv2d, dense and add */
  float epsilon;                       /* batch_norm */
  bool gamma, beta;                    /* batch_norm: which of the two it has */
  float momentum;                      /* batch_norm in training: the share of the old running statistics that stays */
  bool unbiased;                       /* batch_norm in training: the running variance is that of a sample (PyTorch) */
  int output[2];                       /* adaptive_avg_pool */
  float rate;                          /* dropout: share that is zeroed */
  int window;                          /* lrn: channels, odd */
  float lrn_alpha, lrn_beta, lrn_bias; /* lrn: x / (bias + alpha * sum)^beta, alpha as it multiplies the sum */
} kohl_params;

typedef struct kohl_shape {
  int h, w, c;
} kohl_shape;

enum { KOHL_NODE_INPUTS = 8, KOHL_GRAPH_NODES = 8192, KOHL_NAME_TEXT = 256 };

typedef struct kohl_node {
  char *name; /* unique, not empty, at most 255 bytes */
  kohl_layer layer;
  int inputs[KOHL_NODE_INPUTS]; /* indices of earlier nodes */
  int input_count;
  bool trainable;
  kohl_params params;
  kohl_shape shape; /* of its output; set by kohl_graph_infer */
} kohl_node;

typedef struct kohl_graph {
  char *arch; /* "inception_v3"; "" when built by hand */
  kohl_node *nodes;
  size_t count, capacity;
  int base_output; /* the node after which the head begins, or -1 when the graph has no head */
} kohl_graph;

/* Parameters with the usual defaults: stride, dilation and groups 1, bias, gamma and beta true, epsilon 1e-3, ... */
kohl_params kohl_params_default(void);

/* An empty graph, the caller's until kohl_graph_destroy (NULL is allowed). */
kohl_status kohl_graph_create(kohl_context *ctx, const char *arch, kohl_graph **out);
void kohl_graph_destroy(kohl_context *ctx, kohl_graph *graph);

/* Appends a node and gives its index.  name and params are copied.  A repeated name, an input that is not an
 * earlier node and a parameter out of range are KOHL_BAD_INPUT naming the layer, the field and the value. */
kohl_status kohl_graph_add(kohl_context *ctx, kohl_graph *graph, kohl_layer layer, const char *name,
                           const kohl_params *params, const int *inputs, int input_count, int *index);

/* The index of a node, or -1. */
int kohl_graph_find(const kohl_graph *graph, const char *name);

/* The same, but an unknown name is KOHL_USAGE whose text names the nearest layers; what says who asked ("--features").
 */
kohl_status kohl_graph_need(kohl_context *ctx, const kohl_graph *graph, const char *what, const char *name, int *index);

/* Sets every node's shape from the inputs' sizes, checking ranges.  A filter that does not fit, inputs that do not
 * match and a size that overflows name the layer, both shapes and what was expected. */
kohl_status kohl_graph_infer(kohl_context *ctx, kohl_graph *graph);

/* Padding of a node in cells (top, left, bottom, right) for the input shape of its first input; after infer. */
void kohl_node_pads(const kohl_graph *graph, const kohl_node *node, int pads[4]);

/* One weight tensor of a node: the model file's name is "<node>.<suffix>". */
typedef struct kohl_weight_spec {
  const char *suffix; /* "weight", "bias", "gamma", "beta", "mean", "variance" */
  int dims;
  int64_t shape[4];
  size_t count; /* product of shape */
} kohl_weight_spec;
enum { KOHL_NODE_WEIGHTS = 4 };

/* The weight tensors of a node in their fixed order; returns how many (0 to 4).  After infer. */
int kohl_node_weights(const kohl_graph *graph, const kohl_node *node, kohl_weight_spec specs[KOHL_NODE_WEIGHTS]);

/* A new graph of node `last` and everything it needs, nodes in the old order.  map (may be NULL) receives for each
 * old node its new index or -1; it has graph->count ints.  base_output is kept when it is inside. */
kohl_status kohl_graph_cut(kohl_context *ctx, const kohl_graph *graph, int last, int *map, kohl_graph **out);

/* A new graph of what comes after node `from`, whatever outputs it leads to, with an input of from's shape in its place
 * (named like it).  KOHL_USAGE when another path leads around `from`.  map as in kohl_graph_cut. */
kohl_status kohl_graph_rest(kohl_context *ctx, const kohl_graph *graph, int from, int *map, kohl_graph **out);

/* Appends all nodes of `tail` but its input, which becomes node `at` of graph.  Then graph->base_output = at. */
kohl_status kohl_graph_append(kohl_context *ctx, kohl_graph *graph, int at, const kohl_graph *tail);

/* The graph as a JSON object, appended to a writer, and back.  Reading refuses unknown layers, fields and words,
 * naming them; it runs kohl_graph_infer.  The reader stands before the object; *out is the caller's. */
void kohl_graph_write_json(const kohl_graph *graph, kohl_json_writer *writer);
kohl_status kohl_graph_read_json(kohl_context *ctx, kohl_json *json, kohl_graph **out);

const char *kohl_layer_name(kohl_layer layer);

/* One line of a node's parameters for `kohl inspect` and `kohl plan`: "3x3 64 stride 2 valid relu". */
void kohl_node_describe(const kohl_node *node, char *text, size_t bytes);

#endif
