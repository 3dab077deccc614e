/* TensorFlow's checkpoints of version 1, as the models of TF-Slim were published in 2016: one table.  The value of the
 * empty key lists names, shapes and types, each other value holds the numbers of one tensor and its name (the key says
 * the same in a way that nobody needs).  (Format: TensorFlow's core/util/saved_tensor_slice.proto and
 * core/framework/tensor.proto.)
 *
 * Numbers stand in the repeated field of their type, packed or not, or as bytes.  Tensors in pieces are refused. */
#ifndef KOHL_CONVERT_TENSORFLOW_SLICES_H
#define KOHL_CONVERT_TENSORFLOW_SLICES_H

#include "convert/tensorflow/tensors.h"

/* Fills the list in, by name, from a table that stands at its first entry, whose key is empty.  KOHL_BAD_INPUT names
 * the tensor. */
kohl_status kohl_slices_read(kohl_context *ctx, kohl_tensorflow *file);

#endif
