/* Foreign weights to a model file; see convert.h.  The order: what is it, whose arithmetic, which network, which tensor
 * is which weight, then the values.  Nothing large is allocated before all names and shapes agree. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/format.h"
#include "convert/keras/config.h"
#include "convert/keras/order.h"
#include "convert/labels.h"
#include "convert/values.h"

/* One conversion on its way. */
typedef struct job {
  kohl_context *ctx;
  const char *path;
  const kohl_convert_options *options;
  const char *arch;   /* a name of models.def, or SAVED */
  const char *config; /* the file's own description of its network where that is used, or NULL */
  const kohl_preset *preset;
  kohl_source source;
  kohl_keras_names names;
  kohl_graph *whole;
  kohl_model *model;
  int drop; /* leading classes that are not taken */
} job;

#define SAVED "keras" /* in place of an architecture: a network that a saved Keras model describes itself */

static kohl_status check_options(job *j) {
  const kohl_convert_options *o = j->options;
  const kohl_arch *arch;
  kohl_status status = KOHL_OK;
  j->arch = o->arch ? o->arch : SAVED;
  if (o->arch) status = kohl_arch_find(j->ctx, o->arch, &arch);
  if (o->arch && !status) status = kohl_preset_find(j->ctx, o->arch, o->preset, &j->preset);
  if (status) return status;
  if (o->no_top && o->until)
    return kohl_fail(j->ctx, KOHL_USAGE, "--no-top and --until %s: expected one of the two", o->until);
  if (o->size < 0 || o->size > 32768)
    return kohl_fail(j->ctx, KOHL_USAGE, "--size: value %d, expected 0 to 32768", o->size);
  return KOHL_OK;
}

/* Without an architecture: the network is the file's own, the arithmetic that of the preset's name in any family. */
static kohl_status use_config(job *j) {
  const char *name = j->options->preset;
  j->config = j->source.h5 ? kohl_keras_h5_config(j->source.h5) : NULL;
  if (!j->config)
    return kohl_fail(j->ctx, KOHL_USAGE, "%s: the architecture is not given (--arch) and the file does not describe it",
                     j->path);
  for (size_t i = 0; name && !j->preset && kohl_arch_at(i); i++)
    if (kohl_preset_find(j->ctx, kohl_arch_at(i)->name, name, &j->preset) != KOHL_OK) j->preset = NULL;
  if (j->preset) return KOHL_OK;
  return kohl_fail(j->ctx, KOHL_USAGE,
                   "%s: --preset '%s', expected whose pictures the network was trained on: keras (p/127.5 - 1), nsfwjs "
                   "(p/255), torchvision or keras-caffe",
                   j->path, name ? name : "");
}

static kohl_status open_file(job *j) {
  kohl_status status = kohl_source_open(j->ctx, j->path, &j->source);
  if (status) return status;
  if (j->source.safetensors && kohl_safetensors_metadata_find(j->source.safetensors, "kohl"))
    return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: is already a kohl model", j->path);
  if (!j->options->arch) return use_config(j);
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
  if (j->config) return kohl_keras_config_read(j->ctx, j->path, j->config, j->options->size, &j->whole);
  kohl_arch_options options = j->preset->options;
  const char *const *head = j->preset->head;
  int layers = kohl_preset_head_count(j->preset), found = outputs(j, head[layers - 1], options.classes);
  if (j->preset->background && found == j->preset->options.classes) j->drop = 1;
  options.classes = found - j->drop;
  if (j->options->size) options.height = options.width = j->options->size;
  if (strcmp(j->arch, "inception_v3") == 0) {
    options.head_count = layers - 1;
    for (int i = 0; i < options.head_count; i++) options.head_widths[i] = outputs(j, head[i], 1);
  }
  return kohl_arch_build(j->ctx, j->arch, &options, &j->whole);
}

/* The model's graph: all of it, or up to the layer that the caller asked for. */
static kohl_status cut(job *j, kohl_graph **out) {
  int last = (int)j->whole->count - 1;
  if (j->options->no_top) last = j->whole->base_output;
  if (last < 0) return kohl_fail(j->ctx, KOHL_USAGE, "%s: --no-top: the network has no head; --until LAYER", j->path);
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
      .source = &j->source,
      .info = source,
      .drop = kohl_keras_match_is_classes(match, j->model->graph, weight->node) ? (size_t)j->drop : 0,
      .dst = weight->owned,
      .least = variance ? -j->model->graph->nodes[weight->node].params.epsilon : -INFINITY,
  };
  return kohl_values_read(j->ctx, &values, buffer, buffer_count);
}

/* By names; a .h5 file whose names do not fit also by order, as Keras reads it.  If neither fits, what is wrong with
 * the names says more. */
static kohl_status match_weights(job *j, const kohl_keras_match *match, const kohl_tensor_info **sources) {
  char text[KOHL_ERROR_TEXT];
  kohl_status status = kohl_keras_match_weights(j->ctx, match, j->model, &j->names, sources);
  if (status != KOHL_BAD_INPUT || !j->source.h5) return status;
  snprintf(text, sizeof text, "%s", kohl_context_error(j->ctx));
  status = kohl_keras_order_rename(j->ctx, match, j->model->graph, &j->names);
  if (!status) status = kohl_keras_match_weights(j->ctx, match, j->model, &j->names, sources);
  if (!status)
    kohl_log(j->ctx, KOHL_LOG_WARNING, "%s: names differ from %s's, layers are taken in the file's order", j->path,
             match->arch);
  return status == KOHL_BAD_INPUT ? kohl_fail(j->ctx, status, "%s", text) : status;
}

static kohl_status read_weights(job *j) {
  const kohl_tensor_info **sources = NULL;
  float *buffer = NULL;
  size_t row = KOHL_VALUES_BUFFER; /* floats: the longest step, at least the usual block */
  kohl_keras_match match = {j->path, j->arch, j->preset, j->whole, j->options->until || j->options->no_top, j->drop};
  kohl_status status =
      kohl_alloc(j->ctx, j->model->weight_count, sizeof *sources, "the list of tensors", (void *)&sources);
  if (!status) status = match_weights(j, &match, sources);
  for (size_t i = 0; i < j->model->weight_count && !status; i++) {
    size_t step = kohl_source_step(&j->source, sources[i]);
    if (step > row) row = step;
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
  bool many = last->layer == KOHL_LAYER_sigmoid;
  if (!many && last->layer != KOHL_LAYER_softmax) {
    if (!j->options->labels_path) return KOHL_OK;
    return kohl_fail(j->ctx, KOHL_USAGE, "%s: labels for a network that ends at '%s', expected softmax or sigmoid",
                     j->options->labels_path, last->name);
  }
  kohl_status status = kohl_labels_read(j->ctx, j->options->labels_path, count, &labels);
  if (status) return status;
  if (!j->options->labels_path)
    kohl_log(j->ctx, KOHL_LOG_INFO, "%s: no labels given, the classes are called 0 to %zu", j->path, count - 1);
  j->model->task = many ? KOHL_TASK_MANY_LABELS : KOHL_TASK_ONE_LABEL;
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
  const kohl_safetensors_text *text =
      j->source.safetensors ? kohl_safetensors_metadata_find(j->source.safetensors, "source") : NULL;
  kohl_json_writer writer;
  kohl_json_write_begin(&writer, j->ctx);
  kohl_json_write_object_begin(&writer);
  kohl_json_write_key(&writer, "source");
  kohl_json_write_string(&writer, slash ? slash + 1 : j->path);
  kohl_json_write_key(&writer, "source_crc32c");
  kohl_json_write_string(&writer, digits);
  kohl_json_write_key(&writer, "arch");
  kohl_json_write_string(&writer, j->arch);
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

static kohl_status set_preprocessing(job *j) {
  const int *size = j->model->graph->nodes[0].params.size; /* h, w, c */
  if (size[2] != 3)
    return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: the network's input has %d channels, expected 3", j->path, size[2]);
  j->model->preprocessing = kohl_preset_preprocessing(j->preset, size[1]);
  j->model->preprocessing.fit.h = size[0];
  return KOHL_OK;
}

static kohl_status run(job *j) {
  const kohl_convert_options *o = j->options;
  kohl_graph *graph = NULL;
  kohl_status status = check_options(j);
  if (!status) status = open_file(j);
  if (!status)
    status = kohl_keras_names_read(j->ctx, j->path, &j->source, j->arch, j->config ? NULL : j->preset,
                                   !o->until && !o->no_top, &j->names);
  if (!status) status = build_whole(j);
  if (!status) status = cut(j, &graph);
  if (!status) status = kohl_model_create(j->ctx, graph, &j->model);
  if (!status) status = read_weights(j);
  if (!status) status = set_labels(j);
  if (!status) status = set_provenance(j);
  return status ? status : set_preprocessing(j);
}

kohl_status kohl_convert_read(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_model **out) {
  job j = {.ctx = ctx, .path = in_path, .options = options};
  *out = NULL;
  kohl_status status = run(&j);
  kohl_keras_names_free(ctx, &j.names);
  kohl_source_close(ctx, &j.source);
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
