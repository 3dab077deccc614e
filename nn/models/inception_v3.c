/* Inception-v3 (Szegedy et al., "Rethinking the Inception architecture for computer vision", 2015), as in Keras,
 * TensorFlow-Slim and torchvision.  Without the auxiliary classifier, which only training from nothing uses.
 *
 * A cell is convolution without bias, batch-norm, ReLU; cells, pools and blocks are numbered in the order they are
 * created, and so are the layers in published weight files.  "same" padding at stride 1, none at stride 2. */
#include <stdio.h>

#include "nn/models/builder.h"

typedef struct net {
  kohl_builder *b;
  const kohl_arch_options *o;
  int cells, max_pools, avg_pools, blocks; /* how many there are so far */
} net;

static int cell(net *n, int src, int filters, int rows, int columns, int stride, kohl_padding padding) {
  kohl_params params = kohl_params_default();
  params.filters = filters;
  params.kernel[0] = rows;
  params.kernel[1] = columns;
  params.stride[0] = params.stride[1] = stride;
  params.padding = padding;
  params.bias = false;
  int number = ++n->cells;
  int x = kohl_builder_add(n->b, src, KOHL_LAYER_conv2d, kohl_builder_name(n->b, "conv2d_%d", number), &params);
  x = kohl_builder_norm(n->b, x, kohl_builder_name(n->b, "batch_normalization_%d", number), n->o);
  return kohl_builder_plain(n->b, x, KOHL_LAYER_relu, kohl_builder_name(n->b, "activation_%d", number));
}

static int same(net *n, int src, int filters, int rows, int columns) {
  return cell(n, src, filters, rows, columns, 1, KOHL_PADDING_SAME_UPPER);
}

static int valid(net *n, int src, int filters, int kernel, int stride) {
  return cell(n, src, filters, kernel, kernel, stride, KOHL_PADDING_VALID);
}

static int max_pool(net *n, int src) {
  const char *name = kohl_builder_name(n->b, "max_pooling2d_%d", ++n->max_pools);
  return kohl_builder_pool(n->b, src, KOHL_LAYER_max_pool, name, 3, 2);
}

static int avg_pool(net *n, int src) {
  kohl_params params = kohl_params_default();
  params.kernel[0] = params.kernel[1] = 3;
  params.stride[0] = params.stride[1] = 1;
  params.padding = KOHL_PADDING_SAME_UPPER;
  params.count_padding = n->o->count_padding;
  const char *name = kohl_builder_name(n->b, "average_pooling2d_%d", ++n->avg_pools);
  return kohl_builder_add(n->b, src, KOHL_LAYER_avg_pool, name, &params);
}

static int mixed(net *n, const int *parts, int count) {
  return kohl_builder_concat(n->b, kohl_builder_name(n->b, "mixed%d", n->blocks++), parts, count);
}

static int stem(net *n, int x) {
  x = valid(n, x, 32, 3, 2);
  x = valid(n, x, 32, 3, 1);
  x = same(n, x, 64, 3, 3);
  x = max_pool(n, x);
  x = valid(n, x, 80, 1, 1);
  x = valid(n, x, 192, 3, 1);
  return max_pool(n, x);
}

/* 35x35: 1x1, 5x5, two 3x3, pool. */
static int block_a(net *n, int x, int pooled) {
  int a = same(n, x, 64, 1, 1);
  int b = same(n, same(n, x, 48, 1, 1), 64, 5, 5);
  int c = same(n, same(n, same(n, x, 64, 1, 1), 96, 3, 3), 96, 3, 3);
  int d = same(n, avg_pool(n, x), pooled, 1, 1);
  return mixed(n, (const int[]){a, b, c, d}, 4);
}

/* 35x35 to 17x17. */
static int block_b(net *n, int x) {
  int a = valid(n, x, 384, 3, 2);
  int b = valid(n, same(n, same(n, x, 64, 1, 1), 96, 3, 3), 96, 3, 2);
  int c = max_pool(n, x);
  return mixed(n, (const int[]){a, b, c}, 3);
}

/* 17x17: 7x7 taken apart into 1x7 and 7x1. */
static int block_c(net *n, int x, int narrow) {
  int a = same(n, x, 192, 1, 1);
  int b = same(n, same(n, same(n, x, narrow, 1, 1), narrow, 1, 7), 192, 7, 1);
  int c = same(n, same(n, same(n, x, narrow, 1, 1), narrow, 7, 1), narrow, 1, 7);
  c = same(n, same(n, c, narrow, 7, 1), 192, 1, 7);
  int d = same(n, avg_pool(n, x), 192, 1, 1);
  return mixed(n, (const int[]){a, b, c, d}, 4);
}

/* 17x17 to 8x8. */
static int block_d(net *n, int x) {
  int a = valid(n, same(n, x, 192, 1, 1), 320, 3, 2);
  int b = valid(n, same(n, same(n, same(n, x, 192, 1, 1), 192, 1, 7), 192, 7, 1), 192, 3, 2);
  int c = max_pool(n, x);
  return mixed(n, (const int[]){a, b, c}, 3);
}

/* A 3x3 taken apart into 1x3 and 3x1 side by side. */
static int split(net *n, int x, const char *name, int number) {
  int parts[2]; /* filled by statements: an initializer list has no order of evaluation */
  parts[0] = same(n, x, 384, 1, 3);
  parts[1] = same(n, x, 384, 3, 1);
  char text[32];
  snprintf(text, sizeof text, "%s%d", name, number);
  return kohl_builder_concat(n->b, text, parts, 2);
}

/* 8x8: widest. */
static int block_e(net *n, int x, int number) {
  int a = same(n, x, 320, 1, 1);
  int b = split(n, same(n, x, 384, 1, 1), "mixed9_", number);
  int c = split(n, same(n, same(n, x, 448, 1, 1), 384, 3, 3), "concatenate_", number + 1);
  int d = same(n, avg_pool(n, x), 192, 1, 1);
  return mixed(n, (const int[]){a, b, c, d}, 4);
}

static void head(net *n, int x) {
  const kohl_arch_options *o = n->o;
  x = kohl_builder_plain(n->b, x, KOHL_LAYER_global_avg_pool, "avg_pool");
  for (int i = 0; i < o->head_count; i++) {
    const char *name = kohl_builder_name(n->b, "dense_%d", i + 1);
    x = kohl_builder_dense(n->b, x, name, o->head_widths[i], KOHL_ACTIVATION_RELU);
    x = kohl_builder_dropout(n->b, x, kohl_builder_name(n->b, "dropout_%d", i + 1), o->head_rates[i]);
  }
  const char *last = "predictions";
  if (o->head_count > 0)
    last = kohl_builder_name(n->b, "dense_%d", o->head_count + 1);
  else
    x = kohl_builder_dropout(n->b, x, "dropout", o->dropout);
  x = kohl_builder_dense(n->b, x, last, o->classes, KOHL_ACTIVATION_NONE);
  kohl_builder_outputs(n->b, x, "probabilities", o);
}

void kohl_inception_v3_build(kohl_builder *b, const kohl_arch_options *o) {
  net n = {.b = b, .o = o};
  int x = stem(&n, kohl_builder_input(b, o->height, o->width));
  x = block_a(&n, x, 32);
  x = block_a(&n, x, 64);
  x = block_a(&n, x, 64);
  x = block_b(&n, x);
  x = block_c(&n, x, 128);
  x = block_c(&n, x, 160);
  x = block_c(&n, x, 160);
  x = block_c(&n, x, 192);
  x = block_d(&n, x);
  x = block_e(&n, x, 0);
  x = block_e(&n, x, 1);
  if (o->classes == 0) return;
  b->graph->base_output = x;
  head(&n, x);
}
