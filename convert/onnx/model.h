/* An ONNX model as its file says it: nodes, constant tensors and which value goes where; not what the nodes mean (that
 * is graph.h).  (Format: github.com/onnx/onnx, onnx.proto and docs/IR.md.)
 *
 * A value is a name that one thing defines: an initializer, an output of a node, or the input.  Values are numbered. */
#ifndef KOHL_CONVERT_ONNX_MODEL_H
#define KOHL_CONVERT_ONNX_MODEL_H

#include "convert/onnx/tensor.h"

enum {
  KOHL_ONNX_OPSET_FIRST = 7,
  KOHL_ONNX_OPSET_LAST = 23,
  KOHL_ONNX_NODES = 65536,
  KOHL_ONNX_TENSORS = 65536, /* constants of nodes too */
  KOHL_ONNX_VALUES = 1 << 17,
  KOHL_ONNX_LINKS = 1 << 18, /* inputs and outputs of all nodes */
  KOHL_ONNX_OUTPUTS = 8
};

typedef struct kohl_onnx_node {
  kohl_proto_bytes message, op, name;
  bool foreign; /* its op is of another domain than ONNX's own */
  size_t first; /* of its links: inputs, then outputs */
  size_t inputs, outputs;
  int tensor; /* of a Constant: its tensor, else -1 */
} kohl_onnx_node;

typedef struct kohl_onnx_model {
  const char *path;
  kohl_map map;
  kohl_onnx_files files;
  uint64_t opset;
  kohl_proto_bytes producer;
  kohl_onnx_node *nodes; /* each behind those that it reads from */
  size_t node_count;
  kohl_onnx_tensor *tensors; /* initializers first */
  size_t tensor_count, initializer_count;
  int *links; /* numbers of values; -1: an optional input or output that is not there */
  size_t link_count;
  kohl_proto_bytes *names; /* of the values, ascending */
  size_t value_count;
  int *initial; /* of each value: its tensor, or -1 */
  int input;    /* value */
  int outputs[KOHL_ONNX_OUTPUTS], output_count;
  uint64_t input_type;    /* kohl_onnx_type */
  int input_dims;         /* of at most 8; 0: not said */
  int64_t input_shape[8]; /* -1: not a number */
} kohl_onnx_model;

/* Maps and decodes a file; *model is to be zeros, and is to be closed after a failure too.  path must outlive it.
 * KOHL_BAD_INPUT names the file, the node or tensor, and what was expected: damage, an opset that is not read, names
 * that are defined twice or not at all, cycles, several inputs, no output. */
kohl_status kohl_onnx_model_open(kohl_context *ctx, const char *path, kohl_onnx_model *model);
void kohl_onnx_model_close(kohl_context *ctx, kohl_onnx_model *model);

/* The value of a name, or -1. */
int kohl_onnx_model_value(const kohl_onnx_model *model, kohl_proto_bytes name);

/* An input or output of a node as value, -1 when there is none. */
int kohl_onnx_node_input(const kohl_onnx_model *model, const kohl_onnx_node *node, size_t index);
int kohl_onnx_node_output(const kohl_onnx_model *model, const kohl_onnx_node *node, size_t index);

/* Who an error is about: "node 'Conv_3' (Conv)"; a node without a name by number. */
typedef struct kohl_onnx_who {
  char text[256];
} kohl_onnx_who;
kohl_onnx_who kohl_onnx_node_who(const kohl_onnx_model *model, const kohl_onnx_node *node);

#endif
