/* Each layer of nn/layers.def as operators of ONNX, opset 13.  Pictures are NCHW there; sizes of windows are numbers,
 * since the input's height and width are fixed. */
#include <string.h>

#include "convert/export/onnx.h"

static const kohl_node *node_at(const kohl_to_onnx *onnx, int index) { return &onnx->graph->nodes[index]; }

static kohl_shape input_shape(const kohl_to_onnx *onnx, const kohl_node *node) {
  return onnx->graph->nodes[node->inputs[0]].shape;
}

/* A layer whose operator works on rows and maps alike. */
static void alike(kohl_to_onnx *onnx, int index, const char *op) {
  const kohl_node *node = node_at(onnx, index);
  const char *input = kohl_to_onnx_any(onnx, node->inputs[0]);
  kohl_to_onnx_plain(onnx, op, node->name, input,
                     kohl_to_onnx_out(onnx, index, kohl_to_onnx_is_row(onnx, node->inputs[0])));
}

/* Softmax goes over the channels, axis 1 of both. */
static void softmax(kohl_to_onnx *onnx, int index) {
  const kohl_node *node = node_at(onnx, index);
  const char *inputs[] = {kohl_to_onnx_any(onnx, node->inputs[0]), NULL};
  kohl_to_onnx_begin(onnx, "Softmax", node->name, inputs,
                     kohl_to_onnx_out(onnx, index, kohl_to_onnx_is_row(onnx, node->inputs[0])));
  kohl_to_onnx_int(onnx, "axis", 1);
  kohl_to_onnx_end(onnx);
}

/* The layer's value is its input's. */
static void same(kohl_to_onnx *onnx, int index) { onnx->values[index] = onnx->values[node_at(onnx, index)->inputs[0]]; }

/* Where an operator with an activation behind it writes, and the activation. */
static const char *before_relu(kohl_to_onnx *onnx, int index, bool row, char *between) {
  if (node_at(onnx, index)->params.activation == KOHL_ACTIVATION_NONE) return kohl_to_onnx_out(onnx, index, row);
  kohl_to_onnx_name(onnx, index, "sum", between);
  return between;
}

static void relu_after(kohl_to_onnx *onnx, int index, bool row, const char *between) {
  char name[KOHL_TO_ONNX_NAME];
  if (node_at(onnx, index)->params.activation == KOHL_ACTIVATION_NONE) return;
  kohl_to_onnx_name(onnx, index, "relu", name);
  kohl_to_onnx_plain(onnx, "Relu", name, between, kohl_to_onnx_out(onnx, index, row));
}

static void conv2d(kohl_to_onnx *onnx, int index) {
  const kohl_node *node = node_at(onnx, index);
  const kohl_params *p = &node->params;
  char between[KOHL_TO_ONNX_NAME];
  int pads[4];
  kohl_node_pads(onnx->graph, node, pads); /* ONNX's order too: begins, then ends */
  const char *inputs[] = {kohl_to_onnx_map(onnx, node->inputs[0]), kohl_to_onnx_weight(onnx, index, "weight"),
                          p->bias ? kohl_to_onnx_weight(onnx, index, "bias") : NULL, NULL};
  kohl_to_onnx_begin(onnx, "Conv", node->name, inputs, before_relu(onnx, index, false, between));
  kohl_to_onnx_ints(onnx, "kernel_shape", p->kernel, 2);
  kohl_to_onnx_ints(onnx, "strides", p->stride, 2);
  kohl_to_onnx_ints(onnx, "pads", pads, 4);
  kohl_to_onnx_ints(onnx, "dilations", p->dilation, 2);
  kohl_to_onnx_int(onnx, "group", p->groups);
  kohl_to_onnx_end(onnx);
  relu_after(onnx, index, false, between);
}

static void dense(kohl_to_onnx *onnx, int index) {
  const kohl_node *node = node_at(onnx, index);
  char between[KOHL_TO_ONNX_NAME];
  const char *inputs[] = {kohl_to_onnx_row(onnx, node->inputs[0]), kohl_to_onnx_weight(onnx, index, "weight"),
                          node->params.bias ? kohl_to_onnx_weight(onnx, index, "bias") : NULL, NULL};
  kohl_to_onnx_begin(onnx, "Gemm", node->name, inputs, before_relu(onnx, index, true, between));
  kohl_to_onnx_int(onnx, "transB", 1);
  kohl_to_onnx_end(onnx);
  relu_after(onnx, index, true, between);
}

/* Cells that the last window reaches beyond the padded picture on one side (0 vertical, 1 horizontal): those of pools
 * that round up. */
static int beyond(const kohl_node *node, kohl_shape in, const int pads[4], int side) {
  int size = side ? in.w : in.h, windows = side ? node->shape.w : node->shape.h;
  int64_t covered = (int64_t)(windows - 1) * node->params.stride[side] + node->params.kernel[side];
  int64_t rest = covered - ((int64_t)size + pads[side] + pads[side + 2]);
  return rest > 0 ? (int)rest : 0;
}

/* Zeros around the picture that an average counts, as a layer of their own. */
static const char *zeros_around(kohl_to_onnx *onnx, int index, const char *input, int pads[4], char *output) {
  char name[KOHL_TO_ONNX_NAME];
  const int64_t around[8] = {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]};
  kohl_to_onnx_name(onnx, index, "pads", name);
  kohl_to_onnx_name(onnx, index, "padded", output);
  kohl_to_onnx_whole(onnx, name, around, 8);
  const char *inputs[] = {input, name, NULL};
  kohl_to_onnx_begin(onnx, "Pad", output, inputs, output);
  kohl_to_onnx_end(onnx);
  memset(pads, 0, 4 * sizeof *pads);
  return output;
}

/* ONNX's ceil_mode has meant different things for a window that begins outside, so a pool that rounds up gets its
 * cells as padding.  They never count in a mean, the other padding may: then that one is laid around first. */
static void pool(kohl_to_onnx *onnx, int index, bool mean) {
  const kohl_node *node = node_at(onnx, index);
  kohl_shape in = input_shape(onnx, node);
  char padded[KOHL_TO_ONNX_NAME];
  int pads[4];
  kohl_node_pads(onnx->graph, node, pads);
  const int more[2] = {beyond(node, in, pads, 0), beyond(node, in, pads, 1)};
  const char *input = kohl_to_onnx_map(onnx, node->inputs[0]);
  bool counts = mean && node->params.count_padding && (pads[0] || pads[1] || pads[2] || pads[3]);
  if (counts && (more[0] || more[1])) {
    input = zeros_around(onnx, index, input, pads, padded);
    counts = false;
  }
  pads[2] += more[0];
  pads[3] += more[1];
  const char *inputs[] = {input, NULL};
  kohl_to_onnx_begin(onnx, mean ? "AveragePool" : "MaxPool", node->name, inputs, kohl_to_onnx_out(onnx, index, false));
  kohl_to_onnx_ints(onnx, "kernel_shape", node->params.kernel, 2);
  kohl_to_onnx_ints(onnx, "strides", node->params.stride, 2);
  kohl_to_onnx_ints(onnx, "pads", pads, 4);
  if (mean) kohl_to_onnx_int(onnx, "count_include_pad", counts);
  kohl_to_onnx_end(onnx);
}

static void global_pool(kohl_to_onnx *onnx, int index, const char *op) {
  const kohl_node *node = node_at(onnx, index);
  const char *input = kohl_to_onnx_map(onnx, node->inputs[0]);
  kohl_to_onnx_plain(onnx, op, node->name, input, kohl_to_onnx_out(onnx, index, false));
}

/* The means over `out` windows of `in` cells as a matrix: [out,in], or [in,out] where columns are shared out. */
static void means(kohl_to_onnx *onnx, const char *name, int in, int out, bool columns) {
  const int64_t shape[2] = {columns ? in : out, columns ? out : in};
  float *matrix;
  if (onnx->status != KOHL_OK) return;
  onnx->status = kohl_alloc(onnx->ctx, (size_t)in * (size_t)out, sizeof *matrix, "a matrix of means", &matrix);
  if (onnx->status != KOHL_OK) return;
  for (int64_t i = 0; i < out; i++) {
    int64_t from = i * in / out, to = ((i + 1) * in + out - 1) / out;
    for (int64_t j = from; j < to; j++) matrix[columns ? j * out + i : i * in + j] = 1.0f / (float)(to - from);
  }
  kohl_to_onnx_floats(onnx, name, matrix, 2, shape);
  kohl_free(onnx->ctx, matrix);
}

/* Windows of different sizes, which no pool of ONNX has: means of rows times picture times means of columns. */
static void adaptive_by_matrices(kohl_to_onnx *onnx, int index, kohl_shape in) {
  const kohl_node *node = node_at(onnx, index);
  char rows[KOHL_TO_ONNX_NAME], columns[KOHL_TO_ONNX_NAME], between[KOHL_TO_ONNX_NAME];
  const char *input = kohl_to_onnx_map(onnx, node->inputs[0]);
  kohl_to_onnx_name(onnx, index, "rows", rows);
  kohl_to_onnx_name(onnx, index, "columns", columns);
  kohl_to_onnx_name(onnx, index, "narrow", between);
  means(onnx, rows, in.h, node->shape.h, false);
  means(onnx, columns, in.w, node->shape.w, true);
  const char *first[] = {input, columns, NULL}, *second[] = {rows, between, NULL};
  kohl_to_onnx_begin(onnx, "MatMul", between, first, between);
  kohl_to_onnx_end(onnx);
  kohl_to_onnx_begin(onnx, "MatMul", node->name, second, kohl_to_onnx_out(onnx, index, false));
  kohl_to_onnx_end(onnx);
}

static void adaptive_pool(kohl_to_onnx *onnx, int index) {
  const kohl_node *node = node_at(onnx, index);
  kohl_shape in = input_shape(onnx, node), out = node->shape;
  if (in.h == out.h && in.w == out.w) {
    same(onnx, index);
  } else if (in.h % out.h || in.w % out.w) {
    adaptive_by_matrices(onnx, index, in);
  } else {
    const int window[2] = {in.h / out.h, in.w / out.w};
    const char *inputs[] = {kohl_to_onnx_map(onnx, node->inputs[0]), NULL};
    kohl_to_onnx_begin(onnx, "AveragePool", node->name, inputs, kohl_to_onnx_out(onnx, index, false));
    kohl_to_onnx_ints(onnx, "kernel_shape", window, 2);
    kohl_to_onnx_ints(onnx, "strides", window, 2);
    kohl_to_onnx_end(onnx);
  }
}

/* "<layer>.gamma" of ones, or "<layer>.beta" of zeros, where the layer has none. */
static const char *affine(kohl_to_onnx *onnx, int index, bool has, const char *suffix, float value, char *name) {
  if (has) return kohl_to_onnx_weight(onnx, index, suffix);
  const kohl_node *node = node_at(onnx, index);
  const int64_t count = node->shape.c;
  float *values;
  kohl_to_onnx_name(onnx, index, suffix, name);
  if (onnx->status != KOHL_OK) return name;
  onnx->status = kohl_alloc(onnx->ctx, (size_t)count, sizeof *values, "a batch-norm", &values);
  if (onnx->status != KOHL_OK) return name;
  for (int64_t i = 0; i < count; i++) values[i] = value;
  kohl_to_onnx_floats(onnx, name, values, 1, &count);
  kohl_free(onnx->ctx, values);
  return name;
}

static void batch_norm(kohl_to_onnx *onnx, int index) {
  const kohl_node *node = node_at(onnx, index);
  char gamma[KOHL_TO_ONNX_NAME], beta[KOHL_TO_ONNX_NAME];
  const char *inputs[] = {kohl_to_onnx_any(onnx, node->inputs[0]),
                          affine(onnx, index, node->params.gamma, "gamma", 1.0f, gamma),
                          affine(onnx, index, node->params.beta, "beta", 0.0f, beta),
                          kohl_to_onnx_weight(onnx, index, "mean"),
                          kohl_to_onnx_weight(onnx, index, "variance"),
                          NULL};
  kohl_to_onnx_begin(onnx, "BatchNormalization", node->name, inputs,
                     kohl_to_onnx_out(onnx, index, kohl_to_onnx_is_row(onnx, node->inputs[0])));
  kohl_to_onnx_float(onnx, "epsilon", node->params.epsilon);
  kohl_to_onnx_end(onnx);
}

/* Concat and Add: of rows where all inputs are rows, else of maps. */
static void together(kohl_to_onnx *onnx, int index, const char *op) {
  const kohl_node *node = node_at(onnx, index);
  const char *inputs[KOHL_NODE_INPUTS + 1] = {NULL};
  const bool concat = node->layer == KOHL_LAYER_concat;
  char between[KOHL_TO_ONNX_NAME];
  bool rows = true;
  for (int i = 0; i < node->input_count; i++) rows &= kohl_to_onnx_is_row(onnx, node->inputs[i]);
  for (int i = 0; i < node->input_count; i++)
    inputs[i] = rows ? kohl_to_onnx_row(onnx, node->inputs[i]) : kohl_to_onnx_map(onnx, node->inputs[i]);
  kohl_to_onnx_begin(onnx, op, node->name, inputs,
                     concat ? kohl_to_onnx_out(onnx, index, rows) : before_relu(onnx, index, rows, between));
  if (concat) kohl_to_onnx_int(onnx, "axis", 1);
  kohl_to_onnx_end(onnx);
  if (!concat) relu_after(onnx, index, rows, between);
}

/* ONNX divides alpha by the window, this project does not. */
static void lrn(kohl_to_onnx *onnx, int index) {
  const kohl_node *node = node_at(onnx, index);
  const kohl_params *p = &node->params;
  const char *inputs[] = {kohl_to_onnx_map(onnx, node->inputs[0]), NULL};
  kohl_to_onnx_begin(onnx, "LRN", node->name, inputs, kohl_to_onnx_out(onnx, index, false));
  kohl_to_onnx_int(onnx, "size", p->window);
  kohl_to_onnx_float(onnx, "alpha", p->lrn_alpha * (float)p->window);
  kohl_to_onnx_float(onnx, "beta", p->lrn_beta);
  kohl_to_onnx_float(onnx, "bias", p->lrn_bias);
  kohl_to_onnx_end(onnx);
}

/* c,h,w where only dense layers come, whose weights are permuted; else h,w,c as here. */
static void flatten(kohl_to_onnx *onnx, int index) {
  static const int hwc[4] = {0, 2, 3, 1};
  const kohl_node *node = node_at(onnx, index);
  kohl_shape in = input_shape(onnx, node);
  char turned[KOHL_TO_ONNX_NAME];
  if (kohl_to_onnx_is_row(onnx, node->inputs[0])) {
    same(onnx, index);
    return;
  }
  const char *input = kohl_to_onnx_map(onnx, node->inputs[0]);
  if (onnx->transposed && (in.h > 1 || in.w > 1)) {
    const char *inputs[] = {input, NULL};
    kohl_to_onnx_name(onnx, index, "hwc", turned);
    kohl_to_onnx_begin(onnx, "Transpose", turned, inputs, turned);
    kohl_to_onnx_ints(onnx, "perm", hwc, 4);
    kohl_to_onnx_end(onnx);
    input = turned;
  }
  kohl_to_onnx_plain(onnx, "Flatten", node->name, input, kohl_to_onnx_out(onnx, index, true));
}

/* Pixels of 0 to 255, RGB, to what the network reads, in the order of kernels/normalise: scale, mean, std. */
static void prepare(kohl_to_onnx *onnx, int index) {
  static const char *const ops[3] = {"Mul", "Sub", "Div"}, *const tags[3] = {"scale", "mean", "std"};
  static const int64_t channels[3] = {3, 1, 1}, bgr[3] = {2, 1, 0};
  const kohl_preprocessing *pre = &onnx->model->preprocessing;
  const float scale[3] = {pre->scale, pre->scale, pre->scale}, *const values[3] = {scale, pre->mean, pre->std};
  char from[KOHL_TO_ONNX_NAME] = "input", constant[KOHL_TO_ONNX_NAME], to[KOHL_TO_ONNX_NAME];
  if (pre->order == KOHL_CHANNELS_BGR) {
    const char *inputs[] = {from, constant, NULL};
    kohl_to_onnx_name(onnx, index, "channels", constant);
    kohl_to_onnx_whole(onnx, constant, bgr, 3);
    kohl_to_onnx_name(onnx, index, "bgr", to);
    kohl_to_onnx_begin(onnx, "Gather", to, inputs, to);
    kohl_to_onnx_int(onnx, "axis", 1);
    kohl_to_onnx_end(onnx);
    strcpy(from, to);
  }
  for (int i = 0; i < 3; i++) {
    const char *inputs[] = {from, constant, NULL};
    kohl_to_onnx_name(onnx, index, tags[i], constant);
    kohl_to_onnx_floats(onnx, constant, values[i], 3, channels);
    kohl_to_onnx_name(onnx, index, ops[i], to);
    if (i == 2) strcpy(to, kohl_to_onnx_out(onnx, index, false));
    kohl_to_onnx_begin(onnx, ops[i], to, inputs, to);
    kohl_to_onnx_end(onnx);
    strcpy(from, to);
  }
}

void kohl_export_onnx_layer(kohl_to_onnx *onnx, int index) {
  switch (node_at(onnx, index)->layer) {
    case KOHL_LAYER_input:
      if (onnx->preprocessing)
        prepare(onnx, index);
      else
        strcpy(onnx->values[index].map, "input");
      return;
    case KOHL_LAYER_conv2d: conv2d(onnx, index); return;
    case KOHL_LAYER_dense: dense(onnx, index); return;
    case KOHL_LAYER_max_pool: pool(onnx, index, false); return;
    case KOHL_LAYER_avg_pool: pool(onnx, index, true); return;
    case KOHL_LAYER_adaptive_avg_pool: adaptive_pool(onnx, index); return;
    case KOHL_LAYER_global_avg_pool: global_pool(onnx, index, "GlobalAveragePool"); return;
    case KOHL_LAYER_global_max_pool: global_pool(onnx, index, "GlobalMaxPool"); return;
    case KOHL_LAYER_batch_norm: batch_norm(onnx, index); return;
    case KOHL_LAYER_relu: alike(onnx, index, "Relu"); return;
    case KOHL_LAYER_sigmoid: alike(onnx, index, "Sigmoid"); return;
    case KOHL_LAYER_softmax: softmax(onnx, index); return;
    case KOHL_LAYER_concat: together(onnx, index, "Concat"); return;
    case KOHL_LAYER_add: together(onnx, index, "Add"); return;
    case KOHL_LAYER_lrn: lrn(onnx, index); return;
    case KOHL_LAYER_flatten: flatten(onnx, index); return;
    case KOHL_LAYER_dropout: same(onnx, index); return; /* nothing happens outside of training */
    case KOHL_LAYER_COUNT: return;
  }
}
