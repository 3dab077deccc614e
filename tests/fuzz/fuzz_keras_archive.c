/* Any bytes as a Keras .keras archive.  The first byte is not the file's:
 *
 *   0, 2, ...   the rest is the archive
 *   3, 7, ...   the rest is config.json, of which the network is read and no weights, for which no child is forked
 *   1, 5, ...   the rest is, behind two bytes that say how long, config.json and model.weights.h5, which are packed
 * here, so that what the fuzzer puts in or takes out is no damage of the archive
 *
 * Checksums are 0, which counts as none.  As in fuzz_h5.c libhdf5 runs in the child that hdf5.h forks:
 *
 *   build/fuzz/fuzz_keras_archive -timeout=60 -malloc_limit_mb=100000000 -max_total_time=600 \
 *     -dict=tests/fuzz/keras_archive.dict tests/fuzz/corpus/keras_archive */
#include "convert/keras/config.h"
#include "tests/fuzz/h5_child.h"

enum { MOST = 1 << 20, MEMBERS = 3, LOCAL = 30, CENTRAL = 46, END = 22 };

static const char metadata[] = "{\"keras_version\": \"3.15.1\", \"date_saved\": \"2026-01-01@00:00:00\"}";

typedef struct member {
  const char *name;
  const void *bytes;
  size_t length, offset;
} member;

static void put(uint8_t *at, size_t bytes, size_t value) {
  for (size_t i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
}

/* One stored member's header: that of the directory is the local one with 16 bytes more. */
static size_t put_header(uint8_t *at, const member *m, bool central) {
  size_t fixed = central ? CENTRAL : LOCAL, field = central ? 20 : 18, name = strlen(m->name);
  memset(at, 0, fixed);
  memcpy(at, central ? "PK\1\2" : "PK\3\4", 4);
  put(at + field, 4, m->length);
  put(at + field + 4, 4, m->length);
  put(at + field + 8, 2, name);
  if (central) put(at + 42, 4, m->offset);
  memcpy(at + fixed, m->name, name);
  return fixed + name;
}

static size_t pack(uint8_t *out, member *members) {
  size_t at = 0;
  for (int i = 0; i < MEMBERS; i++) {
    members[i].offset = at;
    at += put_header(out + at, &members[i], false);
    memcpy(out + at, members[i].bytes, members[i].length);
    at += members[i].length;
  }
  size_t directory = at;
  for (int i = 0; i < MEMBERS; i++) at += put_header(out + at, &members[i], true);
  memset(out + at, 0, END);
  memcpy(out + at, "PK\5\6", 4);
  put(out + at + 8, 2, MEMBERS);
  put(out + at + 10, 2, MEMBERS);
  put(out + at + 12, 4, at - directory);
  put(out + at + 16, 4, directory);
  return at + END;
}

static void read_config(const uint8_t *data, size_t bytes) {
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  kohl_context *ctx = NULL;
  kohl_keras_places places = {0};
  kohl_graph *graph = NULL;
  kohl_source source = {.path = "FILE"};
  char *json = malloc(bytes + 1);
  require(json != NULL && kohl_context_create(&options, &ctx) == KOHL_OK);
  memcpy(json, data, bytes);
  json[bytes] = 0;
  kohl_status status = kohl_keras_places_read(ctx, json, &places);
  fuzz_status(ctx, status);
  status = kohl_keras_config_read(ctx, &source, "config.json", json, &places, 0, &graph);
  fuzz_status(ctx, status);
  require(status != KOHL_OK || (graph && graph->count > 1));
  kohl_graph_destroy(ctx, graph);
  kohl_keras_places_free(ctx, &places);
  kohl_context_destroy(ctx);
  free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static uint8_t archive[MOST + 4096];
  if (bytes < 3 || bytes > MOST) return 0;
  if (data[0] % 2 == 0) {
    fuzz_source(kohl_keras_archive_source, fuzz_file(data + 1, bytes - 1));
    return 0;
  }
  if (data[0] % 4 == 3) {
    read_config(data + 1, bytes - 1);
    return 0;
  }
  size_t length = (size_t)data[1] | (size_t)data[2] << 8;
  if (length > bytes - 3) length = bytes - 3;
  member members[MEMBERS] = {{"metadata.json", metadata, sizeof metadata - 1, 0},
                             {"config.json", data + 3, length, 0},
                             {"model.weights.h5", data + 3 + length, bytes - 3 - length, 0}};
  size_t packed = pack(archive, members);
  fuzz_source(kohl_keras_archive_source, fuzz_file(archive, packed));
  return 0;
}
