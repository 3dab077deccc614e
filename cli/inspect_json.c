/* A model as one JSON object. */
#include "cli/inspect_json.h"

#include <string.h>

#include "cli/json.h"
#include "cli/network.h"
#include "nn/preprocessing_json.h"

/* Copies one JSON value, event by event. */
static void copy_value(kohl_json *json, kohl_json_writer *w) {
  int depth = 0;
  do {
    int64_t whole;
    double number;
    switch (kohl_json_next(json)) {
      case KOHL_JSON_OBJECT_BEGIN: kohl_json_write_object_begin(w), depth++; break;
      case KOHL_JSON_OBJECT_END: kohl_json_write_object_end(w), depth--; break;
      case KOHL_JSON_ARRAY_BEGIN: kohl_json_write_array_begin(w), depth++; break;
      case KOHL_JSON_ARRAY_END: kohl_json_write_array_end(w), depth--; break;
      case KOHL_JSON_KEY: kohl_json_write_key_n(w, json->text, json->text_length); break;
      case KOHL_JSON_STRING: kohl_json_write_string_n(w, json->text, json->text_length); break;
      case KOHL_JSON_NUMBER_VALUE:
        if (!memchr(json->text, '.', json->text_length) && !memchr(json->text, 'e', json->text_length) &&
            !memchr(json->text, 'E', json->text_length) && kohl_json_get_int64(json, &whole) == KOHL_OK) {
          kohl_json_write_int64(w, whole);
        } else if (kohl_json_get_double(json, &number) == KOHL_OK) {
          kohl_json_write_double(w, number);
        }
        break;
      case KOHL_JSON_TRUE: kohl_json_write_bool(w, true); break;
      case KOHL_JSON_FALSE: kohl_json_write_bool(w, false); break;
      case KOHL_JSON_NULL: kohl_json_write_null(w); break;
      default: return;
    }
  } while (depth > 0);
}

static void write_layers(kohl_json_writer *w, const kohl_graph *graph) {
  kohl_json_write_key(w, "layers");
  kohl_json_write_array_begin(w);
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    char text[160];
    kohl_node_describe(node, text, sizeof text);
    kohl_json_write_object_begin(w);
    cli_json_text(w, "name", node->name);
    cli_json_text(w, "layer", kohl_layer_name(node->layer));
    cli_json_text(w, "description", text);
    kohl_json_write_key(w, "inputs");
    kohl_json_write_array_begin(w);
    for (int j = 0; j < node->input_count; j++) kohl_json_write_string(w, graph->nodes[node->inputs[j]].name);
    kohl_json_write_array_end(w);
    cli_json_shape(w, "output", node->shape);
    cli_json_count(w, "parameters", cli_node_parameters(graph, node));
    kohl_json_write_key(w, "trainable");
    kohl_json_write_bool(w, node->trainable);
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
}

/* "labels", and "thresholds" of many. */
static void write_labels(kohl_json_writer *w, const kohl_model_head *head) {
  kohl_json_write_key(w, "labels");
  kohl_json_write_array_begin(w);
  for (size_t i = 0; i < head->label_count; i++) kohl_json_write_string(w, head->labels[i]);
  kohl_json_write_array_end(w);
  if (head->task != KOHL_TASK_MANY_LABELS) return;
  kohl_json_write_key(w, "thresholds");
  kohl_json_write_array_begin(w);
  for (size_t i = 0; i < head->label_count; i++)
    kohl_json_write_float(w, head->thresholds ? head->thresholds[i] : 0.5f);
  kohl_json_write_array_end(w);
}

int cli_inspect_json(cli *c, const char *path, const kohl_model *model) {
  const kohl_graph *graph = model->graph;
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "file", path);
  cli_json_text(&w, "arch", graph->arch);
  cli_json_text(&w, "task", kohl_model_task_name(model->task));
  cli_json_count(&w, "tensors", model->weight_count);
  cli_json_count(&w, "parameters", cli_graph_parameters(graph));
  if (graph->base_output >= 0) cli_json_text(&w, "base_output", graph->nodes[graph->base_output].name);
  const kohl_model_head first = kohl_model_head_at(model, 0);
  write_labels(&w, &first);
  if (model->more_count) {
    cli_json_text(&w, "head", first.layer);
    kohl_json_write_key(&w, "heads");
    kohl_json_write_object_begin(&w);
    for (size_t h = 1; h < kohl_model_heads(model); h++) {
      const kohl_model_head head = kohl_model_head_at(model, h);
      kohl_json_write_key(&w, head.layer);
      kohl_json_write_object_begin(&w);
      cli_json_text(&w, "task", kohl_model_task_name(head.task));
      write_labels(&w, &head);
      kohl_json_write_object_end(&w);
    }
    kohl_json_write_object_end(&w);
  }
  kohl_json_write_key(&w, "preprocessing");
  kohl_preprocessing_write_json(&model->preprocessing, &w);
  kohl_json_write_key(&w, "provenance");
  kohl_json json;
  kohl_json_open(&json, c->ctx, model->provenance, strlen(model->provenance));
  copy_value(&json, &w);
  kohl_json_close(&json);
  write_layers(&w, graph);
  kohl_json_write_object_end(&w);
  return cli_print_json(c, &w);
}
