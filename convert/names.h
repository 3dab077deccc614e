/* Tensor names as Keras writes them, "<layer>/<kind>" with an optional ":0", sorted for finding; a .h5 file has its own
 * words for the two (keras/h5.h).
 *
 * Layers that Keras numbers by itself (conv2d, dense) may begin anywhere in a file that was saved again; they are
 * renamed to what the network calls them.  Not here: shapes and values (match.h, values.h). */
#ifndef KOHL_CONVERT_NAMES_H
#define KOHL_CONVERT_NAMES_H

#include "convert/presets.h"
#include "convert/source.h"

typedef struct kohl_keras_tensor {
  const kohl_tensor_info *info; /* the file's; info->name is the name there */
  char *layer;                  /* after renaming; owned; the whole name when kind is NULL */
  const char *kind;             /* "kernel", "bias", ...; NULL: not a Keras name */
  size_t at;                    /* in the order of the file */
  bool used;                    /* by keras_match */
} kohl_keras_tensor;

typedef struct kohl_keras_names {
  kohl_keras_tensor *tensors; /* by layer, then kind */
  size_t count;
} kohl_keras_names;

/* Names of all tensors of a file, which must outlive them.  preset NULL: dense layers
 * keep their names.  need_head: a head of other layers than the preset's is an error.  KOHL_BAD_INPUT: two tensors with
 * one meaning, layers whose numbers allow no order.  Fill *names with zeros before; end with kohl_keras_names_free,
 * also after a failure. */
kohl_status kohl_keras_names_read(kohl_context *ctx, const char *path, const kohl_source *source, const char *arch,
                                  const kohl_preset *preset, bool need_head, kohl_keras_names *names);
void kohl_keras_names_free(kohl_context *ctx, kohl_keras_names *names);

/* Sorts again after layers were renamed; two tensors with one meaning are KOHL_BAD_INPUT. */
kohl_status kohl_keras_names_sort(kohl_context *ctx, const char *path, kohl_keras_names *names);

/* The tensor of a layer, or NULL. */
kohl_keras_tensor *kohl_keras_names_find(const kohl_keras_names *names, const char *layer, const char *kind);

/* The number of a layer called "<prefix>" (0) or "<prefix>_<number>", or -1. */
int kohl_keras_number(const char *layer, const char *prefix);

/* Keras's word for a model file's ("weight" is "kernel"), and all words in one text for messages. */
const char *kohl_keras_kind(const char *suffix);
#define KOHL_KERAS_KINDS "kernel, bias, gamma, beta, moving_mean or moving_variance"

#endif
