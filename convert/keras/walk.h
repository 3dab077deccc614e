/* The layers of a saved Keras model's JSON one after the other, those of models that are used as layers in their place.
 * No recursion: one frame for each model that is open, at most KOHL_KERAS_MODELS. */
#ifndef KOHL_CONVERT_KERAS_WALK_H
#define KOHL_CONVERT_KERAS_WALK_H

#include "convert/container/json_fields.h"

enum { KOHL_KERAS_MODELS = 8 };

typedef enum kohl_keras_event {
  KOHL_KERAS_LAYER, /* layer, config, name and class are a layer's */
  KOHL_KERAS_BEGIN, /* they are a model's inside, whose layers come next */
  KOHL_KERAS_END,   /* they are that model's again, or the whole model's, after which there is nothing */
} kohl_keras_event;

/* A model whose layers are being read. */
typedef struct kohl_keras_model {
  kohl_json json; /* stands in its list of layers */
  kohl_json_range layer, config;
  bool sequential; /* every layer's input is the one before */
  char name[KOHL_JSON_WORD], class[KOHL_JSON_WORD];
} kohl_keras_model;

/* Read layer, config, name and class, models[] below depth; the rest is the walk's own. */
typedef struct kohl_keras_walk {
  kohl_context *ctx;
  kohl_keras_model models[KOHL_KERAS_MODELS];
  int depth;   /* models that are open: 1 while the whole model's own layers are read */
  size_t read; /* layers so far */
  kohl_json_range layer, config;
  char name[KOHL_JSON_WORD], class[KOHL_JSON_WORD];
} kohl_keras_walk;

/* Opens {"class_name", "config": {"layers": [...]}}.  KOHL_BAD_INPUT names the field.  End with kohl_keras_walk_close,
 * after a failure too. */
kohl_status kohl_keras_walk_open(kohl_context *ctx, kohl_keras_walk *walk, const char *json);
void kohl_keras_walk_close(kohl_keras_walk *walk);

kohl_status kohl_keras_walk_next(kohl_keras_walk *walk, kohl_keras_event *event);

#endif
