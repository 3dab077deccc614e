/* VGG-16 and VGG-19 (Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition",
 * 2014, table 1, columns D and E).  Not the variants with batch-norm.
 *
 * Five blocks of 3x3 convolutions with ReLU, each closed by a 2x2 max-pool; flatten and three dense layers. */
#include "nn/models/builder.h"

static void build(kohl_builder *b, const kohl_arch_options *o, const int convs[5]) {
  static const int filters[5] = {64, 128, 256, 512, 512};
  int x = kohl_builder_input(b, o->height, o->width);
  for (int block = 0; block < 5; block++) {
    for (int i = 0; i < convs[block]; i++)
      x = kohl_builder_conv(b, x, kohl_builder_name(b, "block%d_conv%d", block + 1, i + 1), filters[block], 3,
                            KOHL_ACTIVATION_RELU);
    x = kohl_builder_pool(b, x, KOHL_LAYER_max_pool, kohl_builder_name(b, "block%d_pool", block + 1), 2, 2);
  }
  if (o->classes == 0) return;
  b->graph->base_output = x;
  x = kohl_builder_plain(b, x, KOHL_LAYER_flatten, "flatten");
  x = kohl_builder_dense(b, x, "fc1", 4096, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, "dropout_1", o->dropout);
  x = kohl_builder_dense(b, x, "fc2", 4096, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, "dropout_2", o->dropout);
  x = kohl_builder_dense(b, x, "predictions", o->classes, KOHL_ACTIVATION_NONE);
  kohl_builder_plain(b, x, KOHL_LAYER_softmax, "probabilities");
}

void kohl_vgg16_build(kohl_builder *b, const kohl_arch_options *options) {
  build(b, options, (const int[5]){2, 2, 3, 3, 3});
}

void kohl_vgg19_build(kohl_builder *b, const kohl_arch_options *options) {
  build(b, options, (const int[5]){2, 2, 4, 4, 4});
}
