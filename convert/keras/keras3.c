/* Keras 3's tree of objects; see keras3.h.  A list of groups takes the place of recursion; as every link of a file
 * takes bytes of its own, names that are longer than the file come from a group that is linked inside itself. */
#include "convert/keras/keras3.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/json.h"
#include "nn/keys.h"

enum {
  NAME = KOHL_SAFETENSORS_NAME,
  MOST_GROUPS = 65536,
  MOST_PATH = 2 * NAME,  /* of an object; with "/vars/12" it is a path of hdf5.h */
  MOST_VARIABLES = 1024, /* of an object */
  SPARE = 8 << 20        /* bytes of paths that a small file may have above its own size */
};

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

typedef struct object {
  char *path; /* "/layers/conv2d_5", owned */
  bool has_variables;
} object;

typedef struct tree {
  kohl_context *ctx;
  kohl_source *source;
  kohl_hdf5 *file;
  object *objects;
  size_t count, capacity;
  size_t name_bytes, path_bytes; /* listed so far */
} tree;

static kohl_status add_object(tree *t, const char *parent, const char *name) {
  char path[MOST_PATH + 1];
  if (t->count == MOST_GROUPS)
    return kohl_fail(t->ctx, KOHL_BAD_INPUT, "%s: more than %d groups", t->source->path, MOST_GROUPS);
  if (snprintf(path, sizeof path, "%s/%s", parent, name) >= (int)sizeof path)
    return kohl_fail(t->ctx, KOHL_BAD_INPUT, "%s: '%s': a path of more than %d bytes", t->source->path, QUOTE(parent),
                     MOST_PATH);
  t->path_bytes += strlen(path) + 1;
  if (t->path_bytes > kohl_hdf5_bytes(t->file) + SPARE)
    return kohl_fail(t->ctx, KOHL_BAD_INPUT, "%s: '%s': the groups' paths are longer than the file", t->source->path,
                     QUOTE(path));
  kohl_status status =
      kohl_grow(t->ctx, &t->objects, &t->capacity, t->count + 1, sizeof *t->objects, "groups of a Keras file");
  if (!status) status = kohl_strdup(t->ctx, path, &t->objects[t->count].path);
  t->count += !status;
  return status;
}

/* What is no layer's: the optimizer's and the metrics' state, and of random layers. */
static bool is_ignored(const char *name) {
  static const char *const names[] = {"optimizer", "seed_generator", "compile_metrics", "metrics", "_metrics"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

/* The objects below a group; a dataset has none. */
static kohl_status visit(tree *t, size_t index) {
  kohl_hdf5_texts links = {0};
  const char *path = t->objects[index].path; /* stays where it is when the list grows */
  kohl_status status = kohl_hdf5_list(t->ctx, t->file, path, NAME, &links);
  for (size_t i = 0; i < links.count && !status; i++) {
    const char *name = links.text[i];
    t->name_bytes += strlen(name) + 1;
    if (t->name_bytes > kohl_hdf5_bytes(t->file))
      status = kohl_fail(t->ctx, KOHL_BAD_INPUT, "%s: '%s': the groups' names are longer than the file",
                         t->source->path, QUOTE(path));
    else if (strcmp(name, "vars") == 0)
      t->objects[index].has_variables = true;
    else if (!is_ignored(name))
      status = add_object(t, path, name);
  }
  kohl_hdf5_texts_free(t->ctx, &links);
  return status ? status : kohl_check_cancel(t->ctx);
}

/* All objects: below "layers", as it was called in TensorFlow 2.13 too, or, of a model that is a class of its own,
 * below its attributes. */
static kohl_status collect(tree *t) {
  static const char *const roots[] = {"/layers", "/_layer_checkpoint_dependencies"};
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < sizeof roots / sizeof roots[0] && !status && t->count == 0; i++) {
    kohl_hdf5_kind kind;
    status = kohl_hdf5_find(t->ctx, t->file, roots[i], &kind);
    if (!status && kind == KOHL_HDF5_GROUP) status = add_object(t, "", roots[i] + 1);
  }
  if (!status && t->count == 0) {
    status = kohl_grow(t->ctx, &t->objects, &t->capacity, 1, sizeof *t->objects, "groups of a Keras file");
    if (!status) status = kohl_strdup(t->ctx, "", &t->objects[0].path);
    t->count = !status;
  }
  for (size_t i = 0; i < t->count && !status; i++) status = visit(t, i);
  return status;
}

/* A step of a path: its length, that of its class ("conv2d" of "conv2d_12"), and its number. */
typedef struct step {
  size_t length, class_length;
  unsigned long number;
} step;

static step read_step(const char *text) {
  step s = {.length = strcspn(text, "/")};
  size_t at = s.length;
  while (at > 0 && s.length - at < 9 && text[at - 1] >= '0' && text[at - 1] <= '9') at--;
  bool numbered = at > 1 && at < s.length && text[at - 1] == '_' && text[at] != '0';
  s.class_length = numbered ? at - 1 : s.length;
  s.number = numbered ? strtoul(text + at, NULL, 10) : 0;
  return s;
}

/* Step by step: what has more steps first, then by class, then by number. */
static int compare_paths(const char *a, const char *b) {
  while (*a && *b) {
    step x = read_step(++a), y = read_step(++b); /* behind their slashes */
    size_t least = x.class_length < y.class_length ? x.class_length : y.class_length;
    bool leaf_x = a[x.length] == 0, leaf_y = b[y.length] == 0;
    if (leaf_x != leaf_y) return leaf_x ? 1 : -1;
    int order = memcmp(a, b, least);
    if (order) return order;
    if (x.class_length != y.class_length) return x.class_length < y.class_length ? -1 : 1;
    if (x.number != y.number) return x.number < y.number ? -1 : 1;
    a += x.length;
    b += y.length;
  }
  return (*a != 0) - (*b != 0);
}

static int compare_objects(const void *a, const void *b) {
  return compare_paths(((const object *)a)->path, ((const object *)b)->path);
}

/* What an object's variables are, by its class and, where that is unknown, by their shapes.  Of a batch-norm with three
 * it is beta that Keras's own networks keep; that gamma is kept instead only its configuration can tell. */
static void name_weights(const char *path, const kohl_keras_place *place, kohl_source_tensor *tensors, size_t count) {
  static const char *const kernel[] = {"weight", "bias"};
  static const char *const norm[] = {"gamma", "beta", "mean", "variance"};
  const char *last = strrchr(path, '/') + 1;
  step s = read_step(last);
  bool is_norm =
      s.class_length == strlen("batch_normalization") && strncmp(last, "batch_normalization", s.class_length) == 0;
  if (is_norm || count == 4) {
    for (size_t i = 0; i < count; i++)
      if (tensors[i].info.dims != 1) return;
    for (size_t i = 0; i < count && count >= 2 && count <= 4; i++) tensors[i].suffix = norm[4 - count + i];
    if (count == 3 && place && place->gamma && !place->beta) tensors[0].suffix = "gamma";
  } else if (count <= 2) {
    if (tensors[0].info.dims < 2 || (count == 2 && tensors[1].info.dims != 1)) return;
    for (size_t i = 0; i < count; i++) tensors[i].suffix = kernel[i];
  }
}

/* The number of variables of an object; their names are "0", "1", ... */
static kohl_status count_variables(tree *t, const char *path, size_t *count) {
  kohl_hdf5_texts links = {0};
  bool seen[MOST_VARIABLES] = {false}, good;
  kohl_status status = kohl_hdf5_list(t->ctx, t->file, path, NAME, &links);
  *count = links.count;
  good = links.count <= MOST_VARIABLES;
  for (size_t i = 0; i < links.count && good; i++) {
    const char *name = links.text[i];
    size_t digits = strspn(name, "0123456789");
    unsigned long number = digits && digits < 6 && !name[digits] ? strtoul(name, NULL, 10) : ULONG_MAX;
    good = number < links.count && !seen[number] && (name[0] != '0' || digits == 1);
    if (good) seen[number] = true;
  }
  kohl_hdf5_texts_free(t->ctx, &links);
  if (status || good) return status;
  return kohl_fail(t->ctx, KOHL_BAD_INPUT, "%s: '%s': %zu variables, expected the names 0, 1, ... of at most %d",
                   t->source->path, QUOTE(path), *count, MOST_VARIABLES);
}

/* The name that Keras has written beside an object's variables, if it has. */
static kohl_status read_name(tree *t, const char *variables, char layer[MOST_PATH + 1]) {
  kohl_hdf5_texts texts = {0};
  kohl_status status = kohl_hdf5_texts_read(t->ctx, t->file, variables, "name", NAME, &texts);
  if (!status && texts.count == 1 && texts.text[0][0]) snprintf(layer, MOST_PATH + 1, "%s", texts.text[0]);
  kohl_hdf5_texts_free(t->ctx, &texts);
  return status;
}

static kohl_status add_variables(tree *t, const object *o) {
  char variables[MOST_PATH + 8], path[MOST_PATH + 32], layer[MOST_PATH + 1];
  size_t count, first = t->source->count;
  snprintf(variables, sizeof variables, "%s/vars", o->path);
  kohl_status status = count_variables(t, variables, &count);
  if (status || count == 0) return status;
  const kohl_keras_store *store = t->source->state;
  const kohl_keras_place *place = *o->path ? kohl_keras_places_object(&store->places, o->path + 1) : NULL;
  snprintf(layer, sizeof layer, "%s", *o->path ? o->path + 1 : "/");
  if (place)
    snprintf(layer, sizeof layer, "%s", place->node);
  else
    status = read_name(t, variables, layer);
  for (size_t i = 0; i < count && !status; i++) {
    snprintf(path, sizeof path, "%s/%zu", variables, i);
    status = kohl_keras_store_add(t->ctx, t->source, "", path, layer, NULL);
  }
  if (!status && *o->path) name_weights(o->path, place, &t->source->tensors[first], count);
  return status;
}

kohl_status kohl_keras3_read(kohl_context *ctx, kohl_source *source, bool *found) {
  kohl_keras_store *store = source->state;
  tree t = {.ctx = ctx, .source = source, .file = store->file};
  *found = false;
  kohl_status status = collect(&t);
  if (!status) kohl_heap_sort(t.objects, t.count, sizeof *t.objects, compare_objects);
  for (size_t i = 0; i < t.count && !status; i++) {
    *found |= t.objects[i].has_variables;
    if (t.objects[i].has_variables) status = add_variables(&t, &t.objects[i]);
    if (!status) status = kohl_check_cancel(ctx);
  }
  for (size_t i = 0; i < t.count; i++) kohl_free(ctx, t.objects[i].path);
  kohl_free(ctx, t.objects);
  if (status || !*found) return status;
  source->format = "Keras 3's weights";
  return kohl_keras_store_finish(ctx, source);
}
