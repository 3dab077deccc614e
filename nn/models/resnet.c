/* ResNet-18, 34, 50 and 101 (He et al., "Deep residual learning for image recognition", 2015, table 1), as in Keras,
 * torchvision and TF-Slim.  Not the second version with pre-activation.
 *
 * Four stages of blocks.  A block adds its input to what two 3x3 (18, 34) or 1x1, 3x3, 1x1 (50, 101) convolutions make
 * of it; where the shapes differ a 1x1 convolution adapts the input.  Every convolution is followed by batch-norm. */
#include "nn/models/builder.h"

typedef struct net {
  kohl_builder *b;
  const kohl_arch_options *o;
  bool bottleneck;
  int stage, block, blocks; /* where we are: conv2 to conv5, from 1 on, and how many blocks this stage has */
} net;

/* Padding is the same on all sides: a "same" rule would put the one cell of stride 2 to the bottom and right.  (TF-Slim
 * pads its convolutions so too, but not the stem's pool.) */
static kohl_params window(int kernel, int stride) {
  kohl_params params = kohl_params_default();
  params.kernel[0] = params.kernel[1] = kernel;
  params.stride[0] = params.stride[1] = stride;
  params.padding = kernel == 1 ? KOHL_PADDING_VALID : KOHL_PADDING_EXPLICIT;
  for (int i = 0; i < 4; i++) params.pad[i] = kernel / 2;
  return params;
}

/* Convolution number `part` of the block and its batch-norm; 0 is the one on the shortcut. */
static int conv(net *n, int src, int part, int filters, int kernel, int stride) {
  kohl_params params = window(kernel, stride);
  params.filters = filters;
  params.bias = n->o->conv_bias;
  const char *name = kohl_builder_name(n->b, "conv%d_block%d_%d_conv", n->stage, n->block, part);
  int x = kohl_builder_add(n->b, src, KOHL_LAYER_conv2d, name, &params);
  return kohl_builder_norm(n->b, x, kohl_builder_name(n->b, "conv%d_block%d_%d_bn", n->stage, n->block, part), n->o);
}

static int relu(net *n, int src, int part) {
  const char *name = kohl_builder_name(n->b, "conv%d_block%d_%d_relu", n->stage, n->block, part);
  return kohl_builder_plain(n->b, src, KOHL_LAYER_relu, name);
}

static int basic(net *n, int src, int width, int stride) {
  int x = relu(n, conv(n, src, 1, width, 3, stride), 1);
  return conv(n, x, 2, width, 3, 1);
}

static int bottleneck(net *n, int src, int width, int stride) {
  bool first = n->o->stride_first;
  int x = relu(n, conv(n, src, 1, width, 1, first ? stride : 1), 1);
  x = relu(n, conv(n, x, 2, width, 3, first ? 1 : stride), 2);
  return conv(n, x, 3, 4 * width, 1, 1);
}

/* The map is halved on the way into conv3 to conv5: in their first block, or in the last one before. */
static int block_stride(const net *n) {
  bool halves = n->o->stride_last ? n->block == n->blocks && n->stage < 5 : n->block == 1 && n->stage > 2;
  return halves ? 2 : 1;
}

static int shortcut_of(net *n, int src, int filters, int stride) {
  if (n->block == 1 && (n->bottleneck || n->stage > 2)) return conv(n, src, 0, filters, 1, stride);
  if (stride == 1) return src;
  kohl_params params = window(1, stride); /* every second pixel */
  const char *name = kohl_builder_name(n->b, "conv%d_block%d_0_pool", n->stage, n->block);
  return kohl_builder_add(n->b, src, KOHL_LAYER_max_pool, name, &params);
}

static int block(net *n, int src) {
  int width = 64 << (n->stage - 2), stride = block_stride(n);
  int shortcut = shortcut_of(n, src, n->bottleneck ? 4 * width : width, stride);
  int x = n->bottleneck ? bottleneck(n, src, width, stride) : basic(n, src, width, stride);
  x = kohl_builder_sum(n->b, kohl_builder_name(n->b, "conv%d_block%d_add", n->stage, n->block), shortcut, x);
  return kohl_builder_plain(n->b, x, KOHL_LAYER_relu,
                            kohl_builder_name(n->b, "conv%d_block%d_out", n->stage, n->block));
}

static int stem(kohl_builder *b, const kohl_arch_options *o) {
  kohl_params params = window(7, 2);
  params.filters = 64;
  params.bias = o->conv_bias;
  int x = kohl_builder_add(b, kohl_builder_input(b, o->height, o->width), KOHL_LAYER_conv2d, "conv1_conv", &params);
  x = kohl_builder_norm(b, x, "conv1_bn", o);
  x = kohl_builder_plain(b, x, KOHL_LAYER_relu, "conv1_relu");
  params = window(3, 2);
  if (o->stride_last) params.padding = KOHL_PADDING_SAME_UPPER; /* TensorFlow's: of even sizes only below and right */
  return kohl_builder_add(b, x, KOHL_LAYER_max_pool, "pool1_pool", &params);
}

static void build(kohl_builder *b, const kohl_arch_options *o, bool is_bottleneck, const int blocks[4]) {
  net n = {.b = b, .o = o, .bottleneck = is_bottleneck};
  int x = stem(b, o);
  for (n.stage = 2; n.stage <= 5; n.stage++) {
    n.blocks = blocks[n.stage - 2];
    for (n.block = 1; n.block <= n.blocks; n.block++) x = block(&n, x);
  }
  if (o->classes == 0) return;
  b->graph->base_output = x;
  x = kohl_builder_plain(b, x, KOHL_LAYER_global_avg_pool, "avg_pool");
  x = kohl_builder_dropout(b, x, "dropout", o->dropout);
  kohl_builder_classes(b, x, o);
}

void kohl_resnet18_build(kohl_builder *b, const kohl_arch_options *o) {
  build(b, o, false, (const int[4]){2, 2, 2, 2});
}

void kohl_resnet34_build(kohl_builder *b, const kohl_arch_options *o) {
  build(b, o, false, (const int[4]){3, 4, 6, 3});
}

void kohl_resnet50_build(kohl_builder *b, const kohl_arch_options *o) { build(b, o, true, (const int[4]){3, 4, 6, 3}); }

void kohl_resnet101_build(kohl_builder *b, const kohl_arch_options *o) {
  build(b, o, true, (const int[4]){3, 4, 23, 3});
}
