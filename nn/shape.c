/* Shape inference: padding rules become numbers, every layer gets its output shape and its weights' shapes. */
#include <limits.h>
#include <stdio.h>

#include "kernels/core/alloc.h"
#include "kernels/conv2d/conv2d.h"
#include "nn/graph.h"

/* Pads and output size of a window along one side (0 vertical, 1 horizontal). */
static int window_out(const kohl_params *params, int side, int in, int *before, int *after) {
  int kernel = params->kernel[side], stride = params->stride[side], dilation = params->dilation[side];
  *before = *after = 0;
  if (params->padding == KOHL_PADDING_EXPLICIT) {
    *before = params->pad[side];
    *after = params->pad[side + 2];
  } else if (params->padding == KOHL_PADDING_SAME_UPPER) {
    int64_t out = ((int64_t)in + stride - 1) / stride;
    int64_t total = (out - 1) * stride + (int64_t)(kernel - 1) * dilation + 1 - in;
    if (total < 0) total = 0;
    *before = (int)(total / 2);
    *after = (int)(total - total / 2);
  }
  int out = kohl_conv2d_out(in, kernel, stride, dilation, *before, *after);
  if (params->ceil && out > 0) {
    int64_t covered = (int64_t)(out - 1) * stride + (int64_t)(kernel - 1) * dilation + 1;
    int64_t padded = (int64_t)in + *before + *after;
    /* One window more when cells are left over and it begins inside the picture or its leading padding. */
    if (covered < padded && (int64_t)out * stride < (int64_t)in + *before) out++;
  }
  return out;
}

void kohl_node_pads(const kohl_graph *graph, const kohl_node *node, int pads[4]) {
  kohl_shape in = graph->nodes[node->inputs[0]].shape;
  window_out(&node->params, 0, in.h, &pads[0], &pads[2]);
  window_out(&node->params, 1, in.w, &pads[1], &pads[3]);
}

static kohl_status window_shape(kohl_context *ctx, const kohl_node *node, kohl_shape in, kohl_shape *out) {
  const kohl_params *params = &node->params;
  int before, after;
  out->h = window_out(params, 0, in.h, &before, &after);
  out->w = window_out(params, 1, in.w, &before, &after);
  if (out->h < 1 || out->w < 1) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "layer '%s' (%s): its %dx%d window does not fit into the %dx%d input; the picture is too small",
                     node->name, kohl_layer_name(node->layer), params->kernel[0], params->kernel[1], in.h, in.w);
  }
  bool pool = node->layer != KOHL_LAYER_conv2d;
  if (pool && params->padding == KOHL_PADDING_EXPLICIT &&
      (params->pad[0] >= params->kernel[0] || params->pad[2] >= params->kernel[0] ||
       params->pad[1] >= params->kernel[1] || params->pad[3] >= params->kernel[1])) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s' (%s): a padding of a whole %dx%d window, expected less",
                     node->name, kohl_layer_name(node->layer), params->kernel[0], params->kernel[1]);
  }
  return KOHL_OK;
}

static kohl_status conv2d_shape(kohl_context *ctx, const kohl_node *node, kohl_shape in, kohl_shape *out) {
  const kohl_params *params = &node->params;
  if (in.c % params->groups || params->filters % params->groups) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "layer '%s' (conv2d): %d groups divide neither %d input channels nor %d filters evenly",
                     node->name, params->groups, in.c, params->filters);
  }
  out->c = params->filters;
  return window_shape(ctx, node, in, out);
}

static kohl_status inputs_shape(kohl_context *ctx, const kohl_graph *graph, const kohl_node *node, kohl_shape *out) {
  bool concat = node->layer == KOHL_LAYER_concat;
  int64_t channels = out->c;
  for (int i = 1; i < node->input_count; i++) {
    kohl_shape other = graph->nodes[node->inputs[i]].shape;
    if (other.h != out->h || other.w != out->w || (!concat && other.c != out->c)) {
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "layer '%s' (%s): input '%s' is %dx%dx%d and input '%s' is %dx%dx%d, expected %s", node->name,
                       kohl_layer_name(node->layer), graph->nodes[node->inputs[0]].name, out->h, out->w, out->c,
                       graph->nodes[node->inputs[i]].name, other.h, other.w, other.c,
                       concat ? "the same height and width" : "the same shape");
    }
    channels += other.c;
  }
  if (concat) out->c = channels > INT_MAX ? INT_MAX : (int)channels;
  return KOHL_OK;
}

static kohl_status node_shape(kohl_context *ctx, const kohl_graph *graph, const kohl_node *node, kohl_shape *out) {
  const kohl_params *params = &node->params;
  kohl_shape in = node->input_count ? graph->nodes[node->inputs[0]].shape : (kohl_shape){1, 1, 1};
  *out = in;
  switch (node->layer) {
    case KOHL_LAYER_input: *out = (kohl_shape){params->size[0], params->size[1], params->size[2]}; return KOHL_OK;
    case KOHL_LAYER_conv2d: return conv2d_shape(ctx, node, in, out);
    case KOHL_LAYER_max_pool:
    case KOHL_LAYER_avg_pool: return window_shape(ctx, node, in, out);
    case KOHL_LAYER_concat:
    case KOHL_LAYER_add: return inputs_shape(ctx, graph, node, out);
    case KOHL_LAYER_adaptive_avg_pool: *out = (kohl_shape){params->output[0], params->output[1], in.c}; return KOHL_OK;
    case KOHL_LAYER_global_avg_pool:
    case KOHL_LAYER_global_max_pool: *out = (kohl_shape){1, 1, in.c}; return KOHL_OK;
    case KOHL_LAYER_flatten: {
      int64_t count = (int64_t)in.h * in.w * in.c;
      *out = (kohl_shape){1, 1, count > INT_MAX ? INT_MAX : (int)count};
      return KOHL_OK;
    }
    case KOHL_LAYER_dense:
      if (in.h != 1 || in.w != 1) {
        return kohl_fail(ctx, KOHL_BAD_INPUT,
                         "layer '%s' (dense): its input is %dx%dx%d, expected 1x1xN; flatten or pool it first",
                         node->name, in.h, in.w, in.c);
      }
      out->c = params->filters;
      return KOHL_OK;
    default: return KOHL_OK; /* element by element: as the input */
  }
}

/* Sides and channels of every tensor stay below these, so that a picture's floats fit in 40 bits. */
enum { SIDE_LIMIT = 32768, CHANNEL_LIMIT = 1 << 28 };

kohl_status kohl_graph_infer(kohl_context *ctx, kohl_graph *graph) {
  for (size_t i = 0; i < graph->count; i++) {
    kohl_node *node = &graph->nodes[i];
    kohl_status status = node_shape(ctx, graph, node, &node->shape);
    if (status != KOHL_OK) return status;
    kohl_shape s = node->shape;
    if (s.h > SIDE_LIMIT || s.w > SIDE_LIMIT || s.c > CHANNEL_LIMIT || (int64_t)s.h * s.w * s.c > INT_MAX) {
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "layer '%s' (%s): its output of %dx%dx%d is more than this engine holds (2^31 values)",
                       node->name, kohl_layer_name(node->layer), s.h, s.w, s.c);
    }
  }
  return KOHL_OK;
}

static int add_spec(kohl_weight_spec *specs, int at, const char *suffix, int dims, int64_t a, int64_t b, int64_t c,
                    int64_t d) {
  kohl_weight_spec spec = {suffix, dims, {a, b, c, d}, 1};
  for (int i = 0; i < dims; i++) spec.count *= (size_t)spec.shape[i];
  specs[at] = spec;
  return at + 1;
}

int kohl_node_weights(const kohl_graph *graph, const kohl_node *node, kohl_weight_spec specs[KOHL_NODE_WEIGHTS]) {
  const kohl_params *params = &node->params;
  int64_t c = node->input_count ? graph->nodes[node->inputs[0]].shape.c : 0, k = params->filters;
  int count = 0;
  if (node->layer == KOHL_LAYER_conv2d) {
    count = add_spec(specs, count, "weight", 4, k, params->kernel[0], params->kernel[1], c / params->groups);
  } else if (node->layer == KOHL_LAYER_dense) {
    count = add_spec(specs, count, "weight", 2, k, c, 1, 1);
  } else if (node->layer == KOHL_LAYER_batch_norm) {
    if (params->gamma) count = add_spec(specs, count, "gamma", 1, c, 1, 1, 1);
    if (params->beta) count = add_spec(specs, count, "beta", 1, c, 1, 1, 1);
    count = add_spec(specs, count, "mean", 1, c, 1, 1, 1);
    return add_spec(specs, count, "variance", 1, c, 1, 1, 1);
  }
  if (count && params->bias) count = add_spec(specs, count, "bias", 1, k, 1, 1, 1);
  return count;
}

/* Appends to text and moves the end. */
static void put(char *text, size_t bytes, size_t *used, const char *format, int a, int b) {
  if (*used >= bytes) return;
  int n = snprintf(text + *used, bytes - *used, format, a, b);
  if (n > 0) *used += (size_t)n;
}

void kohl_node_describe(const kohl_node *node, char *text, size_t bytes) {
  const kohl_params *p = &node->params;
  size_t used = 0;
  if (bytes) text[0] = 0;
  bool conv = node->layer == KOHL_LAYER_conv2d,
       pool = node->layer == KOHL_LAYER_max_pool || node->layer == KOHL_LAYER_avg_pool;
  if (conv || pool) put(text, bytes, &used, "%dx%d", p->kernel[0], p->kernel[1]);
  if (conv) put(text, bytes, &used, " %d", p->filters, 0);
  if (node->layer == KOHL_LAYER_dense) put(text, bytes, &used, "%d", p->filters, 0);
  if (conv || pool) {
    if (p->stride[0] != 1 || p->stride[1] != 1)
      put(text, bytes, &used, p->stride[0] == p->stride[1] ? " stride %d" : " stride %dx%d", p->stride[0],
          p->stride[1]);
    if (p->dilation[0] != 1 || p->dilation[1] != 1)
      put(text, bytes, &used, " dilation %dx%d", p->dilation[0], p->dilation[1]);
    if (p->padding == KOHL_PADDING_SAME_UPPER) put(text, bytes, &used, " same", 0, 0);
    if (p->padding == KOHL_PADDING_EXPLICIT) put(text, bytes, &used, " pad %d,%d", p->pad[0], p->pad[1]);
    if (conv && p->groups > 1) put(text, bytes, &used, " groups %d", p->groups, 0);
    if (pool && p->ceil) put(text, bytes, &used, " ceil", 0, 0);
    if (pool && p->count_padding) put(text, bytes, &used, " counts padding", 0, 0);
  }
  if ((conv || node->layer == KOHL_LAYER_dense || node->layer == KOHL_LAYER_add) &&
      p->activation == KOHL_ACTIVATION_RELU) {
    put(text, bytes, &used, used ? " relu" : "relu", 0, 0);
  }
  if (node->layer == KOHL_LAYER_dropout && used < bytes) snprintf(text + used, bytes - used, "%g", (double)p->rate);
}
