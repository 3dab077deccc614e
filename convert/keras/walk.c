/* Layers of nested models in order; see walk.h.  {"class_name": "Sequential" | "Functional" | "Model", "config":
 * {"name", "layers": [{"class_name", "config": {"name", ...}, "inbound_nodes"}]}}, a model inside being a layer too. */
#include "convert/keras/walk.h"

#include <stdio.h>
#include <string.h>

#include "nn/graph.h"

static bool is_sequential(const char *class) { return strcmp(class, "Sequential") == 0; }

static bool is_model(const char *class) {
  return is_sequential(class) || strcmp(class, "Functional") == 0 || strcmp(class, "Model") == 0;
}

/* Takes a model's list of layers, the current layer being the model. */
static kohl_status open_model(kohl_keras_walk *walk) {
  kohl_json_range layers = walk->config; /* the oldest Sequential is a list itself */
  kohl_status status = KOHL_OK;
  if (walk->depth == KOHL_KERAS_MODELS)
    return kohl_fail(walk->ctx, KOHL_BAD_INPUT,
                     "field 'class_name': value '%s', expected at most %d models in each other",
                     kohl_quote(walk->class, strlen(walk->class)).text, KOHL_KERAS_MODELS);
  if (walk->config.text && walk->config.text[0] == '{')
    status = kohl_json_field(walk->ctx, walk->config, "layers", &layers);
  if (status) return status;
  if (!layers.text || layers.text[0] != '[')
    return kohl_fail(walk->ctx, KOHL_BAD_INPUT, "field 'layers': value '', expected a list");
  kohl_keras_model *model = &walk->models[walk->depth++];
  model->layer = walk->layer;
  model->config = walk->config;
  model->sequential = is_sequential(walk->class);
  memcpy(model->name, walk->name, sizeof model->name);
  memcpy(model->class, walk->class, sizeof model->class);
  kohl_json_open(&model->json, walk->ctx, layers.text, layers.length);
  kohl_json_next(&model->json);
  return KOHL_OK;
}

/* The fields that every layer has. */
static kohl_status read_fields(kohl_keras_walk *walk) {
  snprintf(walk->name, sizeof walk->name, "%zu", walk->read); /* until its name is known */
  walk->class[0] = 0;
  kohl_status status = kohl_json_field_text(walk->ctx, walk->layer, "class_name", walk->class);
  return status ? status : kohl_json_field(walk->ctx, walk->layer, "config", &walk->config);
}

kohl_status kohl_keras_walk_open(kohl_context *ctx, kohl_keras_walk *walk, const char *json) {
  walk->ctx = ctx;
  walk->depth = 0;
  walk->read = 0;
  walk->layer = (kohl_json_range){json, strlen(json)};
  kohl_status status = read_fields(walk);
  if (status) return status;
  walk->name[0] = 0;
  if (is_model(walk->class)) return open_model(walk);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'class_name': value '%s', expected Sequential, Functional or Model",
                   kohl_quote(walk->class, strlen(walk->class)).text);
}

static void close_model(kohl_keras_walk *walk) {
  const kohl_keras_model *model = &walk->models[--walk->depth];
  walk->layer = model->layer;
  walk->config = model->config;
  memcpy(walk->name, model->name, sizeof walk->name);
  memcpy(walk->class, model->class, sizeof walk->class);
  kohl_json_close(&walk->models[walk->depth].json);
}

void kohl_keras_walk_close(kohl_keras_walk *walk) {
  while (walk->depth > 0) close_model(walk);
}

kohl_status kohl_keras_walk_next(kohl_keras_walk *walk, kohl_keras_event *event) {
  bool more;
  *event = KOHL_KERAS_END;
  kohl_status status = kohl_json_element(&walk->models[walk->depth - 1].json, &walk->layer, &more);
  if (status) return status;
  if (!more) {
    close_model(walk);
    return KOHL_OK;
  }
  if (walk->read++ == KOHL_GRAPH_NODES)
    return kohl_fail(walk->ctx, KOHL_BAD_INPUT, "field 'layers': more than %d layers", KOHL_GRAPH_NODES);
  status = read_fields(walk);
  if (!status && !walk->config.text)
    status = kohl_fail(walk->ctx, KOHL_BAD_INPUT, "field 'config': value '', expected an object");
  *event = is_model(walk->class) ? KOHL_KERAS_BEGIN : KOHL_KERAS_LAYER;
  if (!status && walk->config.text[0] == '{')
    status = kohl_json_field_text(walk->ctx, walk->config, "name", walk->name);
  return status || *event == KOHL_KERAS_LAYER ? status : open_model(walk);
}
