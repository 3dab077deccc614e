/* The archive is read twice: for the models' texts, then for the shards of the one chosen; see package.h. */
#include "convert/tfjs/package.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/container/base64.h"
#include "convert/container/gzip_tar.h"
#include "convert/keras/config.h"
#include "convert/tfjs/model.h"
#include "convert/tfjs/module.h"

/* Of the 64 MiB that a small archive may cost: for shards, and for the texts of models, which cost ten times as much.
 */
enum { SPARE = 24 << 20, MOST_TEXT = 3 << 20 };

/* A member that describes a model. */
typedef struct candidate {
  char *name, *text;
  size_t length;
} candidate;

typedef struct package {
  kohl_context *ctx;
  const char *path;
  const uint8_t *bytes;
  size_t length, kept; /* bytes of members in memory */
  candidate models[KOHL_TFJS_MODELS];
  size_t count;
} package;

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static const char *base_name(const char *name) {
  const char *slash = strrchr(name, '/');
  return slash ? slash + 1 : name;
}

static bool is_model(const char *name) {
  static const char *const names[] = {"model.json", "model.js", "model.min.js"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(base_name(name), names[i]) == 0) return true;
  return false;
}

/* A member's bytes, the caller's; all that are kept stay within the archive's size. */
static kohl_status keep_member(package *p, kohl_gzip_tar *tar, const char *name, size_t length, size_t most,
                               uint8_t **out) {
  if (length > most || p->kept > most - length)
    return kohl_fail(p->ctx, KOHL_BAD_INPUT, "%s: member '%s' has %zu bytes, with which the model has more than %zu",
                     p->path, QUOTE(name), length, most);
  kohl_status status = kohl_alloc(p->ctx, length + 1, 1, "a member of an archive", out);
  if (status) return status;
  p->kept += length;
  return kohl_gzip_tar_read(tar, *out, length);
}

static kohl_status add_model(package *p, kohl_gzip_tar *tar, const char *name, size_t length) {
  if (p->count == KOHL_TFJS_MODELS)
    return kohl_fail(p->ctx, KOHL_BAD_INPUT, "%s: more than %d models", p->path, KOHL_TFJS_MODELS);
  for (size_t i = 0; i < p->count; i++)
    if (strcmp(p->models[i].name, name) == 0)
      return kohl_fail(p->ctx, KOHL_BAD_INPUT, "%s: member '%s' is there twice", p->path, QUOTE(name));
  candidate *model = &p->models[p->count++];
  model->length = length;
  kohl_status status = kohl_strdup(p->ctx, name, &model->name);
  return status ? status : keep_member(p, tar, name, length, MOST_TEXT, (uint8_t **)&model->text);
}

static kohl_status find_models(package *p) {
  kohl_gzip_tar *tar;
  const char *name;
  size_t length;
  kohl_status status = kohl_gzip_tar_open(p->ctx, p->path, p->bytes, p->length, &tar);
  while (!status && !(status = kohl_gzip_tar_next(tar, &name, &length)) && name)
    if (is_model(name)) status = add_model(p, tar, name, length);
  kohl_gzip_tar_close(tar);
  if (!status && !p->count)
    status = kohl_fail(p->ctx, KOHL_BAD_INPUT,
                       "%s: is an archive without a TF.js model (no member model.json, model.js or model.min.js); "
                       "unpack it and name a file of weights in it",
                       p->path);
  return status;
}

static size_t folders(const char *name) {
  size_t n = 0;
  for (; *name; name++) n += *name == '/';
  return n;
}

static int by_place(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  size_t m = folders(x->name), n = folders(y->name);
  return m != n ? (m < n ? -1 : 1) : strcmp(x->name, y->name);
}

/* The description of a candidate; *fits: its network can be built.  One that is not read is KOHL_BAD_INPUT. */
static kohl_status try_model(package *p, const candidate *model, kohl_tfjs_manifest *manifest, const char **ending,
                             bool *fits) {
  char *where;
  size_t room = strlen(p->path) + strlen(model->name) + 3;
  *fits = false;
  kohl_status status = kohl_alloc(p->ctx, room, 1, "the name of a member", &where);
  if (status) return status;
  snprintf(where, room, "%s: %s", p->path, model->name);
  status = kohl_tfjs_model_read(p->ctx, where, model->text, model->length, manifest, ending);
  if (!status && manifest->topology) {
    kohl_graph *graph = NULL;
    kohl_source source = {.path = where};
    status = kohl_keras_config_build(p->ctx, &source, "modelTopology", manifest->topology, 0, &graph);
    kohl_graph_destroy(p->ctx, graph);
    *fits = status == KOHL_OK;
    if (status == KOHL_BAD_INPUT) status = KOHL_OK;
  }
  kohl_free(p->ctx, where);
  return status;
}

/* The first that fits, else the only one that can be read; its number. */
static kohl_status choose(package *p, kohl_tfjs_manifest *manifest, const char **ending, size_t *chosen) {
  char refusal[KOHL_ERROR_TEXT] = "";
  size_t read = 0;
  *chosen = p->count;
  qsort(p->models, p->count, sizeof p->models[0], by_place);
  for (size_t i = 0; i < p->count; i++) {
    bool fits;
    kohl_tfjs_manifest_free(p->ctx, manifest);
    kohl_status status = try_model(p, &p->models[i], manifest, ending, &fits);
    if (status && status != KOHL_BAD_INPUT) return status;
    if (status && !refusal[0]) snprintf(refusal, sizeof refusal, "%s", kohl_context_error(p->ctx));
    if (status) continue;
    read++;
    *chosen = i;
    if (fits) return KOHL_OK;
  }
  if (!read) return kohl_fail(p->ctx, KOHL_BAD_INPUT, "%s", refusal);
  if (read > 1)
    return kohl_fail(p->ctx, KOHL_BAD_INPUT,
                     "%s: holds %zu TF.js models, none of a network that can be built here; unpack it and name one's "
                     "model.json or model.min.js",
                     p->path, read);
  bool fits; /* others came behind it */
  kohl_tfjs_manifest_free(p->ctx, manifest);
  return try_model(p, &p->models[*chosen], manifest, ending, &fits);
}

/* A shard by the name of its member. */
typedef struct wanted {
  const char *name;
  size_t index;
} wanted;

static int by_name(const void *a, const void *b) {
  return strcmp(((const wanted *)a)->name, ((const wanted *)b)->name);
}

/* Is it one of the shards?  Its folder and ending are the model's. */
static wanted *find_shard(const char *name, const char *model, const char *ending, wanted *list, size_t count) {
  char base[KOHL_TAR_NAME + 1];
  size_t folder = (size_t)(base_name(model) - model), n = strlen(name), tail = strlen(ending);
  if (n < folder + tail || strncmp(name, model, folder) != 0 || strcmp(name + n - tail, ending) != 0) return NULL;
  snprintf(base, sizeof base, "%.*s", (int)(n - folder - tail), name + folder);
  wanted key = {base, 0};
  return bsearch(&key, list, count, sizeof key, by_name);
}

/* Takes the base64 out of a member that is a module, where it lies. */
static kohl_status decode_shard(package *p, const char *name, kohl_tfjs_piece *piece) {
  size_t from, length;
  kohl_status status = kohl_tfjs_module_text(p->ctx, name, (const char *)piece->own, piece->length, &from, &length);
  if (!status) {
    status = kohl_base64_decode(p->ctx, (const char *)piece->own + from, length, piece->own, &piece->length);
    if (status) kohl_fail_prefix(p->ctx, "%s", QUOTE(name));
  }
  if (status) kohl_fail_prefix(p->ctx, "%s", p->path);
  return status;
}

static kohl_status read_shards(package *p, const candidate *model, const char *ending, wanted *list,
                               kohl_tfjs_pieces *pieces) {
  size_t most = p->length > (SIZE_MAX - SPARE) / 2 ? SIZE_MAX : 2 * p->length + SPARE, length;
  kohl_gzip_tar *tar;
  const char *name;
  p->kept = 0;
  kohl_status status = kohl_gzip_tar_open(p->ctx, p->path, p->bytes, p->length, &tar);
  while (!status && !(status = kohl_gzip_tar_next(tar, &name, &length)) && name) {
    wanted *shard = find_shard(name, model->name, ending, list, pieces->count);
    if (!shard) continue;
    kohl_tfjs_piece *piece = &pieces->piece[shard->index];
    if (piece->own) status = kohl_fail(p->ctx, KOHL_BAD_INPUT, "%s: member '%s' is there twice", p->path, QUOTE(name));
    if (!status) status = keep_member(p, tar, name, length, most, &piece->own);
    piece->bytes = piece->own;
    piece->length = length;
    if (!status && ending[0]) status = decode_shard(p, name, piece);
  }
  kohl_gzip_tar_close(tar);
  return status;
}

static kohl_status find_shards(package *p, const candidate *model, const char *ending,
                               const kohl_tfjs_manifest *manifest, kohl_tfjs_pieces *pieces) {
  wanted *list;
  size_t count = manifest->shard_count;
  kohl_status status = kohl_alloc(p->ctx, count, sizeof *pieces->piece, "the shards of a TF.js model", &pieces->piece);
  if (status) return status;
  pieces->count = count;
  status = kohl_alloc(p->ctx, count, sizeof *list, "the shards of a TF.js model", &list);
  if (status) return status;
  for (size_t i = 0; i < count; i++) list[i] = (wanted){manifest->shards[i].name, i};
  if (count > 1) qsort(list, count, sizeof *list, by_name);
  status = read_shards(p, model, ending, list, pieces);
  for (size_t i = 0; i < count && !status; i++)
    if (!pieces->piece[i].own)
      status = kohl_fail(p->ctx, KOHL_BAD_INPUT, "%s: shard '%s%s' is not there, expected it in the folder of '%s'",
                         p->path, QUOTE(manifest->shards[i].name), ending, QUOTE(model->name));
  kohl_free(p->ctx, list);
  return status;
}

kohl_status kohl_tfjs_package_read(kohl_context *ctx, const char *path, const uint8_t *bytes, size_t length,
                                   kohl_tfjs_manifest *manifest, kohl_tfjs_pieces *pieces) {
  package p = {.ctx = ctx, .path = path, .bytes = bytes, .length = length};
  const char *ending;
  size_t chosen;
  kohl_status status = find_models(&p);
  if (!status) status = choose(&p, manifest, &ending, &chosen);
  if (!status) {
    if (p.count > 1)
      kohl_log(ctx, KOHL_LOG_INFO,
               "%s: reads '%s', 1 of %zu models in it; to read another, unpack it and name that model's file", path,
               QUOTE(p.models[chosen].name), p.count);
    status = find_shards(&p, &p.models[chosen], ending, manifest, pieces);
  }
  for (size_t i = 0; i < p.count; i++) {
    kohl_free(ctx, p.models[i].name);
    kohl_free(ctx, p.models[i].text);
  }
  return status;
}
