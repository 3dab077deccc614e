/* The model file: metadata `kohl` and one f32 tensor per weight. */
#include <stdio.h>
#include <string.h>

#include "kernels/core/alloc.h"
#include "nn/model.h"
#include "nn/model_heads.h"
#include "nn/preprocessing_json.h"

enum { FORMAT = 1 };

/* Everything that the metadata says, before the weights are looked at. */
typedef struct {
  kohl_graph *graph;
  kohl_model_head first, *more;
  size_t more_count;
  kohl_preprocessing preprocessing;
  char *provenance;
  bool has_format, has_preprocessing;
} draft;

static void draft_free(kohl_context *ctx, draft *d) {
  kohl_graph_destroy(ctx, d->graph);
  kohl_model_head_free(ctx, &d->first);
  kohl_model_heads_free(ctx, d->more, d->more_count);
  kohl_free(ctx, d->provenance);
}

/* Keeps the text of an object that is checked for form only. */
static kohl_status read_provenance(kohl_context *ctx, kohl_json *json, draft *d) {
  size_t begin = json->at;
  kohl_status status = kohl_json_skip(json);
  if (status != KOHL_OK) return status;
  while (begin < json->at && json->bytes[begin] != '{') begin++;
  if (begin == json->at) return kohl_json_fail(json, "provenance: expected an object");
  kohl_free(ctx, d->provenance);
  status = kohl_alloc(ctx, json->at - begin + 1, 1, "provenance", &d->provenance);
  if (status == KOHL_OK) memcpy(d->provenance, json->bytes + begin, json->at - begin);
  return status;
}

static kohl_status read_member(kohl_context *ctx, kohl_json *json, draft *d) {
  if (kohl_json_is(json, "format")) {
    int64_t format = 0;
    kohl_status status = kohl_json_expect(json, KOHL_JSON_NUMBER_VALUE);
    if (status == KOHL_OK) status = kohl_json_get_int64(json, &format);
    if (status == KOHL_OK && format != FORMAT)
      return kohl_json_fail(json, "format %lld, this version reads %d", (long long)format, FORMAT);
    d->has_format = status == KOHL_OK;
    return status;
  }
  if (kohl_json_is(json, "graph"))
    return d->graph ? kohl_json_fail(json, "a second graph") : kohl_graph_read_json(ctx, json, &d->graph);
  if (kohl_json_is(json, "heads")) {
    return d->more ? kohl_json_fail(json, "a second list of heads")
                   : kohl_model_heads_read(ctx, json, &d->more, &d->more_count);
  }
  if (kohl_json_is(json, "preprocessing"))
    return d->has_preprocessing = true, kohl_preprocessing_read_json(json, &d->preprocessing);
  if (kohl_json_is(json, "provenance")) return read_provenance(ctx, json, d);
  bool known = false;
  if (!kohl_json_is(json, "layer")) { /* the first head's is the last node */
    kohl_status status = kohl_model_head_read(ctx, json, &d->first, &known);
    if (known) return status;
  }
  return kohl_json_fail(json, "unknown field '%s'", kohl_quote(json->text, json->text_length).text);
}

/* The input must be what the preprocessing makes, and there must be one label per output. */
static kohl_status check_draft(kohl_context *ctx, draft *d) {
  if (!d->has_format || !d->graph || !d->has_preprocessing) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field '%s' is missing",
                     !d->has_format ? "format"
                     : !d->graph    ? "graph"
                                    : "preprocessing");
  }
  kohl_shape in = d->graph->nodes[0].shape, out = d->graph->nodes[d->graph->count - 1].shape;
  if (d->first.task != KOHL_TASK_NONE &&
      (in.c != 3 || in.h != d->preprocessing.fit.h || in.w != d->preprocessing.fit.w)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "preprocessing makes %dx%dx3 pictures, the network's input is %dx%dx%d",
                     d->preprocessing.fit.h, d->preprocessing.fit.w, in.h, in.w, in.c);
  }
  if (d->first.label_count && (d->first.label_count != (size_t)out.c || out.h * out.w != 1)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu labels, but the last layer '%s' gives %dx%dx%d values",
                     d->first.label_count, d->graph->nodes[d->graph->count - 1].name, out.h, out.w, out.c);
  }
  kohl_status status = kohl_model_head_check_thresholds(ctx, &d->first);
  if (status != KOHL_OK) return status;
  if (d->more_count && d->first.task == KOHL_TASK_NONE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu further heads with task 'none', expected a first one", d->more_count);
  }
  return kohl_model_heads_check(ctx, d->graph, d->more, d->more_count);
}

static kohl_status read_metadata(kohl_context *ctx, const kohl_safetensors_text *text, draft *d) {
  kohl_json json;
  kohl_json_open(&json, ctx, text->text, text->length);
  kohl_status status = kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (status == KOHL_OK && kohl_json_next(&json) == KOHL_JSON_KEY) status = read_member(ctx, &json, d);
  if (status == KOHL_OK) status = json.status;
  if (status == KOHL_OK && json.event != KOHL_JSON_OBJECT_END) status = kohl_json_fail(&json, "expected a field");
  if (status == KOHL_OK && kohl_json_next(&json) != KOHL_JSON_END) status = kohl_json_fail(&json, "expected the end");
  kohl_json_close(&json);
  if (status == KOHL_OK) status = check_draft(ctx, d);
  if (status != KOHL_OK) kohl_fail_prefix(ctx, "metadata 'kohl'");
  return status;
}

static void shape_text(int dims, const int64_t *shape, char *text, size_t bytes) {
  size_t used = 0;
  text[0] = 0;
  for (int i = 0; i < dims && used < bytes; i++) {
    int n = snprintf(text + used, bytes - used, "%s%lld", i ? "," : "", (long long)shape[i]);
    used += n > 0 ? (size_t)n : 0;
  }
}

static kohl_status link_weight(kohl_context *ctx, const kohl_safetensors *file, kohl_weight *weight) {
  weight->file_index = kohl_safetensors_find(file, weight->name);
  if (weight->file_index < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s' is missing", weight->name);
  const kohl_tensor_info *info = kohl_safetensors_tensor(file, (size_t)weight->file_index);
  bool same = info->dims == weight->spec.dims;
  for (int i = 0; same && i < info->dims; i++) same = info->shape[i] == weight->spec.shape[i];
  if (info->dtype != KOHL_SAFETENSORS_F32 || !same) {
    char has[128], wants[128];
    shape_text(info->dims, info->shape, has, sizeof has);
    shape_text(weight->spec.dims, weight->spec.shape, wants, sizeof wants);
    return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': %s [%s], expected F32 [%s]", weight->name,
                     kohl_safetensors_dtype_name(info->dtype), has, wants);
  }
  if ((uintptr_t)info->data % sizeof(float)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "tensor '%s': its data is not aligned to 4 bytes", weight->name);
  }
  weight->data = info->data;
  return KOHL_OK;
}

static kohl_status open_model(kohl_context *ctx, kohl_safetensors **file, draft *d, kohl_model **out) {
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(*file, "kohl");
  if (!text)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "no kohl model: the metadata has no 'kohl'; convert the file first (kohl convert)");
  kohl_status status = read_metadata(ctx, text, d);
  if (status != KOHL_OK) return status;
  kohl_model *model;
  kohl_graph *graph = d->graph;
  d->graph = NULL;
  status = kohl_model_create(ctx, graph, &model);
  if (status != KOHL_OK) return status;
  model->file = *file;
  *file = NULL;
  model->labels = d->first.labels;
  model->label_count = d->first.label_count;
  model->thresholds = d->first.thresholds;
  model->task = d->first.task;
  model->more_heads = d->more;
  model->more_count = d->more_count;
  memset(&d->first, 0, sizeof d->first);
  d->more = NULL;
  d->more_count = 0;
  model->preprocessing = d->preprocessing;
  if (d->provenance) {
    kohl_free(ctx, model->provenance);
    model->provenance = d->provenance;
    d->provenance = NULL;
  }
  for (size_t i = 0; i < model->weight_count && status == KOHL_OK; i++)
    status = link_weight(ctx, model->file, &model->weights[i]);
  if (status == KOHL_OK && kohl_safetensors_count(model->file) != model->weight_count) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%zu tensors, the graph has %zu weights",
                       kohl_safetensors_count(model->file), model->weight_count);
  }
  if (status == KOHL_OK)
    *out = model;
  else
    kohl_model_destroy(ctx, model);
  return status;
}

kohl_status kohl_model_open(kohl_context *ctx, const char *path, kohl_model **out) {
  draft d;
  memset(&d, 0, sizeof d);
  kohl_safetensors *file = NULL;
  *out = NULL;
  kohl_status status = kohl_safetensors_open(ctx, path, &file);
  if (status != KOHL_OK) return status;
  status = open_model(ctx, &file, &d, out);
  draft_free(ctx, &d);
  kohl_safetensors_close(ctx, file);
  if (status != KOHL_OK) {
    kohl_fail_prefix(ctx, "%s", path);
    return status;
  }
  char *name;
  status = kohl_strdup(ctx, path, &name);
  if (status != KOHL_OK) {
    kohl_model_destroy(ctx, *out);
    *out = NULL;
    return status;
  }
  kohl_free(ctx, (*out)->path);
  (*out)->path = name;
  return KOHL_OK;
}

static kohl_status write_metadata(kohl_context *ctx, const kohl_model *model, kohl_safetensors_writer *writer) {
  kohl_json_writer json;
  kohl_json_write_begin(&json, ctx);
  kohl_json_write_object_begin(&json);
  kohl_json_write_key(&json, "format");
  kohl_json_write_int64(&json, FORMAT);
  kohl_json_write_key(&json, "graph");
  kohl_graph_write_json(model->graph, &json);
  kohl_model_heads_write(model, &json);
  kohl_json_write_key(&json, "preprocessing");
  kohl_preprocessing_write_json(&model->preprocessing, &json);
  kohl_json_write_key(&json, "provenance");
  kohl_json_write_raw(&json, model->provenance);
  kohl_json_write_object_end(&json);
  kohl_status status = kohl_json_write_end(&json);
  if (status == KOHL_OK) status = kohl_safetensors_writer_metadata(writer, "kohl", json.text, json.length);
  kohl_json_write_free(&json);
  return status;
}

/* Where the values of weights that have none yet come from. */
typedef struct supply {
  kohl_weight_reader *read;
  void *user;
  size_t most; /* bytes at once */
} supply;

static kohl_status write_weight(kohl_context *ctx, const kohl_model *model, const kohl_weight *weight,
                                const supply *from, kohl_safetensors_writer *writer) {
  float *values = NULL;
  if (weight->data) return kohl_safetensors_write(writer, weight->data, weight->spec.count * sizeof *values);
  size_t outputs = (size_t)weight->spec.shape[0], each = weight->spec.count / outputs, block = outputs;
  if (from->most / sizeof *values / each < outputs) block = from->most / sizeof *values / each;
  if (block == 0) block = 1;
  kohl_status status = kohl_alloc(ctx, block, each * sizeof *values, weight->name, &values);
  for (size_t first = 0; first < outputs && status == KOHL_OK; first += block) {
    size_t count = outputs - first < block ? outputs - first : block;
    status = from->read(ctx, model, weight, first, count, values, from->user);
    if (status == KOHL_OK) status = kohl_safetensors_write(writer, values, count * each * sizeof *values);
  }
  kohl_free(ctx, values);
  return status;
}

kohl_status kohl_model_save_from(kohl_context *ctx, const kohl_model *model, kohl_weight_reader *read, void *user,
                                 size_t most, const char *path) {
  const supply from = {read, user, most};
  kohl_safetensors_writer *writer;
  kohl_status status = kohl_safetensors_writer_begin(ctx, path, &writer);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < model->weight_count && status == KOHL_OK; i++) {
    const kohl_weight *weight = &model->weights[i];
    if (weight->data || !read) status = kohl_weight_verify(ctx, model, weight);
    if (status == KOHL_OK) {
      status = kohl_safetensors_writer_tensor(writer, weight->name, KOHL_SAFETENSORS_F32, weight->spec.dims,
                                              weight->spec.shape);
    }
  }
  if (status == KOHL_OK) status = write_metadata(ctx, model, writer);
  if (status == KOHL_OK) status = kohl_safetensors_writer_lay(writer);
  for (size_t i = 0; i < model->weight_count && status == KOHL_OK; i++) {
    const kohl_weight *weight = &model->weights[kohl_safetensors_writer_order(writer, i)];
    status = write_weight(ctx, model, weight, &from, writer);
  }
  if (status == KOHL_OK) return kohl_safetensors_writer_finish(writer);
  kohl_safetensors_writer_abandon(writer);
  return status;
}

kohl_status kohl_model_save(kohl_context *ctx, const kohl_model *model, const char *path) {
  return kohl_model_save_from(ctx, model, NULL, NULL, 0, path);
}
