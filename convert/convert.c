/* Foreign weights to a model file; see convert.h.  The order: what is it, whose arithmetic, which network, which tensor
 * is which weight, then the values.  Nothing large is allocated before all names and shapes agree. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/format.h"
#include "convert/keras_match.h"
#include "convert/labels.h"
#include "convert/values.h"

/* One conversion on its way. */
typedef struct job {
  kohl_context *ctx;
  const char *path;
  const kohl_convert_options *options;
  const kohl_preset *preset;
  kohl_safetensors *file;
  kohl_keras_names names;
  kohl_graph *whole;
  kohl_model *model;
  int drop; /* leading classes that are not taken */
} job;

static kohl_status check_options(job *j) {
  const kohl_convert_options *o = j->options;
  const kohl_arch *arch;
  if (!o->arch) return kohl_fail(j->ctx, KOHL_USAGE, "%s: the architecture is not given (--arch)", j->path);
  kohl_status status = kohl_arch_find(j->ctx, o->arch, &arch);
  if (!status) status = kohl_preset_find(j->ctx, o->arch, o->preset, &j->preset);
  if (status) return status;
  if (o->no_top && o->until)
    return kohl_fail(j->ctx, KOHL_USAGE, "--no-top and --until %s: expected one of the two", o->until);
  if (o->size < 0 || o->size > 32768)
    return kohl_fail(j->ctx, KOHL_USAGE, "--size: value %d, expected 0 to 32768", o->size);
  return KOHL_OK;
}

static kohl_status open_file(job *j) {
  const char *what;
  bool readable;
  kohl_status status = kohl_format_recognise(j->ctx, j->path, &what, &readable);
  if (status) return status;
  if (!readable)
    return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: is %s; this build reads safetensors with Keras names", j->path, what);
  status = kohl_safetensors_open(j->ctx, j->path, &j->file);
  if (status) return status;
  if (kohl_safetensors_metadata_find(j->file, "kohl"))
    return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: is already a kohl model", j->path);
  if (!j->options->preset)
    kohl_log(j->ctx, KOHL_LOG_INFO, "%s: preset '%s' of %s is assumed", j->path, j->preset->name, j->options->arch);
  return KOHL_OK;
}

/* The outputs of a head layer, its kernel's last size; `otherwise` when the file has none that could be it. */
static int outputs(const job *j, const char *layer, int otherwise) {
  const kohl_keras_tensor *tensor = kohl_keras_names_find(&j->names, layer, "kernel");
  if (!tensor || (tensor->info->dims != 2 && tensor->info->dims != 4)) return otherwise;
  int64_t last = tensor->info->shape[tensor->info->dims - 1];
  return last >= 1 && last <= 1 << 20 ? (int)last : otherwise;
}

/* The whole network: what the preset says and the file's head shows. */
static kohl_status build_whole(job *j) {
  kohl_arch_options options = j->preset->options;
  const char *const *head = j->preset->head;
  int layers = kohl_preset_head_count(j->preset), found = outputs(j, head[layers - 1], options.classes);
  if (j->preset->background && found == j->preset->options.classes) j->drop = 1;
  options.classes = found - j->drop;
  if (j->options->size) options.height = options.width = j->options->size;
  if (strcmp(j->options->arch, "inception_v3") == 0) {
    options.head_count = layers - 1;
    for (int i = 0; i < options.head_count; i++) options.head_widths[i] = outputs(j, head[i], 1);
  }
  return kohl_arch_build(j->ctx, j->options->arch, &options, &j->whole);
}

/* The model's graph: all of it, or up to the layer that the caller asked for. */
static kohl_status cut(job *j, kohl_graph **out) {
  int last = (int)j->whole->count - 1;
  if (j->options->no_top) last = j->whole->base_output;
  if (j->options->until) {
    kohl_status status = kohl_graph_need(j->ctx, j->whole, "--until", j->options->until, &last);
    if (status) return status;
  }
  kohl_status status = kohl_graph_cut(j->ctx, j->whole, last, NULL, out);
  if (!status && (size_t)(*out)->base_output + 1 == (*out)->count) (*out)->base_output = -1; /* no head is left */
  return status;
}

static kohl_status read_weight(job *j, kohl_weight *weight, const kohl_tensor_info *source, float *buffer,
                               size_t buffer_count, const kohl_keras_match *match) {
  kohl_status status = kohl_weight_own(j->ctx, weight);
  if (status) return status;
  bool variance = strcmp(weight->spec.suffix, "variance") == 0;
  kohl_values values = {
      .path = j->path,
      .file = j->file,
      .info = source,
      .drop = kohl_keras_match_is_classes(match, j->model->graph, weight->node) ? (size_t)j->drop : 0,
      .dst = weight->owned,
      .least = variance ? -j->model->graph->nodes[weight->node].params.epsilon : -INFINITY,
  };
  return kohl_values_read(j->ctx, &values, buffer, buffer_count);
}

static kohl_status read_weights(job *j) {
  const kohl_tensor_info **sources = NULL;
  float *buffer = NULL;
  size_t row = KOHL_VALUES_BUFFER; /* floats: the longest row, at least the usual block */
  kohl_keras_match match = {j->path, j->options->arch, j->preset, j->whole, j->options->until || j->options->no_top,
                            j->drop};
  kohl_status status =
      kohl_alloc(j->ctx, j->model->weight_count, sizeof *sources, "the list of tensors", (void *)&sources);
  if (!status) status = kohl_keras_match_weights(j->ctx, &match, j->model, &j->names, sources);
  for (size_t i = 0; i < j->model->weight_count && !status; i++) {
    size_t columns = (size_t)sources[i]->shape[sources[i]->dims - 1];
    if (columns > row) row = columns;
  }
  if (!status) status = kohl_alloc(j->ctx, row, sizeof *buffer, "a block of a tensor", &buffer);
  for (size_t i = 0; i < j->model->weight_count && !status; i++) {
    status = read_weight(j, &j->model->weights[i], sources[i], buffer, row, &match);
    if (!status) status = kohl_check_cancel(j->ctx);
  }
  kohl_free(j->ctx, buffer);
  kohl_free(j->ctx, sources);
  return status;
}

/* Labels belong to a model that ends with its classes. */
static kohl_status set_labels(job *j) {
  const kohl_graph *graph = j->model->graph;
  const kohl_node *last = &graph->nodes[graph->count - 1];
  if (graph->count != j->whole->count) {
    if (!j->options->labels_path) return KOHL_OK;
    return kohl_fail(j->ctx, KOHL_USAGE, "%s: labels for a network that ends at '%s', expected none",
                     j->options->labels_path, last->name);
  }
  char **labels;
  size_t count = (size_t)last->shape.c;
  kohl_status status = kohl_labels_read(j->ctx, j->options->labels_path, count, &labels);
  if (status) return status;
  if (!j->options->labels_path)
    kohl_log(j->ctx, KOHL_LOG_INFO, "%s: no labels given, the classes are called 0 to %zu", j->path, count - 1);
  j->model->task = KOHL_TASK_ONE_LABEL;
  status = kohl_model_set_labels(j->ctx, j->model, (const char *const *)labels, count);
  kohl_labels_free(j->ctx, labels, count);
  return status;
}

static kohl_status set_provenance(job *j) {
  uint32_t crc;
  kohl_status status = kohl_format_crc32c(j->ctx, j->path, &crc);
  if (status) return status;
  char digits[9];
  snprintf(digits, sizeof digits, "%08x", crc);
  const char *slash = strrchr(j->path, '/');
  const kohl_safetensors_text *text = kohl_safetensors_metadata_find(j->file, "source");
  kohl_json_writer writer;
  kohl_json_write_begin(&writer, j->ctx);
  kohl_json_write_object_begin(&writer);
  kohl_json_write_key(&writer, "source");
  kohl_json_write_string(&writer, slash ? slash + 1 : j->path);
  kohl_json_write_key(&writer, "source_crc32c");
  kohl_json_write_string(&writer, digits);
  kohl_json_write_key(&writer, "arch");
  kohl_json_write_string(&writer, j->options->arch);
  kohl_json_write_key(&writer, "preset");
  kohl_json_write_string(&writer, j->preset->name);
  if (text) {
    kohl_json_write_key(&writer, "source_text");
    kohl_json_write_string_n(&writer, text->text, text->length);
  }
  kohl_json_write_object_end(&writer);
  status = kohl_json_write_end(&writer);
  if (!status) status = kohl_model_set_provenance(j->ctx, j->model, writer.text);
  kohl_json_write_free(&writer);
  return status;
}

static kohl_status run(job *j) {
  const kohl_convert_options *o = j->options;
  kohl_graph *graph = NULL;
  kohl_status status = check_options(j);
  if (!status) status = open_file(j);
  if (!status)
    status = kohl_keras_names_read(j->ctx, j->path, j->file, o->arch, j->preset, !o->until && !o->no_top, &j->names);
  if (!status) status = build_whole(j);
  if (!status) status = cut(j, &graph);
  if (!status) status = kohl_model_create(j->ctx, graph, &j->model);
  if (!status) status = read_weights(j);
  if (!status) status = set_labels(j);
  if (!status) status = set_provenance(j);
  if (!status) j->model->preprocessing = kohl_preset_preprocessing(j->preset, o->size);
  return status;
}

kohl_status kohl_convert_read(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_model **out) {
  job j = {.ctx = ctx, .path = in_path, .options = options};
  *out = NULL;
  kohl_status status = run(&j);
  kohl_keras_names_free(ctx, &j.names);
  kohl_safetensors_close(ctx, j.file);
  kohl_graph_destroy(ctx, j.whole);
  if (status)
    kohl_model_destroy(ctx, j.model);
  else
    *out = j.model;
  return status;
}

kohl_status kohl_convert(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                         const char *out_path) {
  kohl_model *model;
  kohl_status status = kohl_convert_read(ctx, in_path, options, &model);
  if (status) return status;
  status = kohl_model_save(ctx, model, out_path);
  kohl_model_destroy(ctx, model);
  return status;
}
