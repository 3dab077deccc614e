/* An ONNX model as a source of weights and of their network.  The model is walked once, when it is opened: every weight
 * of every layer becomes a tensor of the list, also where several layers share one.  Sizes come with the call for the
 * network, which can be made for another size than the file's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/base.h"
#include "convert/onnx/build.h"

typedef struct state {
  kohl_onnx_model model;
  kohl_onnx_build build;
  kohl_onnx_cursor cursor;
  kohl_source_tensor *tensors;
  int *tensor; /* of the model, for each of tensors */
  char *names; /* owned text behind the tensors' names */
  size_t name_bytes;
  char text[160]; /* of the origin */
} state;

#define QUOTE(bytes_) kohl_quote((const char *)(bytes_).at, (bytes_).length).text

static kohl_status read_values(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count,
                               float *out) {
  state *s = source->state;
  return kohl_onnx_tensor_read(ctx, source->path, &s->model.tensors[s->tensor[index]], &s->cursor, first, count, out);
}

static void close_source(kohl_context *ctx, kohl_source *source) {
  state *s = source->state;
  if (!s) return;
  s->build.ctx = ctx;
  kohl_onnx_build_free(&s->build);
  kohl_onnx_model_close(ctx, &s->model);
  kohl_free(ctx, s->tensors);
  kohl_free(ctx, s->tensor);
  kohl_free(ctx, s->names);
  kohl_free(ctx, s);
  source->state = NULL;
}

/* Sizes that only now are known agree with what the nodes said. */
static kohl_status run_checks(kohl_context *ctx, const state *s, const kohl_graph *graph, const int *map) {
  for (size_t i = 0; i < s->build.check_count; i++) {
    const kohl_onnx_check *check = &s->build.checks[i];
    if (map[check->node] < 0) continue;
    kohl_shape shape = graph->nodes[map[check->node]].shape;
    int64_t pixels = (int64_t)shape.h * shape.w;
    if (check->values ? pixels * shape.c == check->values : pixels == 1) continue;
    const char *who = kohl_onnx_node_who(&s->model, &s->model.nodes[check->at]).text;
    if (check->values)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: its input is %dx%dx%d, expected %lld values", who, shape.h, shape.w,
                       shape.c, (long long)check->values);
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: its input is %dx%dx%d, expected one pixel", who, shape.h, shape.w,
                     shape.c);
  }
  return KOHL_OK;
}

/* The shape that a weight has in the file, from the one that it has here. */
static void shape_in_file(const kohl_source_tensor *tensor, const kohl_weight_spec *spec, int64_t shape[4]) {
  memcpy(shape, spec->shape, sizeof spec->shape);
  if (spec->dims == 4) { /* k,r,s,c to k,c,r,s */
    shape[1] = spec->shape[3];
    shape[2] = spec->shape[1];
    shape[3] = spec->shape[2];
  } else if (spec->dims == 2 && !tensor->layout.output_first) {
    shape[0] = spec->shape[1];
    shape[1] = spec->shape[0];
  }
}

static kohl_status check_weight(kohl_context *ctx, const kohl_source_tensor *tensor, const kohl_weight_spec *spec) {
  int64_t shape[4];
  shape_in_file(tensor, spec, shape);
  bool good = tensor->info.dims == spec->dims;
  for (int i = 0; i < spec->dims; i++) good = good && tensor->info.shape[i] == shape[i];
  if (good) return KOHL_OK;
  char found[96] = "", expected[96] = "";
  for (int i = 0; i < 4; i++) {
    size_t a = strlen(found), b = strlen(expected);
    if (i < tensor->info.dims)
      snprintf(found + a, sizeof found - a, "%s%lld", i ? ", " : "", (long long)tensor->info.shape[i]);
    if (i < spec->dims) snprintf(expected + b, sizeof expected - b, "%s%lld", i ? ", " : "", (long long)shape[i]);
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "layer '%s': tensor '%s': shape [%s], expected [%s]", tensor->layer,
                   kohl_quote(tensor->info.name, strlen(tensor->info.name)).text, found, expected);
}

static kohl_status check_weights(kohl_context *ctx, const state *s, size_t count, const kohl_graph *graph,
                                 const int *map) {
  kohl_weight_spec specs[KOHL_NODE_WEIGHTS];
  for (size_t i = 0; i < count; i++) {
    int at = map[s->build.weights[i].node];
    int of_node = at < 0 ? 0 : kohl_node_weights(graph, &graph->nodes[at], specs);
    for (int k = 0; k < of_node; k++) {
      if (strcmp(specs[k].suffix, s->tensors[i].suffix) != 0) continue;
      kohl_status status = check_weight(ctx, &s->tensors[i], &specs[k]);
      if (status) return status;
    }
  }
  return KOHL_OK;
}

static kohl_status make_graph(kohl_context *ctx, kohl_source *source, int size, kohl_graph **out) {
  state *s = source->state;
  kohl_graph *whole = s->build.graph, *graph = NULL;
  bool last = s->build.values[s->model.input].last;
  int *map = NULL;
  *out = NULL;
  for (int i = 0; i < 2; i++) {
    int64_t side = size > 0 ? size : s->model.input_shape[(last ? 1 : 2) + i];
    if (side < 1)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: input '%s': no height and width, expected --size", source->path,
                       whole->nodes[0].name);
    whole->nodes[0].params.size[i] = (int)side;
  }
  kohl_status status = kohl_alloc(ctx, whole->count, sizeof *map, "a network", &map);
  if (!status) status = kohl_graph_cut(ctx, whole, s->build.last, map, &graph);
  if (!status) status = run_checks(ctx, s, graph, map);
  if (!status) status = check_weights(ctx, s, source->count, graph, map);
  kohl_free(ctx, map);
  if (status) {
    if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", source->path);
    kohl_graph_destroy(ctx, graph);
    return status;
  }
  graph->base_output = kohl_convert_base(graph);
  *out = graph;
  return KOHL_OK;
}

/* The i-th weight's entry.  A second layer with the same tensor gives it a name of its own. */
static kohl_status add_tensor(kohl_context *ctx, state *s, size_t index, bool again) {
  const kohl_onnx_weight *weight = &s->build.weights[index];
  const kohl_onnx_tensor *tensor = &s->model.tensors[weight->tensor];
  const char *layer = s->build.graph->nodes[weight->node].name;
  kohl_proto_bytes name = s->model.names[weight->value];
  kohl_source_tensor *out = &s->tensors[index];
  char *text = s->names + s->name_bytes;
  if (again)
    snprintf(text, KOHL_SAFETENSORS_NAME + 1, "%s.%s", layer, weight->suffix);
  else
    memcpy(text, name.at, name.length);
  s->name_bytes += strlen(text) + 1;
  *out = (kohl_source_tensor){.layout = weight->layout, .layer = layer, .suffix = weight->suffix, .step = 1};
  out->info = (kohl_tensor_info){.name = text, .dims = tensor->dims};
  memcpy(out->info.shape, tensor->shape, sizeof out->info.shape);
  kohl_onnx_tensor_dtype(tensor, &out->info.dtype);
  if (strcmp(weight->suffix, "weight") != 0) { /* [k] of [1,k,1,1]: they were seen to hold one number a channel */
    out->info.dims = 1;
    out->info.shape[0] = (int64_t)tensor->count;
  }
  if (kohl_source_measure(&out->info)) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': its shape has more elements than memory", QUOTE(name));
}

static kohl_status check_name(kohl_context *ctx, kohl_proto_bytes name) {
  if (name.length >= 1 && name.length <= KOHL_SAFETENSORS_NAME && !memchr(name.at, 0, name.length)) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': a name of %zu bytes, expected 1 to %d without a zero",
                   QUOTE(name), name.length, KOHL_SAFETENSORS_NAME);
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Names that were made for shared tensors may be those of others. */
static kohl_status check_names(kohl_context *ctx, const state *s, size_t count) {
  const char **names;
  kohl_status status = kohl_alloc(ctx, count, sizeof *names, "names of tensors", &names);
  if (status) return status;
  for (size_t i = 0; i < count; i++) names[i] = s->tensors[i].info.name;
  qsort(names, count, sizeof *names, compare_names);
  for (size_t i = 1; i < count && !status; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      status =
          kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s' is there twice", kohl_quote(names[i], strlen(names[i])).text);
  kohl_free(ctx, names);
  return status;
}

static kohl_status list_tensors(kohl_context *ctx, state *s, kohl_source *source) {
  const kohl_onnx_build *build = &s->build;
  char *used = NULL;
  size_t bytes = 1;
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < build->weight_count && !status; i++) {
    kohl_proto_bytes name = s->model.names[build->weights[i].value];
    status = check_name(ctx, name);
    size_t own = strlen(build->graph->nodes[build->weights[i].node].name) + 16; /* names.c: at most 255 bytes */
    bytes += (name.length > own ? name.length : own) + 1;
  }
  if (!status) status = kohl_alloc(ctx, build->weight_count, sizeof *s->tensors, "the tensors", &s->tensors);
  if (!status) status = kohl_alloc(ctx, build->weight_count, sizeof *s->tensor, "the tensors", &s->tensor);
  if (!status) status = kohl_alloc(ctx, bytes, 1, "names of tensors", &s->names);
  if (!status) status = kohl_alloc(ctx, s->model.value_count, 1, "the tensors", &used);
  for (size_t i = 0; i < build->weight_count && !status; i++) {
    s->tensor[i] = build->weights[i].tensor;
    status = add_tensor(ctx, s, i, used[build->weights[i].value]);
    used[build->weights[i].value] = 1;
  }
  kohl_free(ctx, used);
  if (!status && !build->weight_count) status = kohl_fail(ctx, KOHL_BAD_INPUT, "no layer has weights");
  if (!status) status = check_names(ctx, s, build->weight_count);
  if (status) return status;
  source->tensors = s->tensors;
  source->count = build->weight_count;
  return KOHL_OK;
}

static void describe(state *s, kohl_source *source) {
  const kohl_onnx_build *build = &s->build;
  snprintf(s->text, sizeof s->text, "%s, opset %d", QUOTE(s->model.producer), (int)s->model.opset);
  source->source_text = s->text;
  source->describes = source->own_layers = true;
  for (int i = 0; i < 3; i++) {
    source->input_scale[i] = build->scale[i];
    source->input_shift[i] = build->shift[i];
    source->affine |= build->scale[i] != 1 || build->shift[i] != 0;
  }
}

kohl_status kohl_onnx_source(kohl_context *ctx, const char *path, kohl_source *source) {
  static const kohl_source_calls calls = {read_values, make_graph, close_source};
  state *s;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *s, "an ONNX model", &s);
  if (status) return status;
  source->state = s;
  source->call = &calls;
  source->format = "an ONNX model";
  status = kohl_onnx_model_open(ctx, path, &s->model);
  s->build.ctx = ctx;
  s->build.model = &s->model;
  if (!status) status = kohl_onnx_build_run(&s->build);
  if (status) return status;
  status = list_tensors(ctx, s, source);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", path);
  if (!status) describe(s, source);
  return status;
}
