/* Every layer in double precision, one loop nest each. */
#include "cli/truth.h"

#include <math.h>
#include <string.h>

#include "kernels/core/alloc.h"

typedef struct layer_view {
  const kohl_model *model;
  const kohl_node *node;
  int index;
  kohl_shape in, out;
  int pads[4];
  const double *src; /* of the first input */
  double *dst;
} layer_view;

static size_t size_of(kohl_shape s) { return (size_t)s.h * (size_t)s.w * (size_t)s.c; }

static const float *weight(const layer_view *v, const char *suffix) {
  const kohl_weight *w = kohl_model_weight(v->model, v->index, suffix);
  return w ? w->data : NULL;
}

static double activate(double x, kohl_activation activation) {
  return activation == KOHL_ACTIVATION_RELU && x < 0 ? 0.0 : x;
}

/* src at a pixel that may lie in the padding: NULL there. */
static const double *pixel(const layer_view *v, int y, int x) {
  if (y < 0 || x < 0 || y >= v->in.h || x >= v->in.w) return NULL;
  return v->src + ((size_t)y * (size_t)v->in.w + (size_t)x) * (size_t)v->in.c;
}

static double conv_at(const layer_view *v, const float *wei, int p, int q, int k) {
  const kohl_params *a = &v->node->params;
  int per_group = v->in.c / a->groups, first = k / (v->out.c / a->groups) * per_group;
  double sum = 0;
  for (int r = 0; r < a->kernel[0]; r++) {
    for (int s = 0; s < a->kernel[1]; s++) {
      const double *src = pixel(v, p * a->stride[0] - v->pads[0] + r * a->dilation[0],
                                q * a->stride[1] - v->pads[1] + s * a->dilation[1]);
      const float *w =
          wei + (((size_t)k * (size_t)a->kernel[0] + (size_t)r) * (size_t)a->kernel[1] + (size_t)s) * (size_t)per_group;
      for (int c = 0; src && c < per_group; c++) sum += src[first + c] * (double)w[c];
    }
  }
  return sum;
}

static void conv2d(const layer_view *v) {
  const float *wei = weight(v, "weight"), *bia = weight(v, "bias");
  double *dst = v->dst;
  for (int p = 0; p < v->out.h; p++) {
    for (int q = 0; q < v->out.w; q++) {
      for (int k = 0; k < v->out.c; k++) {
        *dst++ = activate(conv_at(v, wei, p, q, k) + (bia ? (double)bia[k] : 0.0), v->node->params.activation);
      }
    }
  }
}

static void dense(const layer_view *v) {
  const float *wei = weight(v, "weight"), *bia = weight(v, "bias");
  size_t in = size_of(v->in);
  for (size_t k = 0; k < size_of(v->out); k++) {
    double sum = bia ? (double)bia[k] : 0.0;
    for (size_t c = 0; c < in; c++) sum += v->src[c] * (double)wei[k * in + c];
    v->dst[k] = activate(sum, v->node->params.activation);
  }
}

/* The largest or the mean of one window, [y0, y1) x [x0, x1) cut to the picture; area is the mean's divisor, 0 for the
 * number of cells inside. */
static double window(const layer_view *v, int y0, int y1, int x0, int x1, int c, bool largest, double area) {
  double best = -INFINITY, sum = 0, cells = 0;
  for (int y = y0; y < y1; y++) {
    for (int x = x0; x < x1; x++) {
      const double *src = pixel(v, y, x);
      if (!src) continue;
      if (src[c] > best) best = src[c];
      sum += src[c];
      cells++;
    }
  }
  return largest ? best : sum / (area > 0 ? area : cells);
}

/* The number of cells of a window that lie in the picture or its padding: ceil's overhang does not count. */
static double padded_area(const layer_view *v, int y, int x) {
  const kohl_params *a = &v->node->params;
  int y1 = y + a->kernel[0], x1 = x + a->kernel[1], bottom = v->in.h + v->pads[2], right = v->in.w + v->pads[3];
  return (double)((y1 < bottom ? y1 : bottom) - y) * (double)((x1 < right ? x1 : right) - x);
}

static void pool(const layer_view *v) {
  const kohl_params *a = &v->node->params;
  bool largest = v->node->layer == KOHL_LAYER_max_pool;
  double *dst = v->dst;
  for (int p = 0; p < v->out.h; p++) {
    for (int q = 0; q < v->out.w; q++) {
      int y = p * a->stride[0] - v->pads[0], x = q * a->stride[1] - v->pads[1];
      double area = a->count_padding ? padded_area(v, y, x) : 0.0;
      for (int c = 0; c < v->out.c; c++) *dst++ = window(v, y, y + a->kernel[0], x, x + a->kernel[1], c, largest, area);
    }
  }
}

/* Adaptive and global pools: output cell p covers [p*h/P, ceil((p+1)*h/P)). */
static void spread_pool(const layer_view *v) {
  bool adaptive = v->node->layer == KOHL_LAYER_adaptive_avg_pool,
       largest = v->node->layer == KOHL_LAYER_global_max_pool;
  int high = adaptive ? v->out.h : 1, wide = adaptive ? v->out.w : 1;
  double *dst = v->dst;
  for (int p = 0; p < high; p++) {
    for (int q = 0; q < wide; q++) {
      int y0 = p * v->in.h / high, y1 = ((p + 1) * v->in.h + high - 1) / high;
      int x0 = q * v->in.w / wide, x1 = ((q + 1) * v->in.w + wide - 1) / wide;
      for (int c = 0; c < v->in.c; c++) *dst++ = window(v, y0, y1, x0, x1, c, largest, 0.0);
    }
  }
}

static void batch_norm(const layer_view *v) {
  const float *gamma = weight(v, "gamma"), *beta = weight(v, "beta"), *mean = weight(v, "mean"),
              *variance = weight(v, "variance");
  for (size_t i = 0; i < size_of(v->out); i++) {
    size_t c = i % (size_t)v->out.c;
    double scale = (gamma ? (double)gamma[c] : 1.0) / sqrt((double)variance[c] + (double)v->node->params.epsilon);
    v->dst[i] = (v->src[i] - (double)mean[c]) * scale + (beta ? (double)beta[c] : 0.0);
  }
}

static void softmax(const layer_view *v) {
  int channels = v->out.c;
  for (size_t i = 0; i < size_of(v->out); i += (size_t)channels) {
    double largest = -INFINITY, sum = 0;
    for (int c = 0; c < channels; c++) largest = fmax(largest, v->src[i + (size_t)c]);
    for (int c = 0; c < channels; c++) sum += v->dst[i + (size_t)c] = exp(v->src[i + (size_t)c] - largest);
    for (int c = 0; c < channels; c++) v->dst[i + (size_t)c] /= sum;
  }
}

static void lrn(const layer_view *v) {
  const kohl_params *a = &v->node->params;
  int channels = v->out.c, half = a->window / 2;
  for (size_t i = 0; i < size_of(v->out); i++) {
    int c = (int)(i % (size_t)channels);
    double sum = 0;
    for (int d = -half; d <= half; d++) {
      if (c + d < 0 || c + d >= channels) continue;
      double x = v->src[(size_t)((long)i + d)];
      sum += x * x;
    }
    v->dst[i] = v->src[i] / pow((double)a->lrn_bias + (double)a->lrn_alpha * sum, (double)a->lrn_beta);
  }
}

/* Layers that need no neighbours: relu, sigmoid, flatten, dropout. */
static void pointwise(const layer_view *v) {
  for (size_t i = 0; i < size_of(v->out); i++) {
    double x = v->src[i];
    if (v->node->layer == KOHL_LAYER_relu) x = activate(x, KOHL_ACTIVATION_RELU);
    if (v->node->layer == KOHL_LAYER_sigmoid) x = 1.0 / (1.0 + exp(-x));
    v->dst[i] = x;
  }
}

static void compute(const layer_view *v) {
  switch (v->node->layer) {
    case KOHL_LAYER_conv2d: conv2d(v); break;
    case KOHL_LAYER_dense: dense(v); break;
    case KOHL_LAYER_max_pool:
    case KOHL_LAYER_avg_pool: pool(v); break;
    case KOHL_LAYER_adaptive_avg_pool:
    case KOHL_LAYER_global_avg_pool:
    case KOHL_LAYER_global_max_pool: spread_pool(v); break;
    case KOHL_LAYER_batch_norm: batch_norm(v); break;
    case KOHL_LAYER_softmax: softmax(v); break;
    case KOHL_LAYER_lrn: lrn(v); break;
    default: pointwise(v); break;
  }
}

/* The two layers with several inputs. */
static void combine(const layer_view *v, double *const *values) {
  const kohl_graph *graph = v->model->graph;
  size_t pixels = (size_t)v->out.h * (size_t)v->out.w, channels = (size_t)v->out.c, first = 0;
  for (int i = 0; i < v->node->input_count; i++) {
    const double *src = values[v->node->inputs[i]];
    size_t c = (size_t)graph->nodes[v->node->inputs[i]].shape.c;
    for (size_t p = 0; p < pixels; p++) {
      double *dst = v->dst + p * channels + first;
      for (size_t j = 0; j < c; j++) dst[j] = src[p * c + j] + (v->node->layer == KOHL_LAYER_add && i ? dst[j] : 0.0);
    }
    if (v->node->layer == KOHL_LAYER_concat) first += c;
  }
  for (size_t i = 0; i < pixels * channels; i++) v->dst[i] = activate(v->dst[i], v->node->params.activation);
}

static kohl_status run_layers(kohl_context *ctx, const kohl_model *model, int last, const float *picture,
                              double **values) {
  const kohl_graph *graph = model->graph;
  for (int i = 0; i <= last; i++) {
    const kohl_node *node = &graph->nodes[i];
    layer_view v = {model, node, i, {0, 0, 0}, node->shape, {0, 0, 0, 0}, NULL, NULL};
    kohl_status status = kohl_check_cancel(ctx);
    if (status == KOHL_OK) status = kohl_alloc(ctx, size_of(node->shape), sizeof(double), node->name, &values[i]);
    if (status != KOHL_OK) return status;
    v.dst = values[i];
    if (node->layer == KOHL_LAYER_input) {
      for (size_t j = 0; j < size_of(node->shape); j++) v.dst[j] = (double)picture[j];
    } else if (node->layer == KOHL_LAYER_concat || node->layer == KOHL_LAYER_add) {
      combine(&v, values);
    } else {
      v.in = graph->nodes[node->inputs[0]].shape;
      v.src = values[node->inputs[0]];
      kohl_node_pads(graph, node, v.pads);
      compute(&v);
    }
  }
  return KOHL_OK;
}

kohl_status cli_truth(kohl_context *ctx, const kohl_model *model, int node, const float *picture, double *out) {
  double **values;
  kohl_status status = kohl_alloc(ctx, model->graph->count, sizeof *values, "the layers in double", &values);
  if (status != KOHL_OK) return status;
  status = run_layers(ctx, model, node, picture, values);
  if (status == KOHL_OK) memcpy(out, values[node], size_of(model->graph->nodes[node].shape) * sizeof *out);
  for (size_t i = 0; i < model->graph->count; i++) kohl_free(ctx, values[i]);
  kohl_free(ctx, values);
  return status;
}
