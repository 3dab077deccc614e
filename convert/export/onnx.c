/* A model as an ONNX file (onnx.proto: ModelProto).  Nodes and names are made in memory, lengths are summed, then the
 * file is written in one go, each weight streamed as raw_data.  External data is not written, so a file ends at the
 * 2^31 - 1 bytes of a protocol buffer. */
#include "convert/export/onnx.h"

#include <stdio.h>
#include <string.h>

#include "convert/export/about.h"
#include "convert/export/export.h"
#include "kernels/core/place.h"

static void find_needed(kohl_to_onnx *onnx) {
  const kohl_graph *graph = onnx->graph;
  onnx->needed[graph->count - 1] = true;
  for (size_t i = graph->count; i-- > 0;) {
    const kohl_node *node = &graph->nodes[i];
    for (int j = 0; j < node->input_count && onnx->needed[i]; j++) onnx->needed[node->inputs[j]] = true;
  }
}

/* Dropout has no operator: who stands before it. */
static int before_dropout(const kohl_graph *graph, int index) {
  while (graph->nodes[index].layer == KOHL_LAYER_dropout) index = graph->nodes[index].inputs[0];
  return index;
}

/* An output that no operator has written under its name. */
static void finish(kohl_to_onnx *onnx, int index, const char *name) {
  kohl_shape shape = onnx->graph->nodes[index].shape;
  if (shape.h == 1 && shape.w == 1) kohl_to_onnx_row(onnx, index);
  const char *now = kohl_to_onnx_any(onnx, index);
  if (strcmp(now, name)) kohl_to_onnx_plain(onnx, "Identity", name, now, name);
}

static kohl_status check(const kohl_to_onnx *onnx) {
  const kohl_graph *graph = onnx->graph;
  int inputs = 0;
  for (size_t i = 0; i < graph->count; i++) inputs += graph->nodes[i].layer == KOHL_LAYER_input && onnx->needed[i];
  if (inputs != 1) {
    return kohl_fail(onnx->ctx, KOHL_BAD_INPUT, "%s: a network of %d inputs, expected one", onnx->model->path, inputs);
  }
  if (onnx->preprocessing && graph->nodes[0].shape.c != 3) {
    return kohl_fail(onnx->ctx, KOHL_USAGE,
                     "%s: preprocessing as part of a network whose input has %d channels, expected 3",
                     onnx->model->path, graph->nodes[0].shape.c);
  }
  return KOHL_OK;
}

kohl_status kohl_to_onnx_build(kohl_to_onnx *onnx, kohl_context *ctx, const kohl_model *model, bool preprocessing) {
  const kohl_graph *graph = model->graph;
  const kohl_node *last = &graph->nodes[graph->count - 1];
  const bool odds = last->layer == KOHL_LAYER_softmax || last->layer == KOHL_LAYER_sigmoid;
  onnx->ctx = ctx;
  onnx->model = model;
  onnx->graph = graph;
  onnx->preprocessing = preprocessing;
  onnx->output = before_dropout(graph, (int)graph->count - 1);
  onnx->logits = odds ? before_dropout(graph, last->inputs[0]) : -1;
  kohl_put_open(&onnx->nodes, ctx);
  kohl_status status = kohl_alloc(ctx, graph->count, sizeof *onnx->values, "a list of values", &onnx->values);
  if (status == KOHL_OK)
    status = kohl_alloc(ctx, graph->count, sizeof *onnx->needed, "a list of layers", &onnx->needed);
  if (status == KOHL_OK) status = kohl_export_orders(ctx, graph, &onnx->orders);
  if (status != KOHL_OK) return status;
  onnx->transposed = !kohl_export_orders_clear(onnx->orders, graph);
  find_needed(onnx);
  status = check(onnx);
  if (status != KOHL_OK) return status;
  for (int i = 0; i < (int)graph->count && onnx->status == KOHL_OK; i++) {
    if (!onnx->needed[i]) continue;
    kohl_export_onnx_layer(onnx, i);
    if (i == onnx->logits) finish(onnx, i, "logits");
    if (i == onnx->output) finish(onnx, i, "output");
  }
  return onnx->status;
}

void kohl_to_onnx_free(kohl_to_onnx *onnx) {
  for (size_t i = 0; i < onnx->constant_count; i++) kohl_free(onnx->ctx, onnx->constants[i].owned);
  kohl_free(onnx->ctx, onnx->constants);
  kohl_free(onnx->ctx, onnx->values);
  kohl_free(onnx->ctx, onnx->needed);
  kohl_free(onnx->ctx, onnx->orders);
  kohl_put_free(&onnx->nodes);
}

/* Everything of a TensorProto but its raw_data's bytes; their number comes back. */
static size_t tensor_head(const kohl_to_onnx_constant *constant, kohl_put *put) {
  size_t count = (size_t)constant->whole_count;
  if (count) {
    kohl_put_varint(put, ONNX_TENSOR_DIMS, count);
    kohl_put_varint(put, ONNX_TENSOR_TYPE, ONNX_INT64);
  } else {
    count = 1;
    for (int d = 0; d < constant->view.shape_dims; d++) {
      kohl_put_varint(put, ONNX_TENSOR_DIMS, (uint64_t)constant->view.shape[d]);
      count *= (size_t)constant->view.shape[d]; /* a weight's, which lies in memory */
    }
    kohl_put_varint(put, ONNX_TENSOR_TYPE, ONNX_FLOAT);
  }
  kohl_put_text(put, ONNX_TENSOR_NAME, constant->name);
  size_t bytes = count * (constant->whole_count ? sizeof *constant->whole : sizeof(float));
  kohl_put_head(put, ONNX_TENSOR_RAW, bytes);
  return bytes;
}

/* GraphProto.initializer up to the tensor's bytes, whose number comes back; put is empty before. */
static size_t initializer_head(const kohl_to_onnx_constant *constant, kohl_put *put) {
  kohl_put head;
  kohl_put_open(&head, put->ctx);
  size_t bytes = tensor_head(constant, &head);
  kohl_put_head(put, ONNX_GRAPH_INITIALIZER, head.length + bytes);
  if (put->status == KOHL_OK) put->status = head.status;
  kohl_put_raw(put, head.bytes, head.length);
  kohl_put_free(&head);
  return bytes;
}

/* An input or output of the graph: its name, float, and its shape, the number of pictures being called N. */
static void put_value(kohl_put *put, uint32_t field, const char *name, kohl_shape shape, bool row) {
  const int sizes[3] = {shape.c, shape.h, shape.w};
  kohl_put_begin(put, field);
  kohl_put_text(put, ONNX_VALUE_NAME, name);
  kohl_put_begin(put, ONNX_VALUE_TYPE);
  kohl_put_begin(put, ONNX_TYPE_TENSOR);
  kohl_put_varint(put, ONNX_TYPE_ELEMENT, ONNX_FLOAT);
  kohl_put_begin(put, ONNX_TYPE_SHAPE);
  kohl_put_begin(put, ONNX_SHAPE_DIM);
  kohl_put_text(put, ONNX_DIM_PARAM, "N");
  kohl_put_end(put);
  for (int i = 0; i < (row ? 1 : 3); i++) {
    kohl_put_begin(put, ONNX_SHAPE_DIM);
    kohl_put_varint(put, ONNX_DIM_VALUE, (uint64_t)sizes[i]);
    kohl_put_end(put);
  }
  for (int i = 0; i < 4; i++) kohl_put_end(put);
}

static void put_values(const kohl_to_onnx *onnx, kohl_put *put) {
  const kohl_graph *graph = onnx->graph;
  size_t input = 0;
  while (graph->nodes[input].layer != KOHL_LAYER_input || !onnx->needed[input]) input++;
  put_value(put, ONNX_GRAPH_INPUT, "input", graph->nodes[input].shape, false);
  kohl_shape shape = graph->nodes[onnx->output].shape;
  put_value(put, ONNX_GRAPH_OUTPUT, "output", shape, kohl_to_onnx_is_row(onnx, onnx->output));
  if (onnx->logits < 0) return;
  put_value(put, ONNX_GRAPH_OUTPUT, "logits", shape, kohl_to_onnx_is_row(onnx, onnx->logits));
}

/* For people who look at the file. */
static void put_doc(const kohl_to_onnx *onnx, kohl_put *put) {
  const kohl_preprocessing *pre = &onnx->model->preprocessing;
  char text[512];
  const char *order = pre->order == KOHL_CHANNELS_BGR ? "BGR" : "RGB";
  if (onnx->preprocessing) {
    snprintf(text, sizeof text, "input: pixels of 0 to 255, RGB; fit: %s, %s", kohl_fit_mode_name(pre->fit.mode),
             kohl_filter_name(pre->fit.filter));
  } else {
    snprintf(
        text, sizeof text,
        "input: (pixel * %.9g - mean) / std of pixels 0 to 255, %s; mean %.9g %.9g %.9g, std %.9g %.9g %.9g in that "
        "order; fit: %s, %s",
        (double)pre->scale, order, (double)pre->mean[0], (double)pre->mean[1], (double)pre->mean[2],
        (double)pre->std[0], (double)pre->std[1], (double)pre->std[2], kohl_fit_mode_name(pre->fit.mode),
        kohl_filter_name(pre->fit.filter));
  }
  kohl_put_text(put, ONNX_MODEL_DOC, text);
}

static void put_texts(const kohl_to_onnx *onnx, const kohl_export_about *about, kohl_put *put) {
  kohl_put_begin(put, ONNX_MODEL_OPSET);
  kohl_put_text(put, ONNX_OPSET_DOMAIN, "");
  kohl_put_varint(put, ONNX_OPSET_VERSION, KOHL_TO_ONNX_OPSET);
  kohl_put_end(put);
  for (int i = 0; i < about->count + 1; i++) {
    kohl_put_begin(put, ONNX_MODEL_METADATA);
    kohl_put_text(put, ONNX_METADATA_KEY, i < about->count ? about->key[i] : "input");
    kohl_put_text(put, ONNX_METADATA_VALUE,
                  i < about->count      ? about->text[i]
                  : onnx->preprocessing ? "pixels"
                                        : "prepared");
    kohl_put_end(put);
  }
}

/* The parts of the file around the initializers. */
typedef struct parts {
  kohl_put begin, values, end;
} parts;

static kohl_status make_parts(const kohl_to_onnx *onnx, const kohl_export_about *about, parts *p) {
  const char *arch = onnx->graph->arch;
  kohl_put name;
  kohl_put_open(&name, onnx->ctx);
  kohl_put_text(&name, ONNX_GRAPH_NAME, *arch ? arch : "network");
  put_values(onnx, &p->values);
  put_texts(onnx, about, &p->end);
  size_t length = onnx->nodes.length + name.length + p->values.length;
  for (size_t i = 0; i < onnx->constant_count; i++) {
    kohl_put head;
    kohl_put_open(&head, onnx->ctx);
    size_t bytes = initializer_head(&onnx->constants[i], &head);
    if (p->begin.status == KOHL_OK) p->begin.status = head.status;
    length += head.length + bytes; /* sums of what lies in memory */
    kohl_put_free(&head);
  }
  kohl_put_varint(&p->begin, ONNX_MODEL_IR, KOHL_TO_ONNX_IR);
  kohl_put_text(&p->begin, ONNX_MODEL_PRODUCER, "kohl");
  kohl_put_text(&p->begin, ONNX_MODEL_PRODUCER_VERSION, kohl_version());
  put_doc(onnx, &p->begin);
  kohl_put_head(&p->begin, ONNX_MODEL_GRAPH, length);
  const size_t total = p->begin.length + length + p->end.length;
  kohl_put_raw(&p->begin, onnx->nodes.bytes, onnx->nodes.length);
  kohl_put_raw(&p->begin, name.bytes, name.length);
  kohl_put_free(&name);
  if (p->begin.status != KOHL_OK) return p->begin.status;
  if (p->values.status != KOHL_OK) return p->values.status;
  if (p->end.status != KOHL_OK) return p->end.status;
  if (total > INT32_MAX) {
    return kohl_fail(onnx->ctx, KOHL_BAD_INPUT,
                     "%s: %zu bytes as ONNX, expected at most %d, which is all that one file "
                     "holds",
                     onnx->model->path, total, INT32_MAX);
  }
  return KOHL_OK;
}

typedef struct target {
  kohl_context *ctx;
  kohl_file_place place;
} target;

static kohl_status sink(void *user, const void *bytes, size_t n) {
  target *t = user;
  return kohl_place_append(t->ctx, &t->place, bytes, n);
}

static kohl_status write_constant(const kohl_to_onnx *onnx, const kohl_to_onnx_constant *constant, target *t) {
  kohl_put head;
  kohl_put_open(&head, onnx->ctx);
  initializer_head(constant, &head);
  kohl_status status = head.status;
  if (status == KOHL_OK) status = sink(t, head.bytes, head.length);
  kohl_put_free(&head);
  if (status != KOHL_OK) return status;
  if (constant->whole_count) return sink(t, constant->whole, (size_t)constant->whole_count * sizeof *constant->whole);
  return kohl_export_stream(onnx->ctx, &constant->view, sink, t);
}

static kohl_status write_file(const kohl_to_onnx *onnx, const parts *p, const char *path) {
  target t = {.ctx = onnx->ctx};
  kohl_status status = kohl_place_begin(onnx->ctx, path, &t.place);
  if (status != KOHL_OK) return status;
  status = kohl_place_create(onnx->ctx, &t.place);
  if (status == KOHL_OK) status = sink(&t, p->begin.bytes, p->begin.length);
  for (size_t i = 0; i < onnx->constant_count && status == KOHL_OK; i++)
    status = write_constant(onnx, &onnx->constants[i], &t);
  if (status == KOHL_OK) status = sink(&t, p->values.bytes, p->values.length);
  if (status == KOHL_OK) status = sink(&t, p->end.bytes, p->end.length);
  if (status == KOHL_OK) status = kohl_place_commit(onnx->ctx, &t.place);
  kohl_place_end(onnx->ctx, &t.place);
  return status;
}

kohl_status kohl_export_onnx(kohl_context *ctx, const kohl_model *model, bool preprocessing, const char *path) {
  kohl_to_onnx onnx;
  kohl_export_about about = {.count = 0};
  parts p;
  memset(&onnx, 0, sizeof onnx);
  kohl_put_open(&p.begin, ctx);
  kohl_put_open(&p.values, ctx);
  kohl_put_open(&p.end, ctx);
  kohl_status status = kohl_to_onnx_build(&onnx, ctx, model, preprocessing);
  if (status == KOHL_OK) status = kohl_export_about_make(ctx, model, &about);
  if (status == KOHL_OK) status = make_parts(&onnx, &about, &p);
  if (status == KOHL_OK) status = write_file(&onnx, &p, path);
  kohl_put_free(&p.begin);
  kohl_put_free(&p.values);
  kohl_put_free(&p.end);
  kohl_export_about_free(ctx, &about);
  kohl_to_onnx_free(&onnx);
  return status;
}
