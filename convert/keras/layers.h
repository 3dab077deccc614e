/* One layer of a saved Keras model's JSON into one or more nodes of the graph. */
#ifndef KOHL_CONVERT_KERAS_LAYERS_H
#define KOHL_CONVERT_KERAS_LAYERS_H

#include "convert/container/json_fields.h"
#include "nn/graph.h"

/* A ZeroPadding2D: no node, but the explicit padding of the convolution or pool behind it. */
typedef struct kohl_keras_pad {
  char name[KOHL_JSON_WORD];
  int node;   /* what it pads */
  int pad[4]; /* top, left, bottom, right */
} kohl_keras_pad;

/* Where a node index is expected, kohl_keras_padded(i) stands for the output of pads[i]; it is its own inverse. */
static inline int kohl_keras_padded(int i) { return -2 - i; }

/* A model on its way.  Begins as zeros but for ctx, graph (both the caller's), size and last; pads is freed by the
 * caller with kohl_free. */
typedef struct kohl_keras_reader {
  kohl_context *ctx;
  kohl_graph *graph;
  int size;        /* of the input instead of the file's, or 0 */
  bool sequential; /* every layer's input is the one before */
  int last;        /* the output of the latest layer, -1 before the first; a node or kohl_keras_padded */
  kohl_keras_pad *pads;
  size_t pad_count, pad_capacity;
  kohl_json_range config; /* of the current layer */
  char name[KOHL_JSON_WORD], class[KOHL_JSON_WORD];
} kohl_keras_reader;

/* Adds the current layer (name, class, config) behind its inputs, at most KOHL_NODE_INPUTS, and sets last.  A softmax
 * or sigmoid becomes a node of its own, "<layer>/softmax"; a sum of more than two inputs is "<layer>/2", "<layer>/3",
 * ..., "<layer>".  KOHL_BAD_INPUT says field, value and what was expected. */
kohl_status kohl_keras_layer_add(kohl_keras_reader *r, const int *inputs, int count);

/* Adds an input of the size that the current layer's config says. */
kohl_status kohl_keras_layer_input(kohl_keras_reader *r, const char *name);

/* "field 'padding': value 'full', expected ..."; always KOHL_BAD_INPUT. */
kohl_status kohl_keras_layer_refuse(kohl_keras_reader *r, const char *field, const char *value, const char *expected);

/* The output of a layer by its Keras name: a node (the activation behind it where there is one), kohl_keras_padded, or
 * -1 when there is none. */
int kohl_keras_layer_output(const kohl_keras_reader *r, const char *layer, size_t length);

#endif
