/* TensorFlow's checkpoints of version 2: NAME.index, a table of where each tensor lies, beside
 * NAME.data-0000i-of-0000n, its bytes as they are.  (Format: TensorFlow's core/protobuf/tensor_bundle.proto,
 * core/util/tensor_bundle.)
 *
 * Read are those that are saved by name.  Refused: objects of Keras (their keys say a position in Python's objects, no
 * layer), tensors stored in pieces, files of big-endian machines. */
#ifndef KOHL_CONVERT_TENSORFLOW_BUNDLE_H
#define KOHL_CONVERT_TENSORFLOW_BUNDLE_H

#include "convert/tensorflow/tensors.h"

/* Fills the list in from a table that stands at its first entry, whose key is empty, and opens the files beside it: the
 * path must end in ".index".  A tensor's bytes are compared with their CRC before its first number is read.
 * KOHL_BAD_INPUT names the tensor or file. */
kohl_status kohl_bundle_read(kohl_context *ctx, kohl_tensorflow *file);

#endif
