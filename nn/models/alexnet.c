/* AlexNet twice.  2012: Krizhevsky et al., "ImageNet classification with deep convolutional neural networks".  And
 * torchvision's, after Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014: other
 * widths, no groups, no normalisation.  Not Caffe's of 2012 with pool and normalisation exchanged.
 *
 * The paper's two groups were two GPUs: half of the filters see half of the channels.  Its picture of 224 pixels gives
 * the stated 55x55 maps only with 3 cells of padding that it does not mention; here the input has 227 and no padding.
 */
#include "nn/models/builder.h"

enum { CONVS = 5 };

/* A convolution with ReLU and what follows it; pools are 3x3 with stride 2, so that windows overlap. */
typedef struct row {
  int filters, kernel, stride, pad, groups;
  bool norm, pool;
} row;

static int norm(kohl_builder *b, int src, int number, float alpha) {
  kohl_params params = kohl_params_default();
  params.window = 5;
  params.lrn_alpha = alpha;
  params.lrn_beta = 0.75f;
  params.lrn_bias = 2.0f;
  return kohl_builder_add(b, src, KOHL_LAYER_lrn, kohl_builder_name(b, "norm%d", number), &params);
}

static int convs(kohl_builder *b, const kohl_arch_options *o, const row rows[CONVS]) {
  int x = kohl_builder_input(b, o->height, o->width);
  for (int i = 0; i < CONVS; i++) {
    const row *r = &rows[i];
    kohl_params params = kohl_params_default();
    params.filters = r->filters;
    params.kernel[0] = params.kernel[1] = r->kernel;
    params.stride[0] = params.stride[1] = r->stride;
    params.padding = r->pad ? KOHL_PADDING_EXPLICIT : KOHL_PADDING_VALID;
    for (int k = 0; k < 4; k++) params.pad[k] = r->pad;
    params.groups = r->groups;
    params.activation = KOHL_ACTIVATION_RELU;
    x = kohl_builder_add(b, x, KOHL_LAYER_conv2d, kohl_builder_name(b, "conv%d", i + 1), &params);
    if (r->norm) x = norm(b, x, i + 1, o->lrn_alpha);
    if (r->pool) x = kohl_builder_pool(b, x, KOHL_LAYER_max_pool, kohl_builder_name(b, "pool%d", i + 1), 3, 2);
  }
  return x;
}

/* torchvision drops values before the first two dense layers, the paper after them. */
static void head(kohl_builder *b, int x, const kohl_arch_options *o, bool drop_before) {
  if (o->classes == 0) return;
  b->graph->base_output = x;
  if (o->adaptive_pool) x = kohl_builder_adaptive_pool(b, x, "adaptive_pool", 6);
  x = kohl_builder_plain(b, x, KOHL_LAYER_flatten, "flatten");
  if (drop_before) x = kohl_builder_dropout(b, x, "dropout_1", o->dropout);
  x = kohl_builder_dense(b, x, "fc6", 4096, KOHL_ACTIVATION_RELU);
  x = kohl_builder_dropout(b, x, drop_before ? "dropout_2" : "dropout_1", o->dropout);
  x = kohl_builder_dense(b, x, "fc7", 4096, KOHL_ACTIVATION_RELU);
  if (!drop_before) x = kohl_builder_dropout(b, x, "dropout_2", o->dropout);
  kohl_builder_classes(b, x, o);
}

void kohl_alexnet_build(kohl_builder *b, const kohl_arch_options *o) {
  static const row rows[CONVS] = {{64, 11, 4, 2, 1, false, true},
                                  {192, 5, 1, 2, 1, false, true},
                                  {384, 3, 1, 1, 1, false, false},
                                  {256, 3, 1, 1, 1, false, false},
                                  {256, 3, 1, 1, 1, false, true}};
  head(b, convs(b, o, rows), o, true);
}

void kohl_alexnet2012_build(kohl_builder *b, const kohl_arch_options *o) {
  static const row rows[CONVS] = {{96, 11, 4, 0, 1, true, true},
                                  {256, 5, 1, 2, 2, true, true},
                                  {384, 3, 1, 1, 1, false, false},
                                  {384, 3, 1, 1, 2, false, false},
                                  {256, 3, 1, 1, 2, false, true}};
  head(b, convs(b, o, rows), o, false);
}
