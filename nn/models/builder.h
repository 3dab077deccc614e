/* The helper that model files are written with: nodes by short calls, the first error sticks.
 *
 * After a failure every call returns -1 and does nothing, so that a model file reads like the architecture's table
 * and the status is looked at once, at the end. */
#ifndef KOHL_NN_MODELS_BUILDER_H
#define KOHL_NN_MODELS_BUILDER_H

#include "nn/models/models.h"

typedef struct kohl_builder {
  kohl_context *ctx;
  kohl_graph *graph;
  kohl_status status;
  char name[KOHL_NAME_TEXT]; /* of kohl_builder_name */
} kohl_builder;

/* What models.def names: appends the whole network.  options are complete (sizes above 0). */
typedef void kohl_arch_builder(kohl_builder *b, const kohl_arch_options *options);
#define ARCH(name, builder, size, idea, ...) kohl_arch_builder builder;
#include "nn/models/models.def"
#undef ARCH

/* A name such as "conv2d_%d"; the text is the builder's until the next call. */
const char *kohl_builder_name(kohl_builder *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Each appends one node behind src (an index) and gives its index, or -1 after an error. */
int kohl_builder_input(kohl_builder *b, int height, int width);
int kohl_builder_add(kohl_builder *b, int src, kohl_layer layer, const char *name, const kohl_params *params);
int kohl_builder_plain(kohl_builder *b, int src, kohl_layer layer, const char *name);
int kohl_builder_conv(kohl_builder *b, int src, const char *name, int filters, int kernel, kohl_activation activation);
int kohl_builder_pool(kohl_builder *b, int src, kohl_layer layer, const char *name, int kernel, int stride);
int kohl_builder_adaptive_pool(kohl_builder *b, int src, const char *name, int side);
int kohl_builder_dense(kohl_builder *b, int src, const char *name, int units, kohl_activation activation);

/* No node, and src itself, when the rate is 0. */
int kohl_builder_dropout(kohl_builder *b, int src, const char *name, float rate);

int kohl_builder_concat(kohl_builder *b, const char *name, const int *inputs, int count);
int kohl_builder_sum(kohl_builder *b, const char *name, int first, int second);

/* With epsilon and gamma of the options. */
int kohl_builder_norm(kohl_builder *b, int src, const char *name, const kohl_arch_options *options);

/* What turns the logits into the network's output: a softmax, or a sigmoid where the options say so. */
int kohl_builder_outputs(kohl_builder *b, int src, const char *name, const kohl_arch_options *options);

/* The end that most have: the dense layer "predictions" without activation, then the outputs "probabilities". */
int kohl_builder_classes(kohl_builder *b, int src, const kohl_arch_options *options);

#endif
