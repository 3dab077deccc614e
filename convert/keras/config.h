/* The network that a whole saved Keras model describes in its JSON (attribute model_config), as a graph. */
#ifndef KOHL_CONVERT_KERAS_CONFIG_H
#define KOHL_CONVERT_KERAS_CONFIG_H

#include "nn/graph.h"

/* Reads Sequential and functional models of one input and one output whose layers nn/layers.def has; a layer's softmax
 * or sigmoid becomes a node of its own, "<layer>/softmax".  size replaces the input's height and width unless it is 0.
 * The head begins after the last node that still has pixels.  *out is the caller's, inferred, named "keras".
 * KOHL_BAD_INPUT names the file, the layer, the field and what was expected; path is for texts. */
kohl_status kohl_keras_config_read(kohl_context *ctx, const char *path, const char *json, int size, kohl_graph **out);

#endif
