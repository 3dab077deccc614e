/* SqueezeNet 1.1 (Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016; release 1.1
 * halves the arithmetic by pooling earlier).  Not release 1.0, which has a 7x7 stem and other pool places.
 *
 * A fire module squeezes the channels by 1x1, then expands them by 1x1 and 3x3 side by side.  The classes are the
 * channels of the last convolution, which makes its output the class activation maps. */
#include "nn/models/builder.h"

static int conv_relu(kohl_builder *b, int src, const char *scope, const char *layer, int filters, int kernel) {
  int x = kohl_builder_conv(b, src, kohl_builder_name(b, "%s%s", scope, layer), filters, kernel, KOHL_ACTIVATION_NONE);
  return kohl_builder_plain(b, x, KOHL_LAYER_relu, kohl_builder_name(b, "%srelu_%s", scope, layer));
}

static int fire(kohl_builder *b, int src, const char *scope, int squeeze, int expand) {
  int x = conv_relu(b, src, scope, "squeeze1x1", squeeze, 1);
  int parts[2]; /* filled by statements: an initializer list has no order of evaluation */
  parts[0] = conv_relu(b, x, scope, "expand1x1", expand, 1);
  parts[1] = conv_relu(b, x, scope, "expand3x3", expand, 3);
  return kohl_builder_concat(b, kohl_builder_name(b, "%sconcat", scope), parts, 2);
}

static int pool(kohl_builder *b, int src, const char *name, bool ceil) {
  kohl_params params = kohl_params_default();
  params.kernel[0] = params.kernel[1] = 3;
  params.stride[0] = params.stride[1] = 2;
  params.padding = KOHL_PADDING_VALID;
  params.ceil = ceil;
  return kohl_builder_add(b, src, KOHL_LAYER_max_pool, name, &params);
}

static int stem(kohl_builder *b, int src) {
  kohl_params params = kohl_params_default();
  params.filters = 64;
  params.kernel[0] = params.kernel[1] = 3;
  params.stride[0] = params.stride[1] = 2;
  params.padding = KOHL_PADDING_VALID;
  int x = kohl_builder_add(b, src, KOHL_LAYER_conv2d, "conv1", &params);
  return kohl_builder_plain(b, x, KOHL_LAYER_relu, "relu_conv1");
}

void kohl_squeezenet_build(kohl_builder *b, const kohl_arch_options *o) {
  int x = stem(b, kohl_builder_input(b, o->height, o->width));
  x = pool(b, x, "pool1", o->ceil_pools);
  x = fire(b, x, "fire2/", 16, 64);
  x = fire(b, x, "fire3/", 16, 64);
  x = pool(b, x, "pool3", o->ceil_pools);
  x = fire(b, x, "fire4/", 32, 128);
  x = fire(b, x, "fire5/", 32, 128);
  x = pool(b, x, "pool5", o->ceil_pools);
  x = fire(b, x, "fire6/", 48, 192);
  x = fire(b, x, "fire7/", 48, 192);
  x = fire(b, x, "fire8/", 64, 256);
  x = fire(b, x, "fire9/", 64, 256);
  if (o->classes == 0) return;
  b->graph->base_output = x;
  x = kohl_builder_dropout(b, x, "drop9", o->dropout);
  x = conv_relu(b, x, "", "conv10", o->classes, 1);
  x = kohl_builder_plain(b, x, KOHL_LAYER_global_avg_pool, "global_average_pooling2d_1");
  kohl_builder_outputs(b, x, "loss", o);
}
