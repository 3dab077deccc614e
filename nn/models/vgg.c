/* VGG-16 and VGG-19 (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
 * 2014, table 1, columns D and E), torchvision's variants with batch-norm, and VGG-19 for class activation maps.
 *
 * Five blocks of 3x3 convolutions with ReLU, each closed by a 2x2 max-pool; flatten and three dense layers. */
#include "nn/models/builder.h"

enum { BLOCKS = 5 };

/* With batch-norm the convolution keeps its bias, as in torchvision. */
static int conv(kohl_builder *b, int x, const kohl_arch_options *o, int block, int number, int filters, bool norm) {
  const char *name = kohl_builder_name(b, "block%d_conv%d", block, number);
  x = kohl_builder_conv(b, x, name, filters, 3, norm ? KOHL_ACTIVATION_NONE : KOHL_ACTIVATION_RELU);
  if (!norm) return x;
  x = kohl_builder_norm(b, x, kohl_builder_name(b, "block%d_conv%d_bn", block, number), o);
  return kohl_builder_plain(b, x, KOHL_LAYER_relu, kohl_builder_name(b, "block%d_conv%d_relu", block, number));
}

/* Block 1 to 5 without its pool. */
static int convs(kohl_builder *b, int x, const kohl_arch_options *o, int block, int count, bool norm) {
  static const int filters[BLOCKS] = {64, 128, 256, 512, 512};
  for (int i = 0; i < count; i++) x = conv(b, x, o, block, i + 1, filters[block - 1], norm);
  return x;
}

static int pool(kohl_builder *b, int x, int block) {
  return kohl_builder_pool(b, x, KOHL_LAYER_max_pool, kohl_builder_name(b, "block%d_pool", block), 2, 2);
}

static void build(kohl_builder *b, const kohl_arch_options *o, const int counts[BLOCKS], bool norm) {
  int x = kohl_builder_input(b, o->height, o->width);
  for (int block = 1; block <= BLOCKS; block++) x = pool(b, convs(b, x, o, block, counts[block - 1], norm), block);
  if (o->classes == 0) return;
  b->graph->base_output = x;
  if (o->adaptive_pool) x = kohl_builder_adaptive_pool(b, x, "adaptive_pool", 7);
  x = kohl_builder_plain(b, x, KOHL_LAYER_flatten, "flatten");
  x = kohl_builder_dense(b, x, "fc1", 4096, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, "dropout_1", o->dropout);
  x = kohl_builder_dense(b, x, "fc2", 4096, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, "dropout_2", o->dropout);
  kohl_builder_classes(b, x, o);
}

static const int vgg16[BLOCKS] = {2, 2, 3, 3, 3}, vgg19[BLOCKS] = {2, 2, 4, 4, 4};

void kohl_vgg16_build(kohl_builder *b, const kohl_arch_options *o) { build(b, o, vgg16, false); }
void kohl_vgg19_build(kohl_builder *b, const kohl_arch_options *o) { build(b, o, vgg19, false); }
void kohl_vgg16_bn_build(kohl_builder *b, const kohl_arch_options *o) { build(b, o, vgg16, true); }
void kohl_vgg19_bn_build(kohl_builder *b, const kohl_arch_options *o) { build(b, o, vgg19, true); }

/* The published classifier of Egyptian objects (recipes/cleo.yaml): one hidden dense layer behind the five blocks. */
void kohl_vgg19_cleo_build(kohl_builder *b, const kohl_arch_options *o) {
  int x = kohl_builder_input(b, o->height, o->width);
  for (int block = 1; block <= BLOCKS; block++) x = pool(b, convs(b, x, o, block, vgg19[block - 1], false), block);
  if (o->classes == 0) return;
  b->graph->base_output = x;
  x = kohl_builder_plain(b, x, KOHL_LAYER_flatten, "flatten");
  x = kohl_builder_dense(b, x, "fc1", 256, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, "dropout", o->dropout);
  kohl_builder_classes(b, x, o);
}

/* After Zhou et al., "Learning deep features for discriminative localization", 2016: the last convolution and pool go
 * (14x14 remain of 224x224), and the classes are weighted sums of the means of 1,024 maps.  A class's activation map
 * is the same sum of the maps of cam_conv.  Taken as same-padded with ReLU, like the convolutions before it. */
void kohl_vgg19_cam_build(kohl_builder *b, const kohl_arch_options *o) {
  int x = kohl_builder_input(b, o->height, o->width);
  for (int block = 1; block < BLOCKS; block++) x = pool(b, convs(b, x, o, block, vgg19[block - 1], false), block);
  x = convs(b, x, o, BLOCKS, 3, false);
  if (o->classes == 0) return;
  b->graph->base_output = x;
  x = kohl_builder_conv(b, x, "cam_conv", 1024, 3, KOHL_ACTIVATION_RELU);
  x = kohl_builder_plain(b, x, KOHL_LAYER_global_avg_pool, "avg_pool");
  x = kohl_builder_dropout(b, x, "dropout", o->dropout);
  kohl_builder_classes(b, x, o);
}
