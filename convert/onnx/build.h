/* What the readers of nodes share while a model becomes a kohl_graph: what is known of each value, the current node,
 * its attributes, and what they say of a layer.  Readers are one function for each op, in layers.c, pools.c, shapes.c,
 * input.c and ints.c; ops.def is the list of them, and graph.c walks the nodes.
 *
 * ONNX pictures are n,c,h,w and a row of numbers behind one is in the order c,h,w; here both are h,w,c.  So a value
 * says which of the two orders its numbers have in the ONNX model, and a reader refuses what would not be the same. */
#ifndef KOHL_CONVERT_ONNX_BUILD_H
#define KOHL_CONVERT_ONNX_BUILD_H

#include "convert/onnx/model.h"
#include "convert/source.h"

typedef enum kohl_onnx_kind {
  KOHL_ONNX_UNSET,
  KOHL_ONNX_CONSTANT, /* a tensor */
  KOHL_ONNX_INTS,     /* a few whole numbers: parts of shapes */
  KOHL_ONNX_PICTURE,  /* 4 dimensions */
  KOHL_ONNX_ROWS      /* 2 dimensions */
} kohl_onnx_kind;

/* Numbers of a shape that are not known. */
#define KOHL_ONNX_BATCH (INT64_MIN + 1)
#define KOHL_ONNX_SIDE (INT64_MIN + 2)
enum { KOHL_ONNX_FEW = 8 };

/* Of KOHL_ONNX_ROWS. */
typedef enum kohl_onnx_order { KOHL_ONNX_ANY_ORDER, KOHL_ONNX_CHW, KOHL_ONNX_HWC } kohl_onnx_order;

typedef struct kohl_onnx_value {
  kohl_onnx_kind kind;
  int uses;        /* how many needed nodes read it; the output counts as one */
  int tensor;      /* CONSTANT */
  bool transposed; /* CONSTANT of 2 dimensions: it is read the other way round */
  bool scalar;     /* INTS: without a dimension */
  bool pairs;      /* INTS: a table of two columns, row by row */
  int count;       /* INTS */
  int64_t ints[KOHL_ONNX_FEW];
  int node;              /* PICTURE, ROWS: of the graph */
  bool last;             /* PICTURE: channels are the last dimension, not the second */
  bool single;           /* known to be 1x1 pixels */
  bool open;             /* the layer that made it has no bias yet, and nothing else reads it */
  kohl_onnx_order order; /* ROWS */
  bool padded;           /* zeros around it, not in the graph yet */
  int pad[4];
  int channel;               /* PICTURE: -1, or it is only this channel of the input */
  bool gathered;             /* that channel's dimension is gone */
  double scale[3], shift[3]; /* of node 0: x * scale + shift; of a channel: its own in [0] */
} kohl_onnx_value;

/* One weight of a layer. */
typedef struct kohl_onnx_weight {
  int value;  /* whose name it has */
  int tensor; /* of the model */
  int node;   /* of the graph */
  const char *suffix;
  kohl_layout layout;
} kohl_onnx_weight;

/* What only sizes can tell. */
typedef struct kohl_onnx_check {
  int node;       /* of the graph */
  int64_t values; /* it must have so many; 0: one pixel */
  size_t at;      /* the node of the model that says so */
} kohl_onnx_check;

typedef struct kohl_onnx_build {
  kohl_context *ctx;
  kohl_onnx_model *model;
  kohl_onnx_value *values; /* of model->value_count */
  kohl_graph *graph;       /* of no size yet; node 0 is the input */
  int output;              /* the value that the network ends in */
  int last;                /* its node */
  kohl_onnx_weight *weights;
  size_t weight_count, weight_capacity;
  kohl_onnx_check *checks;
  size_t check_count, check_capacity;
  bool fixed; /* a layer has read the input, as x * scale + shift */
  double scale[3], shift[3];
  size_t unnamed;             /* number of the next layer that has no name */
  const kohl_onnx_node *node; /* the current one */
} kohl_onnx_build;

/* Walks the model: the graph with everything that its nodes say.  *build has ctx and model set and is zeros else; it is
 * freed by kohl_onnx_build_free, also after a failure. */
kohl_status kohl_onnx_build_run(kohl_onnx_build *build);
void kohl_onnx_build_free(kohl_onnx_build *build);

/* Refuses the current node: "attribute 'axis': value 2, expected 1". */
kohl_status kohl_onnx_refuse(kohl_onnx_build *build, const char *what, const char *found, const char *expected);
kohl_status kohl_onnx_refuse_number(kohl_onnx_build *build, const char *what, int64_t found, const char *expected);

/* Attributes of the current node.  One that is not there leaves *out (and *count) as it was; another type, a repeated
 * name and a list of more than KOHL_ONNX_FEW are refused. */
kohl_status kohl_onnx_attribute_int(kohl_onnx_build *build, const char *name, int64_t *out);
kohl_status kohl_onnx_attribute_float(kohl_onnx_build *build, const char *name, float *out);
kohl_status kohl_onnx_attribute_text(kohl_onnx_build *build, const char *name, kohl_proto_bytes *out);
kohl_status kohl_onnx_attribute_ints(kohl_onnx_build *build, const char *name, int64_t out[KOHL_ONNX_FEW], int *count);

/* An attribute that must have one value where it is there. */
kohl_status kohl_onnx_need(kohl_onnx_build *build, const char *name, int64_t value);

/* The input of the current node, or NULL when there is none. */
kohl_onnx_value *kohl_onnx_input(kohl_onnx_build *build, size_t index);

/* A list that older operators have as attribute and newer ones as input; *count stays when it is neither. */
kohl_status kohl_onnx_list(kohl_onnx_build *build, const char *name, size_t index, int64_t out[KOHL_ONNX_FEW],
                           int *count);

/* An input that is a layer's output, of the kind that is asked for (KOHL_ONNX_UNSET: either).  Refused where it is not
 * the whole picture with channels second and no padding to come, but for what is allowed. */
enum { KOHL_ONNX_ALLOW_LAST = 1, KOHL_ONNX_ALLOW_PADDED = 2, KOHL_ONNX_ALLOW_CHW = 4 };
kohl_status kohl_onnx_activation(kohl_onnx_build *build, size_t index, kohl_onnx_kind kind, unsigned allow,
                                 kohl_onnx_value **out);

/* An input that is a constant of so many dimensions (-1: any), its numbers at hand. */
kohl_status kohl_onnx_constant_input(kohl_onnx_build *build, size_t index, int dims, kohl_onnx_tensor **out);

/* An input that is a constant of one float, as older attributes became inputs; *out stays when it is not there. */
kohl_status kohl_onnx_number(kohl_onnx_build *build, size_t index, double *out);

/* The one result of the current node. */
kohl_status kohl_onnx_result(kohl_onnx_build *build, const kohl_onnx_value *value);

/* A value of a layer's output, or the same value under another name. */
kohl_onnx_value kohl_onnx_value_of(kohl_onnx_kind kind, int node);
kohl_status kohl_onnx_alias(kohl_onnx_build *build, const kohl_onnx_value *value);

/* Adds a layer.  It is called as the value of the input `weight` is, without its last word (0: no weight), or as the
 * node. */
kohl_status kohl_onnx_layer(kohl_onnx_build *build, kohl_layer layer, const kohl_params *params,
                            kohl_onnx_value *const *inputs, int count, size_t weight, int *index);

/* A constant input as weight of a layer. */
kohl_status kohl_onnx_weight_add(kohl_onnx_build *build, size_t index, int node, const char *suffix,
                                 kohl_layout layout);
kohl_status kohl_onnx_check_add(kohl_onnx_build *build, int node, int64_t values);

/* kernel_shape, strides, pads and auto_pad of a window, and the padding that waits at its input. */
kohl_status kohl_onnx_window(kohl_onnx_build *build, const kohl_onnx_value *input, kohl_params *params);

/* Arithmetic on the input with a constant, op being one of + - * /. */
kohl_status kohl_onnx_arithmetic(kohl_onnx_build *build, char op);

/* Three channels of the input side by side again. */
kohl_status kohl_onnx_join_channels(kohl_onnx_build *build);

/* Names of layers (names.c): text has KOHL_NAME_TEXT bytes; it is not in the graph yet. */
void kohl_onnx_layer_name(kohl_onnx_build *build, kohl_layer layer, int weight, char *text);

/* The readers. */
typedef kohl_status kohl_onnx_reader(kohl_onnx_build *build);
#define OP(name, reader) kohl_onnx_reader reader;
#define INTS(name, reader) kohl_onnx_reader reader;
#include "convert/onnx/ops.def"
#undef OP
#undef INTS

#endif
