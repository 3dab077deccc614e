/* A kohl model as a file for others: weights with Keras's or torchvision's names, or the whole network as ONNX.
 *
 * Keras and torchvision: a safetensors file of the publisher's names, shapes and orders (convert/naming.h), f32 bit for
 * bit.  Layers that the publisher does not have, a head of one's own, keep their names with the publisher's words and
 * orders ("head_dense/kernel", "head_dense.weight").  What the publisher's network computes in another way than this
 * one (padding of average pools, stride) is a warning in the log and in the metadata: the weights fit, the answers
 * differ.
 *
 * ONNX: opset 13, input "input" [N,C,H,W] f32, outputs "output" (the last layer) and, where that is a softmax or
 * sigmoid, "logits" (what it reads).  Layers are written as they are, batch-norm is not folded.
 *
 * Of several heads (nn/model.h) the first is written, without the layers that only others need.
 *
 * All carry labels, preprocessing and origin as text (about.h).  One thread at a time; the model is only read. */
#ifndef KOHL_CONVERT_EXPORT_EXPORT_H
#define KOHL_CONVERT_EXPORT_EXPORT_H

#include "nn/model.h"

typedef enum kohl_export_format { KOHL_EXPORT_KERAS, KOHL_EXPORT_TORCHVISION, KOHL_EXPORT_ONNX } kohl_export_format;
enum { KOHL_EXPORT_FORMATS = 3 };

const char *kohl_export_word(kohl_export_format format); /* "keras", "torchvision", "onnx" */

typedef struct kohl_export_options {
  kohl_export_format format;
  bool preprocessing; /* ONNX: the input is pixels of 0 to 255, RGB; the network does scale, mean and std itself */
} kohl_export_options;

/* Writes the file: every tensor's checksum is compared first; then as a temporary file, fsync, rename, so that on any
 * error path is as it was.  KOHL_USAGE: the path is the model itself, preprocessing for another format.
 * KOHL_BAD_INPUT: damaged weights; a network that the publisher does not have, or weights that have no place in its;
 * more than 2^31 - 1 bytes of ONNX.  Memory: 1 MiB and at most a row of a tensor beside the mapped model. */
kohl_status kohl_export(kohl_context *ctx, const kohl_model *model, const kohl_export_options *options,
                        const char *path);

/* The writers behind it, once the weights are checked. */
kohl_status kohl_export_safetensors(kohl_context *ctx, const kohl_model *model, kohl_export_format format,
                                    const char *path);
kohl_status kohl_export_onnx(kohl_context *ctx, const kohl_model *model, bool preprocessing, const char *path);

#endif
