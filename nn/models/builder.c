/* Nodes by short calls; see builder.h.  Convolutions here have stride 1 and keep the size, pools are unpadded: what
 * most layers of most models are.  Everything else goes through kohl_builder_add with its own parameters. */
#include "nn/models/builder.h"

#include <stdarg.h>
#include <stdio.h>

const char *kohl_builder_name(kohl_builder *b, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(b->name, sizeof b->name, format, args);
  va_end(args);
  return b->name;
}

static int append(kohl_builder *b, kohl_layer layer, const char *name, const kohl_params *params, const int *inputs,
                  int count) {
  int index = -1;
  if (b->status == KOHL_OK) b->status = kohl_graph_add(b->ctx, b->graph, layer, name, params, inputs, count, &index);
  return b->status == KOHL_OK ? index : -1;
}

int kohl_builder_input(kohl_builder *b, int height, int width) {
  kohl_params params = kohl_params_default();
  params.size[0] = height;
  params.size[1] = width;
  params.size[2] = 3;
  return append(b, KOHL_LAYER_input, "input", &params, NULL, 0);
}

int kohl_builder_add(kohl_builder *b, int src, kohl_layer layer, const char *name, const kohl_params *params) {
  return append(b, layer, name, params, &src, 1);
}

int kohl_builder_plain(kohl_builder *b, int src, kohl_layer layer, const char *name) {
  kohl_params params = kohl_params_default();
  return append(b, layer, name, &params, &src, 1);
}

int kohl_builder_conv(kohl_builder *b, int src, const char *name, int filters, int kernel, kohl_activation activation) {
  kohl_params params = kohl_params_default();
  params.filters = filters;
  params.kernel[0] = params.kernel[1] = kernel;
  params.padding = KOHL_PADDING_SAME_UPPER;
  params.activation = activation;
  return append(b, KOHL_LAYER_conv2d, name, &params, &src, 1);
}

int kohl_builder_pool(kohl_builder *b, int src, kohl_layer layer, const char *name, int kernel, int stride) {
  kohl_params params = kohl_params_default();
  params.kernel[0] = params.kernel[1] = kernel;
  params.stride[0] = params.stride[1] = stride;
  params.padding = KOHL_PADDING_VALID;
  return append(b, layer, name, &params, &src, 1);
}

int kohl_builder_adaptive_pool(kohl_builder *b, int src, const char *name, int side) {
  kohl_params params = kohl_params_default();
  params.output[0] = params.output[1] = side;
  return append(b, KOHL_LAYER_adaptive_avg_pool, name, &params, &src, 1);
}

int kohl_builder_dense(kohl_builder *b, int src, const char *name, int units, kohl_activation activation) {
  kohl_params params = kohl_params_default();
  params.filters = units;
  params.activation = activation;
  return append(b, KOHL_LAYER_dense, name, &params, &src, 1);
}

int kohl_builder_dropout(kohl_builder *b, int src, const char *name, float rate) {
  kohl_params params = kohl_params_default();
  params.rate = rate;
  return rate == 0.0f ? src : append(b, KOHL_LAYER_dropout, name, &params, &src, 1);
}

int kohl_builder_concat(kohl_builder *b, const char *name, const int *inputs, int count) {
  kohl_params params = kohl_params_default();
  return append(b, KOHL_LAYER_concat, name, &params, inputs, count);
}

int kohl_builder_sum(kohl_builder *b, const char *name, int first, int second) {
  kohl_params params = kohl_params_default();
  return append(b, KOHL_LAYER_add, name, &params, (const int[]){first, second}, 2);
}

int kohl_builder_norm(kohl_builder *b, int src, const char *name, const kohl_arch_options *options) {
  kohl_params params = kohl_params_default();
  params.epsilon = options->epsilon;
  params.gamma = options->gamma;
  params.momentum = options->torch_statistics ? 0.9f : 0.99f;
  if (options->momentum > 0) params.momentum = options->momentum;
  params.unbiased = options->torch_statistics;
  return append(b, KOHL_LAYER_batch_norm, name, &params, &src, 1);
}

int kohl_builder_outputs(kohl_builder *b, int src, const char *name, const kohl_arch_options *options) {
  return kohl_builder_plain(b, src, options->sigmoid ? KOHL_LAYER_sigmoid : KOHL_LAYER_softmax, name);
}

int kohl_builder_classes(kohl_builder *b, int src, const kohl_arch_options *options) {
  int x = kohl_builder_dense(b, src, "predictions", options->classes, KOHL_ACTIVATION_NONE);
  return kohl_builder_outputs(b, x, "probabilities", options);
}
