/* A foreign file of Keras's weights, whichever container holds it: a list of named tensors and their numbers. */
#ifndef KOHL_CONVERT_SOURCE_H
#define KOHL_CONVERT_SOURCE_H

#include "convert/keras/h5.h"
#include "nn/safetensors.h"

/* One of the two is open. */
typedef struct kohl_source {
  kohl_safetensors *safetensors;
  kohl_keras_h5 *h5;
} kohl_source;

/* Opens a file by its bytes; fill *source with zeros before, end with kohl_source_close, also after a failure.
 * KOHL_BAD_INPUT names another format, or what is wrong with this one. */
kohl_status kohl_source_open(kohl_context *ctx, const char *path, kohl_source *source);
void kohl_source_close(kohl_context *ctx, kohl_source *source);

/* Tensors in the file's order: safetensors that of the data, .h5 that of the layers. */
size_t kohl_source_count(const kohl_source *source);
const kohl_tensor_info *kohl_source_tensor(const kohl_source *source, size_t index);

/* How many values of a tensor are read at once at least: whole rows of the last axis, in .h5 a slice of
 * kohl_hdf5_axis. */
size_t kohl_source_step(const kohl_source *source, const kohl_tensor_info *info);

/* count values of a tensor from `first` on, both multiples of the step, as f32; U8 and other whole numbers as they
 * are.  KOHL_BAD_INPUT: a type that is no number of these, a value beyond the largest float, a damaged file. */
kohl_status kohl_source_read(kohl_context *ctx, const kohl_source *source, const kohl_tensor_info *info, size_t first,
                             size_t count, float *out);

#endif
