/* An HDF5 file of Keras's as a source: its open file, and the list of tensors that the reader of its layout (h5.c,
 * keras3.c) fills in.  Reading, the network and the end are the same for all layouts and are here. */
#ifndef KOHL_CONVERT_KERAS_STORE_H
#define KOHL_CONVERT_KERAS_STORE_H

#include "convert/container/map.h"
#include "convert/hdf5/hdf5.h"
#include "convert/keras/places.h"
#include "convert/source.h"

/* Owned texts behind a tensor's name and layer. */
typedef struct kohl_keras_text {
  char *path; /* in the file, from the root; info.name is its end */
  char *layer;
} kohl_keras_text;

/* The state of a source. */
typedef struct kohl_keras_store {
  kohl_map map; /* of the archive, whose bytes file reads; empty for a .h5 file */
  kohl_hdf5 *file;
  kohl_keras_text *texts; /* one for each of source->tensors */
  size_t tensors_capacity, texts_capacity;
  size_t name_bytes, value_bytes; /* of all: names as texts, values as f32 */
  char *config;                   /* the JSON of the model's layers, or NULL; owned */
  const char *what;               /* the file calls it so: "model_config" */
  char origin[320];               /* who wrote it; for source_text */
  kohl_keras_places places;       /* of config; none where that is no model that walk.h knows */
} kohl_keras_store;

/* Makes source->state and sets source->call and format; afterwards call->close frees everything. */
kohl_status kohl_keras_store_open(kohl_context *ctx, kohl_source *source, const char *format);

/* Takes a copy of the JSON of the model's layers, which source->call->graph reads. */
kohl_status kohl_keras_store_config(kohl_context *ctx, kohl_source *source, const char *what, const char *json);

/* Appends the tensor at a path ("/conv2d/conv2d/kernel:0") below a root ("" or "/model_weights"); its name is the path
 * without the root.  layer is copied, suffix is a constant or NULL.  What the file makes us hold is bounded by its
 * size: names that share their bytes and values that gzip has packed are KOHL_BAD_INPUT. */
kohl_status kohl_keras_store_add(kohl_context *ctx, kohl_source *source, const char *root, const char *path,
                                 const char *layer, const char *suffix);

/* After the last tensor: KOHL_BAD_INPUT where there is none, or where two have one name. */
kohl_status kohl_keras_store_finish(kohl_context *ctx, kohl_source *source);

#endif
