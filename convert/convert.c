/* Foreign weights to a model file; see convert.h.  The order: what is it, whose arithmetic, which network, which tensor
 * is which weight, then the values.  Nothing large is allocated before all names and shapes agree. */
#include "convert/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert/choose.h"
#include "convert/keras/order.h"
#include "convert/labels.h"
#include "convert/match.h"
#include "convert/recognise.h"
#include "convert/values.h"

struct kohl_conversion {
  const char *path;
  const kohl_convert_options *options;
  kohl_source source;
  kohl_choice choice;
  kohl_names names;
  kohl_graph *whole;
  kohl_model *model;
  kohl_origin *origins; /* of the model's weights */
  int drop;             /* leading classes that are not taken */
};

typedef kohl_conversion job;

static kohl_status check_options(kohl_context *ctx, const kohl_convert_options *o) {
  if (o->no_top && o->until)
    return kohl_fail(ctx, KOHL_USAGE, "--no-top and --until %s: expected one of the two", o->until);
  if (o->size < 0 || o->size > 32768)
    return kohl_fail(ctx, KOHL_USAGE, "--size: value %d, expected 0 to 32768", o->size);
  return KOHL_OK;
}

/* The outputs of a head layer; `otherwise` when the file has none that could be it. */
static int outputs(const job *j, const char *layer, int otherwise) {
  const kohl_name *name = kohl_names_find(&j->names, layer, "weight");
  int64_t count = name ? kohl_name_outputs(name) : -1;
  return count >= 1 && count <= 1 << 20 ? (int)count : otherwise;
}

/* A network that ends in the logits of its classes gets the softmax that makes them probabilities. */
static kohl_status add_softmax(kohl_context *ctx, job *j) {
  const kohl_node *last = &j->whole->nodes[j->whole->count - 1];
  const kohl_params none = kohl_params_default();
  int index = (int)j->whole->count - 1;
  bool logits = (last->layer == KOHL_LAYER_dense || last->layer == KOHL_LAYER_flatten ||
                 last->layer == KOHL_LAYER_global_avg_pool) &&
                last->params.activation == KOHL_ACTIVATION_NONE && last->shape.h == 1 && last->shape.w == 1 &&
                last->shape.c > 1 && j->whole->base_output >= 0;
  if (!logits || j->options->until || j->options->no_top || kohl_graph_find(j->whole, "probabilities") >= 0)
    return KOHL_OK;
  kohl_log(ctx, KOHL_LOG_INFO, "%s: the network ends in logits, a softmax is added", j->path);
  kohl_status status = kohl_graph_add(ctx, j->whole, KOHL_LAYER_softmax, "probabilities", &none, &index, 1, &index);
  return status ? status : kohl_graph_infer(ctx, j->whole);
}

/* The whole network: what the preset says and the file's head shows. */
static kohl_status build_whole(kohl_context *ctx, job *j) {
  if (j->choice.described) {
    kohl_status status = j->source.call->graph(ctx, &j->source, j->options->size, &j->whole);
    return status ? status : add_softmax(ctx, j);
  }
  const kohl_preset *preset = j->choice.preset;
  kohl_arch_options options = preset->options;
  int layers = kohl_preset_head_count(preset), found = outputs(j, preset->head[layers - 1], options.classes);
  if (preset->background && found == preset->options.classes) j->drop = 1;
  options.classes = found - j->drop;
  if (j->options->size) options.height = options.width = j->options->size;
  if (strcmp(j->choice.arch, "inception_v3") == 0) {
    options.head_count = layers - 1;
    for (int i = 0; i < options.head_count; i++) options.head_widths[i] = outputs(j, preset->head[i], 1);
  }
  return kohl_arch_build(ctx, j->choice.arch, &options, &j->whole);
}

/* The model's graph: all of it, or up to the layer that the caller asked for. */
static kohl_status cut(kohl_context *ctx, job *j, kohl_graph **out) {
  int last = (int)j->whole->count - 1;
  if (j->options->no_top) last = j->whole->base_output;
  if (last < 0) return kohl_fail(ctx, KOHL_USAGE, "%s: --no-top: the network has no head; --until LAYER", j->path);
  if (j->options->until) {
    kohl_status status = kohl_graph_need(ctx, j->whole, "--until", j->options->until, &last);
    if (status) return status;
  }
  kohl_status status = kohl_graph_cut(ctx, j->whole, last, NULL, out);
  if (!status && (size_t)(*out)->base_output + 1 == (*out)->count) (*out)->base_output = -1; /* no head is left */
  return status;
}

/* By names; a file that says which layers its tensors belong to also by order, as Keras reads it.  If neither fits,
 * what is wrong with the names says more. */
static kohl_status match_weights(kohl_context *ctx, job *j) {
  char text[KOHL_ERROR_TEXT];
  const kohl_match match = {j->path,
                            j->choice.described ? j->whole->arch : j->choice.arch,
                            j->choice.preset,
                            j->whole,
                            j->options->until || j->options->no_top,
                            j->drop};
  kohl_status status = kohl_alloc(ctx, j->model->weight_count, sizeof *j->origins, "a list of tensors", &j->origins);
  if (!status) status = kohl_match_weights(ctx, &match, j->model, &j->names, j->origins);
  if (status != KOHL_BAD_INPUT || j->choice.described || j->source.count == 0 || !j->source.tensors[0].layer)
    return status;
  snprintf(text, sizeof text, "%s", kohl_context_error(ctx));
  status = kohl_keras_order_rename(ctx, &match, j->model->graph, &j->names);
  if (!status) status = kohl_match_weights(ctx, &match, j->model, &j->names, j->origins);
  if (!status)
    kohl_log(ctx, KOHL_LOG_WARNING, "%s: names differ from %s's, layers are taken in the file's order", j->path,
             match.arch);
  return status == KOHL_BAD_INPUT ? kohl_fail(ctx, status, "%s", text) : status;
}

/* Labels belong to a model that ends with its classes. */
static kohl_status set_labels(kohl_context *ctx, job *j) {
  const kohl_graph *graph = j->model->graph;
  const kohl_node *last = &graph->nodes[graph->count - 1];
  if (graph->count != j->whole->count) {
    if (!j->options->labels_path) return KOHL_OK;
    return kohl_fail(ctx, KOHL_USAGE, "%s: labels for a network that ends at '%s', expected none",
                     j->options->labels_path, last->name);
  }
  char **labels;
  size_t count = (size_t)last->shape.c;
  bool many = last->layer == KOHL_LAYER_sigmoid;
  if (!many && last->layer != KOHL_LAYER_softmax) {
    if (!j->options->labels_path) return KOHL_OK;
    return kohl_fail(ctx, KOHL_USAGE, "%s: labels for a network that ends at '%s', expected softmax or sigmoid",
                     j->options->labels_path, last->name);
  }
  kohl_status status = kohl_labels_read(ctx, j->options->labels_path, count, &labels);
  if (status) return status;
  if (!j->options->labels_path)
    kohl_log(ctx, KOHL_LOG_INFO, "%s: no labels given, the classes are called 0 to %zu", j->path, count - 1);
  j->model->task = many ? KOHL_TASK_MANY_LABELS : KOHL_TASK_ONE_LABEL;
  status = kohl_model_set_labels(ctx, j->model, (const char *const *)labels, count);
  kohl_labels_free(ctx, labels, count);
  return status;
}

static void write_field(kohl_json_writer *writer, const char *key, const char *text) {
  kohl_json_write_key(writer, key);
  kohl_json_write_string(writer, text);
}

static kohl_status set_provenance(kohl_context *ctx, job *j) {
  uint32_t crc;
  kohl_status status = kohl_format_crc32c(ctx, j->path, &crc);
  if (status) return status;
  char digits[9];
  snprintf(digits, sizeof digits, "%08x", crc);
  const char *slash = strrchr(j->path, '/');
  kohl_json_writer writer;
  kohl_json_write_begin(&writer, ctx);
  kohl_json_write_object_begin(&writer);
  write_field(&writer, "source", slash ? slash + 1 : j->path);
  write_field(&writer, "source_crc32c", digits);
  write_field(&writer, "format", j->source.format);
  write_field(&writer, "arch", j->whole->arch);
  write_field(&writer, "preset", j->choice.preset->name);
  if (j->source.source_text) write_field(&writer, "source_text", j->source.source_text);
  kohl_json_write_object_end(&writer);
  status = kohl_json_write_end(&writer);
  if (!status) status = kohl_model_set_provenance(ctx, j->model, writer.text);
  kohl_json_write_free(&writer);
  return status;
}

/* torchvision's transform_input: from its mean and std to p / 127.5 - 1. */
static bool is_transform_input(const kohl_source *source) {
  static const double scale[3] = {0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5};
  static const double shift[3] = {(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5};
  for (int c = 0; c < 3; c++) /* the file has them as f32 */
    if (fabs(source->input_scale[c] - scale[c]) > 1e-6 || fabs(source->input_shift[c] - shift[c]) > 1e-6) return false;
  return true;
}

/* (p * scale - mean) / std, and then what the network itself does first: a * x + b is another mean and std. */
static kohl_status set_preprocessing(kohl_context *ctx, job *j) {
  const int *size = j->model->graph->nodes[0].params.size; /* h, w, c */
  kohl_preprocessing *p = &j->model->preprocessing;
  if (size[2] != 3)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the network's input has %d channels, expected 3", j->path, size[2]);
  *p = kohl_preset_preprocessing(j->choice.preset, size[1]);
  p->fit.h = size[0];
  bool affine = j->choice.described && j->source.affine;
  if (affine && j->choice.preset->transform && is_transform_input(&j->source)) affine = false; /* it is in the preset */
  for (int c = 0; c < 3 && affine; c++) {
    double a = j->source.input_scale[c], b = j->source.input_shift[c], std = (double)p->std[c];
    double mean = (double)p->mean[c] - b * std / a;
    if (!(a > 0) || !isfinite((float)mean) || !isfinite((float)(std / a)) || !((float)(std / a) > 0))
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s: the network scales channel %d of its input by %g and adds %g, expected "
                       "a factor above 0",
                       j->path, c, a, b);
    p->mean[c] = (float)mean;
    p->std[c] = (float)(std / a);
  }
  return KOHL_OK;
}

static kohl_status prepare(kohl_context *ctx, job *j) {
  const kohl_convert_options *o = j->options;
  kohl_graph *graph = NULL;
  kohl_status status = check_options(ctx, o);
  if (!status) status = kohl_source_open(ctx, j->path, &j->source);
  if (!status) status = kohl_choose(ctx, &j->source, o, &j->choice);
  if (!status)
    status =
        kohl_names_read(ctx, &j->source, j->choice.arch, j->choice.naming,
                        j->choice.described ? NULL : j->choice.preset, !o->until && !o->no_top, o->averages, &j->names);
  if (!status) status = build_whole(ctx, j);
  if (!status) status = cut(ctx, j, &graph);
  if (!status) status = kohl_model_create(ctx, graph, &j->model);
  if (!status) status = match_weights(ctx, j);
  if (!status) status = set_labels(ctx, j);
  if (!status) status = set_provenance(ctx, j);
  return status ? status : set_preprocessing(ctx, j);
}

kohl_status kohl_convert_open(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_conversion **out) {
  job *j;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *j, "a conversion", &j);
  if (status) return status;
  j->path = in_path;
  j->options = options;
  status = prepare(ctx, j);
  if (status)
    kohl_convert_close(ctx, j);
  else
    *out = j;
  return status;
}

void kohl_convert_close(kohl_context *ctx, kohl_conversion *conversion) {
  if (!conversion) return;
  kohl_names_free(ctx, &conversion->names);
  kohl_source_close(ctx, &conversion->source);
  kohl_graph_destroy(ctx, conversion->whole);
  kohl_model_destroy(ctx, conversion->model);
  kohl_free(ctx, conversion->origins);
  kohl_free(ctx, conversion);
}

const kohl_model *kohl_convert_model(const kohl_conversion *conversion) { return conversion->model; }

/* A kohl_weight_reader; user is the conversion. */
static kohl_status read_weight(kohl_context *ctx, const kohl_model *model, const kohl_weight *weight, size_t first,
                               size_t count, float *out, void *user) {
  job *j = user;
  const kohl_origin *origin = &j->origins[weight - model->weights];
  const kohl_match match = {.preset = j->choice.preset};
  bool row = weight->spec.dims == 1, variance = strcmp(weight->spec.suffix, "variance") == 0;
  size_t drop = kohl_match_is_classes(&match, model->graph, weight->node) ? (size_t)j->drop : 0;
  const kohl_values values = {
      .source = &j->source,
      .index = origin->name->index,
      .layout = row ? (kohl_layout){false, false} : origin->name->layout,
      .outputs = (size_t)weight->spec.shape[0] + drop,
      .channels = (size_t)origin->inputs.c,
      .pixels = (size_t)origin->inputs.h * (size_t)origin->inputs.w,
      .from = drop + first,
      .take = count,
      .dst = out,
      .least = variance ? -model->graph->nodes[weight->node].params.epsilon : -INFINITY,
  };
  float *buffer;
  size_t room = kohl_values_block(&values);
  kohl_status status = kohl_alloc(ctx, room, sizeof *buffer, "a block of a tensor", &buffer);
  if (!status) status = kohl_values_read(ctx, &values, buffer, room);
  kohl_free(ctx, buffer);
  return status;
}

/* Bytes of values in memory at once: as many as the file's tensors have, since one that is read with its outputs last
 * is read anew for every part of them. */
static size_t budget(const kohl_source *source) {
  const size_t least = 32 << 20;
  size_t bytes = 0;
  for (size_t i = 0; i < source->count; i++)
    if (!kohl_add_size(bytes, source->tensors[i].info.bytes, &bytes)) return SIZE_MAX;
  return bytes > least ? bytes : least;
}

kohl_status kohl_convert_save(kohl_context *ctx, kohl_conversion *conversion, const char *out_path) {
  return kohl_model_save_from(ctx, conversion->model, read_weight, conversion, budget(&conversion->source), out_path);
}

kohl_status kohl_convert(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                         const char *out_path) {
  kohl_conversion *conversion;
  kohl_status status = kohl_convert_open(ctx, in_path, options, &conversion);
  if (!status) status = kohl_convert_save(ctx, conversion, out_path);
  kohl_convert_close(ctx, conversion);
  return status;
}

kohl_status kohl_convert_read(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_model **out) {
  kohl_conversion *conversion;
  *out = NULL;
  kohl_status status = kohl_convert_open(ctx, in_path, options, &conversion);
  if (status) return status;
  kohl_model *model = conversion->model;
  for (size_t i = 0; i < model->weight_count && !status; i++) {
    kohl_weight *weight = &model->weights[i];
    status = kohl_weight_own(ctx, weight);
    if (!status) status = read_weight(ctx, model, weight, 0, (size_t)weight->spec.shape[0], weight->owned, conversion);
  }
  if (!status) {
    *out = model;
    conversion->model = NULL;
  }
  kohl_convert_close(ctx, conversion);
  return status;
}
