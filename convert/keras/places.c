/* Names and places of layers with weights; see places.h.  Keras 3 counts the layers of a class in each model, in the
 * order of its list. */
#include "convert/keras/places.h"

#include <stdio.h>
#include <string.h>

#include "convert/keras/walk.h"
#include "nn/graph.h"

/* Classes of layers with weights and of models, and Keras 3's words for them. */
static const struct {
  const char *class, *word;
} classes[] = {
    {"Conv2D", "conv2d"},         {"Dense", "dense"},           {"BatchNormalization", "batch_normalization"},
    {"Sequential", "sequential"}, {"Functional", "functional"}, {"Model", "model"}};
enum { CLASSES = sizeof classes / sizeof classes[0], LAYERS = 3, PATH = KOHL_KERAS_MODELS * 48 };

typedef struct reader {
  kohl_context *ctx;
  kohl_keras_places *places;
  kohl_keras_walk walk;
  int counts[KOHL_KERAS_MODELS][CLASSES];  /* of each model that is open */
  char paths[KOHL_KERAS_MODELS + 1][PATH]; /* of their layers: "layers/", "layers/functional/layers/" */
} reader;

static int find_class(const char *class) {
  for (int i = 0; i < CLASSES; i++)
    if (strcmp(classes[i].class, class) == 0) return i;
  return -1;
}

bool kohl_keras_places_class(const char *class) {
  int i = find_class(class);
  return i >= 0 && i < LAYERS;
}

/* The path of the next object of a class in a model; fits, as a step has at most 48 bytes. */
static void next_object(reader *r, int model, int class, char path[PATH]) {
  char number[16] = "";
  int count = r->counts[model][class]++;
  if (count) snprintf(number, sizeof number, "_%d", count);
  snprintf(path, PATH, "%.*s%s%s", PATH - 48, r->paths[model], classes[class].word, number);
}

static kohl_status join_group(reader *r, const char *group, char **out) {
  size_t length = strlen(group), own = strlen(r->walk.name);
  kohl_status status = kohl_alloc(r->ctx, length + own + 2, 1, "a layer's name", out);
  if (status) return status;
  memcpy(*out, group, length);
  memcpy(*out + length + 1, r->walk.name, own);
  return KOHL_OK;
}

/* "<model>/<layer>", which takes the place of a name that another layer has. */
static void join_models(reader *r, char path[KOHL_NAME_TEXT]) {
  size_t length = 0;
  path[0] = 0;
  for (int i = 1; i < r->walk.depth; i++) {
    snprintf(path + length, KOHL_NAME_TEXT - length, "%s/", r->walk.models[i].name);
    length = strlen(path);
  }
  snprintf(path + length, KOHL_NAME_TEXT - length, "%s", r->walk.name);
}

/* node holds the long name until all are known. */
static kohl_status add_place(reader *r, int class) {
  kohl_keras_places *places = r->places;
  char path[PATH], name[KOHL_NAME_TEXT];
  kohl_status status =
      kohl_grow(r->ctx, &places->items, &places->capacity, places->count + 1, sizeof *places->items, "layers' names");
  if (status) return status;
  kohl_keras_place *place = &places->items[places->count++];
  place->gamma = place->beta = true;
  next_object(r, r->walk.depth - 1, class, path);
  join_models(r, name);
  status = kohl_strdup(r->ctx, path, &place->object);
  if (!status) status = kohl_strdup(r->ctx, name, &place->node);
  if (!status) status = kohl_strdup(r->ctx, r->walk.name, &place->layer);
  if (!status) status = join_group(r, r->walk.depth > 1 ? r->walk.models[1].name : r->walk.name, &place->group);
  if (!status) status = kohl_json_field_bool(r->ctx, r->walk.config, "scale", &place->gamma);
  if (!status) status = kohl_json_field_bool(r->ctx, r->walk.config, "center", &place->beta);
  return status;
}

static void begin_model(reader *r) {
  int model = r->walk.depth - 1, class = find_class(r->walk.class);
  char path[PATH];
  memset(r->counts[model], 0, sizeof r->counts[model]);
  next_object(r, model - 1, class, path);
  snprintf(r->paths[model], PATH, "%.*s/layers/", PATH - 16, path);
}

static kohl_status read_all(reader *r, const char *json) {
  kohl_keras_event event;
  kohl_status status = kohl_keras_walk_open(r->ctx, &r->walk, json);
  snprintf(r->paths[0], PATH, "layers/");
  while (!status && r->walk.depth > 0) {
    status = kohl_keras_walk_next(&r->walk, &event);
    if (status || event == KOHL_KERAS_END) continue;
    int class = find_class(r->walk.class);
    if (event == KOHL_KERAS_BEGIN)
      begin_model(r);
    else if (class >= 0)
      status = add_place(r, class);
  }
  kohl_keras_walk_close(&r->walk);
  return status;
}

static kohl_status make_keys(kohl_context *ctx, kohl_keras_places *places, kohl_key **keys) {
  return kohl_alloc(ctx, places->count, sizeof **keys, "layers' names", keys);
}

static bool same_text(const kohl_key *a, const kohl_key *b) {
  return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

/* Of layers of one name one has it for itself: that of the whole model's own list, else the first. */
static kohl_status choose_nodes(kohl_context *ctx, kohl_keras_places *places) {
  kohl_key *keys = places->nodes;
  for (size_t i = 0; i < places->count; i++)
    keys[i] = (kohl_key){places->items[i].layer, strlen(places->items[i].layer), i};
  kohl_keys_sort(keys, places->count);
  for (size_t i = 0, end; i < places->count; i = end) {
    bool outer = false;
    for (end = i; end < places->count && same_text(&keys[end], &keys[i]); end++)
      outer |= strcmp(places->items[keys[end].index].node, keys[i].text) == 0;
    kohl_keras_place *first = &places->items[keys[i].index];
    if (outer) continue;
    kohl_free(ctx, first->node);
    kohl_status status = kohl_strdup(ctx, first->layer, &first->node);
    if (status) return status;
  }
  return KOHL_OK;
}

static void sort_keys(kohl_keras_places *places) {
  for (size_t i = 0; i < places->count; i++) {
    const kohl_keras_place *place = &places->items[i];
    places->nodes[i] = (kohl_key){place->node, strlen(place->node), i};
    places->objects[i] = (kohl_key){place->object, strlen(place->object), i};
    places->groups[i] = (kohl_key){place->group, strlen(place->group) + 1 + strlen(place->layer), i};
  }
  kohl_keys_sort(places->nodes, places->count);
  kohl_keys_sort(places->objects, places->count);
  kohl_keys_sort(places->groups, places->count);
}

kohl_status kohl_keras_places_read(kohl_context *ctx, const char *json, kohl_keras_places *places) {
  reader *r;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *r, "a walk over layers", &r);
  if (status) return status;
  r->ctx = ctx;
  r->places = places;
  status = read_all(r, json);
  kohl_free(ctx, r);
  if (!status) status = make_keys(ctx, places, &places->nodes);
  if (!status) status = make_keys(ctx, places, &places->objects);
  if (!status) status = make_keys(ctx, places, &places->groups);
  if (!status) status = choose_nodes(ctx, places);
  if (status)
    kohl_keras_places_free(ctx, places);
  else
    sort_keys(places);
  return status;
}

void kohl_keras_places_free(kohl_context *ctx, kohl_keras_places *places) {
  for (size_t i = 0; i < places->count; i++) {
    kohl_free(ctx, places->items[i].node);
    kohl_free(ctx, places->items[i].layer);
    kohl_free(ctx, places->items[i].object);
    kohl_free(ctx, places->items[i].group);
  }
  kohl_free(ctx, places->items);
  kohl_free(ctx, places->nodes);
  kohl_free(ctx, places->objects);
  kohl_free(ctx, places->groups);
  *places = (kohl_keras_places){0};
}

const kohl_keras_place *kohl_keras_places_object(const kohl_keras_places *places, const char *path) {
  const kohl_key *key = kohl_keys_find(places->objects, places->count, path, strlen(path));
  return key ? &places->items[key->index] : NULL;
}

const kohl_keras_place *kohl_keras_places_group(const kohl_keras_places *places, const char *group, const char *layer) {
  char text[2 * KOHL_JSON_WORD];
  size_t length = strlen(group);
  if (length >= KOHL_JSON_WORD) return NULL;
  memcpy(text, group, length + 1);
  while (layer) {
    size_t own = strlen(layer);
    const kohl_key *key = NULL;
    if (own < KOHL_JSON_WORD) {
      memcpy(text + length + 1, layer, own);
      key = kohl_keys_find(places->groups, places->count, text, length + 1 + own);
    }
    if (key) return &places->items[key->index];
    const char *slash = strchr(layer, '/');
    layer = slash ? slash + 1 : NULL;
  }
  return NULL;
}

bool kohl_keras_places_has(const kohl_keras_places *places, const char *node) {
  return kohl_keys_find(places->nodes, places->count, node, strlen(node)) != NULL;
}
