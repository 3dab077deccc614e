/* A graph on its way to ONNX: the nodes as bytes, the constants as a list whose numbers are still where they were.
 * Inside of the ONNX writer only.  (Format: onnx.proto of github.com/onnx/onnx; operators as of opset 13.) */
#ifndef KOHL_CONVERT_EXPORT_ONNX_H
#define KOHL_CONVERT_EXPORT_ONNX_H

#include "convert/export/order.h"
#include "convert/export/permute.h"
#include "convert/export/protobuf_write.h"

enum { KOHL_TO_ONNX_NAME = KOHL_NAME_TEXT + 16, KOHL_TO_ONNX_OPSET = 13, KOHL_TO_ONNX_IR = 8 };

/* Numbers of message fields. */
enum {
  ONNX_MODEL_IR = 1,
  ONNX_MODEL_PRODUCER = 2,
  ONNX_MODEL_PRODUCER_VERSION = 3,
  ONNX_MODEL_DOC = 6,
  ONNX_MODEL_GRAPH = 7,
  ONNX_MODEL_OPSET = 8,
  ONNX_MODEL_METADATA = 14,
  ONNX_OPSET_DOMAIN = 1,
  ONNX_OPSET_VERSION = 2,
  ONNX_METADATA_KEY = 1,
  ONNX_METADATA_VALUE = 2,
  ONNX_GRAPH_NODE = 1,
  ONNX_GRAPH_NAME = 2,
  ONNX_GRAPH_INITIALIZER = 5,
  ONNX_GRAPH_INPUT = 11,
  ONNX_GRAPH_OUTPUT = 12,
  ONNX_NODE_INPUT = 1,
  ONNX_NODE_OUTPUT = 2,
  ONNX_NODE_NAME = 3,
  ONNX_NODE_OP = 4,
  ONNX_NODE_ATTRIBUTE = 5,
  ONNX_ATTRIBUTE_NAME = 1,
  ONNX_ATTRIBUTE_FLOAT = 2,
  ONNX_ATTRIBUTE_INT = 3,
  ONNX_ATTRIBUTE_INTS = 8,
  ONNX_ATTRIBUTE_TYPE = 20,
  ONNX_TENSOR_DIMS = 1,
  ONNX_TENSOR_TYPE = 2,
  ONNX_TENSOR_NAME = 8,
  ONNX_TENSOR_RAW = 9,
  ONNX_VALUE_NAME = 1,
  ONNX_VALUE_TYPE = 2,
  ONNX_TYPE_TENSOR = 1,
  ONNX_TYPE_ELEMENT = 1,
  ONNX_TYPE_SHAPE = 2,
  ONNX_SHAPE_DIM = 1,
  ONNX_DIM_VALUE = 1,
  ONNX_DIM_PARAM = 2,
};
enum { ONNX_FLOAT = 1, ONNX_INT64 = 7 };                       /* types of elements */
enum { ONNX_IS_FLOAT = 1, ONNX_IS_INT = 2, ONNX_IS_INTS = 7 }; /* types of attributes */

typedef struct kohl_to_onnx_constant {
  char name[KOHL_TO_ONNX_NAME];
  kohl_export_view view; /* floats; their shape.  Unless... */
  float *owned;          /* ... NULL: the view's data is a weight's */
  int64_t whole[8];      /* ... whole_count whole numbers, one dimension */
  int whole_count;
} kohl_to_onnx_constant;

/* Where the output of a layer is: as [N,C], as [N,C,H,W], or both; "" where it is not. */
typedef struct kohl_to_onnx_value {
  char row[KOHL_TO_ONNX_NAME], map[KOHL_TO_ONNX_NAME];
} kohl_to_onnx_value;

typedef struct kohl_to_onnx {
  kohl_context *ctx;
  const kohl_model *model;
  const kohl_graph *graph;
  bool preprocessing; /* the input is pixels */
  bool transposed;    /* a flattened picture is h,w,c as here: some layer behind one needs it so */
  int output, logits; /* nodes; logits -1: there are none */
  kohl_export_order *orders;
  kohl_to_onnx_value *values; /* of each node */
  bool *needed;               /* the output depends on the node */
  kohl_put nodes;             /* fields of GraphProto */
  kohl_to_onnx_constant *constants;
  size_t constant_count, constant_capacity;
  kohl_status status; /* the first error; later calls do nothing */
} kohl_to_onnx;

/* Fills everything in but the file; *onnx comes zeroed and ends with kohl_to_onnx_free, also after a failure. */
kohl_status kohl_to_onnx_build(kohl_to_onnx *onnx, kohl_context *ctx, const kohl_model *model, bool preprocessing);
void kohl_to_onnx_free(kohl_to_onnx *onnx);

/* One layer: appends nodes and constants and sets onnx->values[index].  Errors stick in onnx->status. */
void kohl_export_onnx_layer(kohl_to_onnx *onnx, int index);

/* A node; attributes follow, then kohl_to_onnx_end.  inputs ends with a NULL. */
void kohl_to_onnx_begin(kohl_to_onnx *onnx, const char *op, const char *name, const char *const *inputs,
                        const char *output);
void kohl_to_onnx_int(kohl_to_onnx *onnx, const char *name, int64_t value);
void kohl_to_onnx_float(kohl_to_onnx *onnx, const char *name, float value);
void kohl_to_onnx_ints(kohl_to_onnx *onnx, const char *name, const int *values, int count);
void kohl_to_onnx_end(kohl_to_onnx *onnx);

/* The same for one input and without attributes. */
void kohl_to_onnx_plain(kohl_to_onnx *onnx, const char *op, const char *name, const char *input, const char *output);

/* "<layer>:tag" of KOHL_TO_ONNX_NAME bytes: no weight ("<layer>.suffix") and no input or output has such a name. */
void kohl_to_onnx_name(const kohl_to_onnx *onnx, int index, const char *tag, char *name);

/* Where the layer's last operator must write: its value, which is set. */
const char *kohl_to_onnx_out(kohl_to_onnx *onnx, int index, bool row);

/* The value of a node for those that read it: as [N,C], its picture being one pixel; as [N,C,H,W]; as it is. */
const char *kohl_to_onnx_row(kohl_to_onnx *onnx, int input);
const char *kohl_to_onnx_map(kohl_to_onnx *onnx, int input);
const char *kohl_to_onnx_any(const kohl_to_onnx *onnx, int input);

/* Whether it is a row; a value that is both is one. */
static inline bool kohl_to_onnx_is_row(const kohl_to_onnx *onnx, int input) { return *onnx->values[input].row != 0; }

/* Constants; the name is copied.  The weight's is "<layer>.<suffix>" and comes back.  floats: dims numbers of shape,
 * freed with onnx. */
const char *kohl_to_onnx_weight(kohl_to_onnx *onnx, int index, const char *suffix);
void kohl_to_onnx_floats(kohl_to_onnx *onnx, const char *name, const float *values, int dims, const int64_t *shape);
void kohl_to_onnx_whole(kohl_to_onnx *onnx, const char *name, const int64_t *values, int count);

#endif
