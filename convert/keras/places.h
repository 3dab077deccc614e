/* Where a saved Keras model keeps the weights of its layers, and what they are called here: its JSON read for names
 * alone.  Layers of models inside models have names that are unique only there. */
#ifndef KOHL_CONVERT_KERAS_PLACES_H
#define KOHL_CONVERT_KERAS_PLACES_H

#include "kernels/core/alloc.h"
#include "nn/keys.h"

/* A Conv2D, Dense or BatchNormalization. */
typedef struct kohl_keras_place {
  char *node;       /* its name in the graph: its own, or, where another has that, "<model>/<layer>" */
  char *layer;      /* its own name */
  char *object;     /* Keras 3's path: "layers/functional/layers/conv2d_1" */
  char *group;      /* the legacy layout's group and its own name behind the zero: "base\0conv2d_1" */
  bool gamma, beta; /* of a BatchNormalization */
} kohl_keras_place;

typedef struct kohl_keras_places {
  kohl_keras_place *items; /* in the order of the JSON, models inside in their place */
  size_t count, capacity;
  kohl_key *nodes, *objects, *groups; /* sorted */
} kohl_keras_places;

/* *places begins as zeros; the caller ends it with kohl_keras_places_free, after a failure too.  KOHL_BAD_INPUT: the
 * JSON is malformed, or no model that walk.h knows. */
kohl_status kohl_keras_places_read(kohl_context *ctx, const char *json, kohl_keras_places *places);
void kohl_keras_places_free(kohl_context *ctx, kohl_keras_places *places);

/* The layer of an object's path; of a legacy group and the name of a layer in it, which of a layer that is no model
 * is its own (several in a path, "base/conv2d_1", are tried from the front on).  NULL: there is none. */
const kohl_keras_place *kohl_keras_places_object(const kohl_keras_places *places, const char *path);
const kohl_keras_place *kohl_keras_places_group(const kohl_keras_places *places, const char *group, const char *layer);

/* Does a layer with weights have this name in the graph? */
bool kohl_keras_places_has(const kohl_keras_places *places, const char *node);

/* Does a class of layers have a place? */
bool kohl_keras_places_class(const char *class);

#endif
