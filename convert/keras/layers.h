/* One layer of a saved Keras model's JSON into one or more nodes of the graph. */
#ifndef KOHL_CONVERT_KERAS_LAYERS_H
#define KOHL_CONVERT_KERAS_LAYERS_H

#include "convert/container/json_fields.h"
#include "nn/graph.h"

/* A ZeroPadding2D: no node, but the explicit padding of the convolution or pool behind it. */
typedef struct kohl_keras_pad {
  int node;   /* what it pads */
  int pad[4]; /* top, left, bottom, right */
} kohl_keras_pad;

/* Where a node index is expected, kohl_keras_padded(i) stands for the output of pads[i]; it is its own inverse.
 * KOHL_KERAS_NOTHING: there is no input yet. */
enum { KOHL_KERAS_NOTHING = -1 };
static inline int kohl_keras_padded(int i) { return -2 - i; }

/* A model on its way.  Begins as zeros but for ctx, graph (both the caller's), size and last; pads is freed by the
 * caller with kohl_free. */
typedef struct kohl_keras_reader {
  kohl_context *ctx;
  kohl_graph *graph;
  int size; /* of the input instead of the file's, or 0 */
  int last; /* the output of the latest layer: a node, kohl_keras_padded or KOHL_KERAS_NOTHING */
  kohl_keras_pad *pads;
  size_t pad_count, pad_capacity;
  bool affine; /* the input is worked on before all else */
  double input_scale[3], input_shift[3];
  kohl_json_range config, inbound; /* of the current layer */
  char class[KOHL_JSON_WORD];
  char name[KOHL_NAME_TEXT]; /* of the current layer's node */
} kohl_keras_reader;

/* Adds the current layer (name, class, config) behind its inputs, at most KOHL_NODE_INPUTS, and sets last.  A softmax
 * or sigmoid becomes a node of its own, "<layer>/softmax"; a sum of more than two inputs is "<layer>/2", "<layer>/3",
 * ..., "<layer>"; a layer that does nothing in inference has its input as output.  KOHL_BAD_INPUT says field, value and
 * what was expected. */
kohl_status kohl_keras_layer_add(kohl_keras_reader *r, const int *inputs, int count);

/* Adds an input of the size that the current layer's config says. */
kohl_status kohl_keras_layer_input(kohl_keras_reader *r, const char *name);

/* "field 'padding': value 'full', expected ..."; always KOHL_BAD_INPUT. */
kohl_status kohl_keras_layer_refuse(kohl_keras_reader *r, const char *field, const char *value, const char *expected);

/* Rescaling, Normalization, and arithmetic with one number: x * scale + shift of the network's input, as affine and the
 * two of r.  *mine is false, and nothing happens, with another class.  They stand before every other layer, else
 * KOHL_BAD_INPUT. */
kohl_status kohl_keras_affine_add(kohl_keras_reader *r, const int *inputs, int count, bool *mine);

#endif
