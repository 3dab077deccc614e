/* Keras 3's .keras archives: a zip of stored members, metadata.json (who wrote it), config.json (the network) and
 * model.weights.h5, which libhdf5 reads where it lies (hdf5.h, kohl_hdf5_open_memory).  (Format: keras,
 * saving/saving_lib.py.)  Members beside these three, assets, are not looked at. */
#include <stdio.h>
#include <string.h>

#include "convert/container/json_fields.h"
#include "convert/container/zip.h"
#include "convert/keras/keras3.h"

enum { MOST_JSON = 8 << 20 /* bytes */ };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

/* A file on its way. */
typedef struct reader {
  kohl_context *ctx;
  kohl_source *source;
  kohl_keras_store *store;
  kohl_zip zip;
} reader;

static kohl_status find_member(reader *r, const char *name, const kohl_zip_member **out) {
  *out = kohl_zip_find(&r->zip, name);
  if (*out) {
    kohl_status status = kohl_zip_check(r->ctx, &r->zip, *out);
    kohl_map_forget(&r->store->map, (*out)->bytes, (*out)->length); /* the weights are all of the file */
    return status;
  }
  return kohl_fail(r->ctx, KOHL_BAD_INPUT,
                   "%s: member '%s' is missing, expected metadata.json, config.json and model.weights.h5 of Keras 3",
                   r->source->path, name);
}

/* A member as text that ends with a zero, the caller's. */
static kohl_status read_text(reader *r, const char *name, char **out) {
  const kohl_zip_member *member;
  *out = NULL;
  kohl_status status = find_member(r, name, &member);
  if (status) return status;
  if (member->length > MOST_JSON)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: member '%s' has %zu bytes, expected at most %d", r->source->path,
                     name, member->length, MOST_JSON);
  if (member->length && memchr(member->bytes, 0, member->length))
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: member '%s' contains a zero, expected JSON", r->source->path, name);
  status = kohl_alloc(r->ctx, member->length + 1, 1, "a member of an archive", out);
  if (!status && member->length) memcpy(*out, member->bytes, member->length);
  return status;
}

static kohl_status check_version(reader *r, kohl_json_range metadata) {
  char version[KOHL_JSON_WORD] = "", date[KOHL_JSON_WORD] = "";
  kohl_status status = kohl_json_field_text(r->ctx, metadata, "keras_version", version);
  if (!status) status = kohl_json_field_text(r->ctx, metadata, "date_saved", date);
  if (!status && strncmp(version, "3.", 2) != 0)
    status = kohl_fail(r->ctx, KOHL_BAD_INPUT,
                       "field 'keras_version': value '%s', expected 3.x; older Keras also writes model.save('FILE.h5')",
                       QUOTE(version));
  if (status == KOHL_BAD_INPUT) kohl_fail_prefix(r->ctx, "%s: metadata.json", r->source->path);
  if (status) return status;
  snprintf(r->store->origin, sizeof r->store->origin, "Keras %.32s%s%.64s", version, date[0] ? ", saved " : "", date);
  r->source->source_text = r->store->origin;
  return KOHL_OK;
}

static kohl_status read_json(reader *r) {
  char *metadata, *config = NULL;
  kohl_status status = read_text(r, "metadata.json", &metadata);
  if (!status) status = check_version(r, (kohl_json_range){metadata, strlen(metadata)});
  if (!status) status = read_text(r, "config.json", &config);
  if (!status) status = kohl_keras_store_config(r->ctx, r->source, "config.json", config);
  kohl_free(r->ctx, metadata);
  kohl_free(r->ctx, config);
  return status;
}

/* Weights under another name are another format. */
static kohl_status find_weights(reader *r, const kohl_zip_member **out) {
  static const struct {
    const char *name, *what;
  } others[] = {{"model.weights.npz", "NumPy arrays"}, {"model.weights.json", "a list of shards"}};
  for (size_t i = 0; i < sizeof others / sizeof others[0] && !kohl_zip_find(&r->zip, "model.weights.h5"); i++)
    if (kohl_zip_find(&r->zip, others[i].name))
      return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: its weights are %s, %s, expected model.weights.h5", r->source->path,
                       others[i].name, others[i].what);
  return find_member(r, "model.weights.h5", out);
}

static kohl_status read_weights(reader *r) {
  const kohl_zip_member *member;
  bool found;
  kohl_status status = find_weights(r, &member);
  if (status) return status;
  if (member->length == 0)
    return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: member 'model.weights.h5' is empty", r->source->path);
  status = kohl_hdf5_open_memory(r->ctx, r->source->path, member->bytes, member->length, &r->store->file);
  if (!status) status = kohl_keras3_read(r->ctx, r->source, &found);
  if (status || found) return status;
  return kohl_fail(r->ctx, KOHL_BAD_INPUT, "%s: member 'model.weights.h5' has no variables, expected Keras 3's layout",
                   r->source->path);
}

kohl_status kohl_keras_archive_source(kohl_context *ctx, const char *path, kohl_source *source) {
  reader r = {.ctx = ctx, .source = source};
  kohl_status status = kohl_keras_store_open(ctx, source, "a .keras archive");
  if (status) return status;
  r.store = source->state;
  status = kohl_map_open(ctx, path, &r.store->map);
  if (!status) status = kohl_zip_open(ctx, path, r.store->map.bytes, r.store->map.length, &r.zip);
  if (!status) status = read_json(&r);
  if (!status) status = read_weights(&r);
  kohl_zip_close(ctx, &r.zip);
  source->format = "a .keras archive";
  return status;
}
