/* The JSON of a TF.js layers-model: which tensors it has, in which bytes of which files, and its network.
 *
 *   {"format": "layers-model", "generatedBy": "keras v2.2.4", "modelTopology": {"model_config": {...}} or {...},
 *    "weightsManifest": [{"paths": ["group1-shard1of2.bin", ...], "weights": [{"name": "conv2d/kernel",
 *      "shape": [3, 3, 3, 8], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -3}}, ...]}]}
 *
 * The files of a group, one after the other, are its tensors, one after the other, little-endian.  (Format:
 * github.com/tensorflow/tfjs, tfjs-core/src/io.)  Graph-models, which hold TensorFlow's operations, are refused. */
#ifndef KOHL_CONVERT_TFJS_MANIFEST_H
#define KOHL_CONVERT_TFJS_MANIFEST_H

#include "convert/container/json_fields.h"
#include "convert/source.h"

enum { KOHL_TFJS_JSON = 16 << 20 /* bytes of model.json */, KOHL_TFJS_SHARDS = 16384, KOHL_TFJS_FILE = 255 };

/* Where a tensor's bytes lie in all groups one after the other. */
typedef struct kohl_tfjs_place {
  size_t offset;
  bool whole; /* of int32, quantised: (int32)(q * scale + min), rounded; its tensor then is not `quantised` */
  double scale, min;
} kohl_tfjs_place;

typedef struct kohl_tfjs_shard {
  const char *name; /* a file beside model.json: no folder, no "..", at most KOHL_TFJS_FILE bytes */
  size_t group;
} kohl_tfjs_shard;

/* Begins as zeros; everything in it is its own. */
typedef struct kohl_tfjs_manifest {
  kohl_source_tensor *tensors;
  kohl_tfjs_place *places; /* of the same tensors */
  size_t count, tensor_capacity, place_capacity;
  kohl_tfjs_shard *shards; /* in the order of their bytes; no two with the same name */
  size_t shard_count, shard_capacity;
  size_t *group_bytes; /* of all tensors of a group, those left out included */
  size_t group_count, group_capacity;
  size_t bytes;                        /* of all groups */
  char *topology;                      /* {"class_name", "config"} as text, or NULL */
  char *texts;                         /* behind the names */
  char origin[2 * KOHL_JSON_WORD + 8]; /* who wrote it, or "" */
} kohl_tfjs_manifest;

/* Reads and checks the text.  Tensors of an optimizer are left out; texts and complex numbers are KOHL_BAD_INPUT, as is
 * a tensor without a name, twice the same name, or more of anything than source.h allows.  A failure leaves nothing. */
kohl_status kohl_tfjs_manifest_read(kohl_context *ctx, const char *path, const char *json, size_t length,
                                    kohl_tfjs_manifest *manifest);
void kohl_tfjs_manifest_free(kohl_context *ctx, kohl_tfjs_manifest *manifest);

/* Sets layer and suffix of every tensor from its name: "model/conv2d/kernel" is the weight of conv2d where the
 * topology has such a layer, else of model/conv2d.  Text for them comes from *text on, which has room for the names. */
kohl_status kohl_tfjs_names_set(kohl_context *ctx, kohl_tfjs_manifest *manifest, char *text);

#endif
