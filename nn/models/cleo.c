/* The small network of the Cleo system for Egyptian objects, to be trained from nothing; with sigmoid outputs its coin
 * classifier.  Neither has published weights.
 *
 * Convolutions and 2x2 max-pools with dropout in five blocks, then two dense layers.  Published are the widths and the
 * rates of dropout; taken as usual are 3x3 filters with same padding and ReLU.  Of the coin classifier only outputs
 * and loss are published, so it has this trunk, and two classes unless told otherwise. */
#include "nn/models/builder.h"

enum { BLOCKS = 5 };

void kohl_cleo_build(kohl_builder *b, const kohl_arch_options *o) {
  static const int filters[BLOCKS] = {32, 64, 64, 128, 128}, convs[BLOCKS] = {2, 2, 1, 1, 1};
  int x = kohl_builder_input(b, o->height, o->width);
  for (int block = 0; block < BLOCKS; block++) {
    for (int i = 0; i < convs[block]; i++)
      x = kohl_builder_conv(b, x, kohl_builder_name(b, "block%d_conv%d", block + 1, i + 1), filters[block], 3,
                            KOHL_ACTIVATION_RELU);
    x = kohl_builder_pool(b, x, KOHL_LAYER_max_pool, kohl_builder_name(b, "block%d_pool", block + 1), 2, 2);
    x = kohl_builder_dropout(b, x, kohl_builder_name(b, "block%d_dropout", block + 1), 0.25f);
  }
  if (o->classes == 0) return;
  b->graph->base_output = x;
  x = kohl_builder_plain(b, x, KOHL_LAYER_flatten, "flatten");
  x = kohl_builder_dense(b, x, "fc1", 512, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, "dropout", o->dropout);
  kohl_builder_classes(b, x, o);
}
