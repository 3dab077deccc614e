/* The architectures that can be built by name: models.def is the list.
 *
 * A graph from here has no weights.  Layer names are Keras's, whatever format the weights come from, so that
 * --until, --features and recipes say the same for all of them; networks that Keras does not have are named alike.
 * With a top the last node is the softmax (or sigmoid) and graph->base_output is the layer before the head; without
 * one the last node is that layer and base_output is -1. */
#ifndef KOHL_NN_MODELS_MODELS_H
#define KOHL_NN_MODELS_MODELS_H

#include "nn/graph.h"

enum { KOHL_HEAD_LAYERS = 4 };

/* What differs between publications of one architecture.  Start from kohl_arch_options_default. */
typedef struct kohl_arch_options {
  int height, width;  /* of the input in pixels; 0: the architecture's own size */
  int classes;        /* 0: no top */
  bool sigmoid;       /* many labels: the outputs are sigmoids, not a softmax; of no use to squeezenet1_1, whose logits
                         come from a ReLU and would all give 0.5 or more */
  bool count_padding; /* average pools: divide by the whole window (torchvision), not by the valid cells (Keras) */
  bool ceil_pools;    /* squeezenet1_1: pools round their output size up (torchvision) */
  bool adaptive_pool; /* vgg*, alexnet: average to 7x7 (6x6) before the dense layers (torchvision), so that one set of
                         weights fits pictures of any size; nothing changes at the published size */
  bool conv_bias;     /* resnet*: convolutions have a bias (Keras), although batch-norm follows */
  bool stride_first;  /* resnet50, 101: the 1x1 before the 3x3 halves the map (Keras), not the 3x3 (torchvision) */
  bool stride_last;   /* resnet50, 101: the 3x3 of the last block of conv2 to conv4 halves the map (TF-Slim), a first
                         block   never does; and the stem's pool pads as TensorFlow's SAME.  Not with stride_first */
  float epsilon;      /* of every batch-norm */
  bool gamma;         /* batch-norm has a gamma */
  bool torch_statistics; /* running statistics in training as PyTorch: momentum 0.9, unbiased; else Keras: 0.99 */
  float momentum;        /* of the running statistics, where it is neither; 0: one of those two */
  float lrn_alpha; /* alexnet2012: what multiplies the sum of squares; 1e-4 as printed, 2e-5 in the authors' program
                      and in Caffe, which divide by the window of 5 first */
  float dropout;   /* in the classifier; 0: no such layer */
  int head_widths[KOHL_HEAD_LAYERS];  /* inception_v3: hidden dense layers (relu) before the classes */
  float head_rates[KOHL_HEAD_LAYERS]; /* dropout after each of them; 0: none */
  int head_count;                     /* how many, 0 to KOHL_HEAD_LAYERS */
} kohl_arch_options;

typedef struct kohl_arch {
  const char *name;
  int size; /* side of the input it was published with */
  kohl_arch_options options;
  const char *idea;
} kohl_arch;

/* The i-th architecture of the list, or NULL after the last one.  Constant memory. */
const kohl_arch *kohl_arch_at(size_t i);

/* The architecture of a name; an unknown one is KOHL_USAGE listing the known ones. */
kohl_status kohl_arch_find(kohl_context *ctx, const char *name, const kohl_arch **out);

/* What models.def says: Keras's publication where there is one.  An unknown name gives the defaults that all have in
 * common. */
kohl_arch_options kohl_arch_options_default(const char *arch);

/* Builds and infers a graph, the caller's until kohl_graph_destroy.  options may be NULL: the defaults.  A size that
 * is too small names the layer that does not fit; options out of range name the option. */
kohl_status kohl_arch_build(kohl_context *ctx, const char *arch, const kohl_arch_options *options, kohl_graph **out);

#endif
