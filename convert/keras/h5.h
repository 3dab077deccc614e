/* Keras's legacy .h5 files: weights alone, or a whole saved model, as a list of named tensors in the file's order.
 *
 * Groups are named after layers, attribute layer_names lists them, and weight_names of each group lists its tensors.
 * (Format: keras, legacy/saving/legacy_h5_format.py.)  Not here: Keras 3's .weights.h5 and .keras. */
#ifndef KOHL_CONVERT_KERAS_H5_H
#define KOHL_CONVERT_KERAS_H5_H

#include "nn/safetensors.h"

typedef struct kohl_keras_h5 kohl_keras_h5;

/* One tensor.  info.name is its path without the root ("conv2d_1/conv2d_1/kernel:0"), info.data NULL. */
typedef struct kohl_keras_h5_tensor {
  kohl_tensor_info info;
  const char *layer; /* "conv2d_1"; in a model used as a layer, the layer inside it */
  const char *kind;  /* "kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance", or NULL: none of them */
} kohl_keras_h5_tensor;

/* Opens a file and lists its tensors; *out is the caller's until kohl_keras_h5_close (NULL is allowed).
 * KOHL_BAD_INPUT: no libhdf5 in this build, not a legacy file, Theano's kernels, anything that hdf5.h refuses. */
kohl_status kohl_keras_h5_open(kohl_context *ctx, const char *path, kohl_keras_h5 **out);
void kohl_keras_h5_close(kohl_context *ctx, kohl_keras_h5 *h5);

size_t kohl_keras_h5_count(const kohl_keras_h5 *h5);
const kohl_keras_h5_tensor *kohl_keras_h5_tensor_at(const kohl_keras_h5 *h5, size_t index);

/* Slices along kohl_hdf5_axis of a tensor, as f32 (kohl_hdf5_read).  info is the file's own. */
kohl_status kohl_keras_h5_read(kohl_context *ctx, kohl_keras_h5 *h5, const kohl_tensor_info *info, size_t first,
                               size_t slices, float *out);

/* The JSON text of a whole model's layers, or NULL in a file of weights alone. */
const char *kohl_keras_h5_config(const kohl_keras_h5 *h5);

#endif
