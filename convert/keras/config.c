/* model_config to a graph; see config.h.  {"class_name": "Sequential" | "Functional" | "Model", "config":
 * {"layers": [{"class_name", "config": {"name", ...}, "inbound_nodes"}], "output_layers"}}.  What a field means stands
 * in Keras's documentation of the layer; anything that we could only compute differently is refused. */
#include "convert/keras/config.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "convert/base.h"
#include "convert/keras/layers.h"
#include "convert/keras/walk.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

enum { WORKED_ON = INT_MIN /* in place of the input's index, once the input is scaled for all */ };

/* What a layer of a model gives: its Keras name, and what r->last was behind it. */
typedef struct output {
  char name[KOHL_JSON_WORD];
  int node;
} output;

/* A model that is open. */
typedef struct scope {
  size_t first; /* of its outputs */
  int given;    /* what the model is used on, or KOHL_KERAS_NOTHING */
  int inputs;   /* input layers so far */
} scope;

typedef struct reader {
  kohl_keras_reader r;
  kohl_keras_walk walk;
  const kohl_keras_places *places;
  size_t next_place;
  output *outputs;
  size_t count, capacity;
  scope scopes[KOHL_KERAS_MODELS];
} reader;

/* The output of a layer of the innermost model. */
static int find_output(const reader *me, const char *name, size_t length) {
  for (size_t i = me->count; i-- > me->scopes[me->walk.depth - 1].first;)
    if (strlen(me->outputs[i].name) == length && memcmp(me->outputs[i].name, name, length) == 0)
      return me->outputs[i].node;
  return KOHL_KERAS_NOTHING;
}

static kohl_status add_output(reader *me, const char *name) {
  kohl_status status =
      kohl_grow(me->r.ctx, &me->outputs, &me->capacity, me->count + 1, sizeof *me->outputs, "outputs of layers");
  if (status) return status;
  output *out = &me->outputs[me->count++];
  snprintf(out->name, sizeof out->name, "%s", name);
  out->node = me->r.last;
  return KOHL_OK;
}

/* The layers that a value refers to: every array that begins with a text, ["conv2d", 0, 0], in all of Keras's notations
 * (Keras 3 has it under "keras_history").  calls counts the array's own elements. */
static kohl_status find_inputs(reader *me, const char *field, kohl_json_range value, int *inputs, int *count,
                               int *calls) {
  kohl_json json;
  kohl_status status = KOHL_OK;
  kohl_json_event before = KOHL_JSON_END;
  *count = *calls = 0;
  kohl_json_open(&json, me->r.ctx, value.text, value.length);
  while (!status && kohl_json_next(&json) != KOHL_JSON_END) {
    if (json.event == KOHL_JSON_ERROR) {
      status = json.status;
    } else if (json.event == KOHL_JSON_STRING && before == KOHL_JSON_ARRAY_BEGIN) {
      int node = find_output(me, json.text, json.text_length);
      if (node == KOHL_KERAS_NOTHING || node == WORKED_ON || *count == KOHL_NODE_INPUTS)
        status = kohl_fail(me->r.ctx, KOHL_BAD_INPUT, "field '%s': '%s', expected at most %d layers that come before%s",
                           field, kohl_quote(json.text, json.text_length).text, KOHL_NODE_INPUTS,
                           node == WORKED_ON ? ", none of the input before it is scaled" : "");
      else
        inputs[(*count)++] = node;
    }
    *calls += json.depth == 2 && (json.event == KOHL_JSON_ARRAY_BEGIN || json.event == KOHL_JSON_OBJECT_BEGIN);
    before = json.event;
  }
  kohl_json_close(&json);
  return status;
}

/* What the current layer, of the model at a depth, is used on. */
static kohl_status read_inputs(reader *me, int depth, int *inputs, int *count) {
  int calls = 0;
  const kohl_keras_model *model = &me->walk.models[depth - 1];
  kohl_status status = kohl_json_field(me->r.ctx, me->walk.layer, "inbound_nodes", &me->r.inbound);
  inputs[0] = me->r.last;
  *count = 1;
  if (status || model->sequential) return status;
  *count = 0;
  if (me->r.inbound.text) status = find_inputs(me, "inbound_nodes", me->r.inbound, inputs, count, &calls);
  if (!status && calls != 1)
    status = kohl_fail(me->r.ctx, KOHL_BAD_INPUT, "field 'inbound_nodes': %d uses of the layer, expected one", calls);
  return status;
}

static bool is_taken(const reader *me, const char *name) {
  return kohl_keras_places_has(me->places, name) || kohl_graph_find(me->r.graph, name) >= 0;
}

/* A layer with weights is called as places.h says; another by its own name, or, where that is taken, with those of its
 * models and a number. */
static void choose_name(reader *me) {
  char *name = me->r.name;
  size_t length = 0, most = sizeof me->r.name;
  if (kohl_keras_places_class(me->walk.class) && me->next_place < me->places->count) {
    snprintf(name, most, "%s", me->places->items[me->next_place++].node);
    return;
  }
  snprintf(name, most, "%s", me->walk.name);
  if (!is_taken(me, name)) return;
  for (int i = 1; i < me->walk.depth; i++) {
    snprintf(name + length, most - length, "%s/", me->walk.models[i].name);
    length = strlen(name);
  }
  snprintf(name + length, most - length, "%s", me->walk.name);
  length = strlen(name);
  for (int i = 2; is_taken(me, name) && i < 10; i++) snprintf(name + length, most - length, "/%d", i);
}

/* The input of the whole network, or what a model inside is used on. */
static kohl_status read_input(reader *me) {
  scope *here = &me->scopes[me->walk.depth - 1];
  if (here->inputs++ > 0 || (here->given == KOHL_KERAS_NOTHING && me->r.graph->count > 0))
    return kohl_keras_layer_refuse(&me->r, "class_name", me->r.class, "one input");
  me->r.last = here->given;
  return here->given == KOHL_KERAS_NOTHING ? kohl_keras_layer_input(&me->r, me->r.name) : KOHL_OK;
}

static kohl_status read_layer(reader *me) {
  int inputs[KOHL_NODE_INPUTS], count = 0;
  bool affine = me->r.affine;
  const bool sequential = me->walk.models[me->walk.depth - 1].sequential;
  kohl_status status = KOHL_OK;
  choose_name(me);
  me->r.config = me->walk.config;
  memcpy(me->r.class, me->walk.class, sizeof me->r.class);
  if (strcmp(me->r.class, "InputLayer") == 0) {
    status = read_input(me);
  } else {
    if (sequential && me->r.last == KOHL_KERAS_NOTHING) status = kohl_keras_layer_input(&me->r, "input");
    if (!status) status = read_inputs(me, me->walk.depth, inputs, &count);
    if (!status) status = kohl_keras_layer_add(&me->r, inputs, count);
  }
  for (size_t i = 0; i < me->count && me->r.affine && !affine; i++)
    if (me->outputs[i].node == 0) me->outputs[i].node = WORKED_ON;
  return status ? status : add_output(me, me->walk.name);
}

/* A model that is used as a layer: its own names are seen inside only. */
static kohl_status begin_model(reader *me) {
  int inputs[KOHL_NODE_INPUTS], count = 0, depth = me->walk.depth;
  scope *inside = &me->scopes[depth - 1];
  *inside = (scope){me->count, me->r.last, 0};
  if (me->walk.models[depth - 2].sequential) return KOHL_OK;
  inside->first = me->scopes[depth - 2].first; /* its inputs are names outside */
  kohl_status status = read_inputs(me, depth - 1, inputs, &count);
  inside->first = me->count;
  if (!status && count != 1)
    status = kohl_fail(me->r.ctx, KOHL_BAD_INPUT, "field 'inbound_nodes': %d inputs of a model, expected one", count);
  if (!status) me->r.last = inside->given = inputs[0];
  return status;
}

/* Leaves a model: last becomes its one output; of a sequence that is the last layer's. */
static kohl_status end_model(reader *me) {
  int outputs[KOHL_NODE_INPUTS], count = 1, calls, depth = me->walk.depth;
  const kohl_keras_model *model = &me->walk.models[depth]; /* which the walk has left */
  kohl_json_range value = {0};
  kohl_status status = KOHL_OK;
  if (!model->sequential) status = kohl_json_field(me->r.ctx, me->walk.config, "output_layers", &value);
  me->walk.depth++; /* names are still those inside */
  if (!status && value.text) status = find_inputs(me, "output_layers", value, outputs, &count, &calls);
  me->walk.depth--;
  if (!status && count != 1)
    status = kohl_fail(me->r.ctx, KOHL_BAD_INPUT, "field 'output_layers': %d layers, expected one", count);
  if (!status && value.text) me->r.last = outputs[0];
  me->count = me->scopes[depth].first;
  return status || depth == 0 ? status : add_output(me, me->walk.name);
}

static kohl_status read_event(reader *me, bool *named) {
  kohl_keras_event event;
  kohl_status status = kohl_keras_walk_next(&me->walk, &event);
  *named = event != KOHL_KERAS_END || (!status && me->walk.depth > 0);
  if (status) return status;
  if (event == KOHL_KERAS_LAYER) return read_layer(me);
  return event == KOHL_KERAS_BEGIN ? begin_model(me) : end_model(me);
}

static kohl_status read_model(reader *me, const char *what, const char *json) {
  bool named = false;
  me->scopes[0].given = KOHL_KERAS_NOTHING;
  kohl_status status = kohl_keras_walk_open(me->r.ctx, &me->walk, json);
  while (!status && me->walk.depth > 0) status = read_event(me, &named);
  if (status == KOHL_BAD_INPUT && named) kohl_fail_prefix(me->r.ctx, "%s: layer '%s'", what, QUOTE(me->walk.name));
  if (!status && me->r.graph->count < 2)
    status = kohl_fail(me->r.ctx, KOHL_BAD_INPUT, "field 'layers': there are none");
  if (!status && me->r.last < 0)
    status = kohl_keras_layer_refuse(&me->r, "layers", "ZeroPadding2D", "another layer at the end");
  if (status == KOHL_BAD_INPUT && !named) kohl_fail_prefix(me->r.ctx, "%s", what);
  kohl_keras_walk_close(&me->walk);
  return status;
}

static void take_affine(const reader *me, kohl_source *source) {
  source->affine = me->r.affine;
  memcpy(source->input_scale, me->r.input_scale, sizeof source->input_scale);
  memcpy(source->input_shift, me->r.input_shift, sizeof source->input_shift);
}

kohl_status kohl_keras_config_read(kohl_context *ctx, kohl_source *source, const char *what, const char *json,
                                   const kohl_keras_places *places, int size, kohl_graph **out) {
  reader *me;
  *out = NULL;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *me, "a saved model's layers", &me);
  if (status) return status;
  me->places = places;
  me->r.ctx = ctx;
  me->r.size = size;
  me->r.last = KOHL_KERAS_NOTHING;
  status = kohl_graph_create(ctx, "keras", &me->r.graph);
  if (!status) status = read_model(me, what, json);
  if (!status) status = kohl_graph_cut(ctx, me->r.graph, me->r.last, NULL, out);
  if (!status) (*out)->base_output = kohl_convert_base(*out);
  if (!status) take_affine(me, source);
  kohl_graph_destroy(ctx, me->r.graph);
  kohl_free(ctx, me->r.pads);
  kohl_free(ctx, me->outputs);
  kohl_free(ctx, me);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s", source->path);
  return status;
}

kohl_status kohl_keras_config_build(kohl_context *ctx, kohl_source *source, const char *what, const char *json,
                                    int size, kohl_graph **out) {
  kohl_keras_places places = {0};
  *out = NULL;
  kohl_status status = kohl_keras_places_read(ctx, json, &places);
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(ctx, "%s: %s", source->path, what);
  if (!status) status = kohl_keras_config_read(ctx, source, what, json, &places, size, out);
  kohl_keras_places_free(ctx, &places);
  return status;
}
