/* The network that a whole saved Keras model describes in its JSON (model_config, config.json), as a graph. */
#ifndef KOHL_CONVERT_KERAS_CONFIG_H
#define KOHL_CONVERT_KERAS_CONFIG_H

#include "convert/keras/places.h"
#include "convert/source.h"

/* Reads Sequential and functional models of one input and one output whose layers nn/layers.def has; a layer's softmax
 * or sigmoid becomes a node of its own, "<layer>/softmax".  The layers of a model that is used as a layer stand in its
 * place, under their own names or, where another has that, "<model>/<layer>".  Layers that do nothing in
 * inference are left out; what scales the input is source's affine.  size replaces the input's height and width unless
 * it is 0.  The head begins after the last node that still has pixels.  *out is the caller's, inferred, named "keras".
 * places are those of the same JSON.  KOHL_BAD_INPUT names the file, what ("model_config"), the layer, the field and
 * what was expected. */
kohl_status kohl_keras_config_read(kohl_context *ctx, kohl_source *source, const char *what, const char *json,
                                   const kohl_keras_places *places, int size, kohl_graph **out);

/* The same for who has no use for the places otherwise. */
kohl_status kohl_keras_config_build(kohl_context *ctx, kohl_source *source, const char *what, const char *json,
                                    int size, kohl_graph **out);

#endif
