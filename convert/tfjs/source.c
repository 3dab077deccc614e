/* A TF.js layers-model as a foreign file: model.json and the shards beside it, the same as JavaScript modules, or an
 * archive of npm that holds either. */
#include <math.h>
#include <string.h>

#include "convert/keras/config.h"
#include "convert/source.h"
#include "convert/tfjs/model.h"
#include "convert/tfjs/package.h"

enum { BUFFER = 4096 /* bytes of a tensor at a time */ };

typedef struct model {
  kohl_tfjs_manifest manifest;
  kohl_tfjs_pieces pieces;
} model;

static kohl_status tfjs_read(kohl_context *ctx, kohl_source *source, size_t index, size_t first, size_t count,
                             float *out) {
  const model *m = source->state;
  const kohl_tfjs_place *place = &m->manifest.places[index];
  const kohl_tensor_info *info = &source->tensors[index].info;
  size_t element = kohl_safetensors_dtype_bytes(info->dtype), most = BUFFER / element;
  uint8_t buffer[BUFFER];
  for (size_t done = 0; done < count;) {
    size_t n = count - done < most ? count - done : most;
    kohl_tfjs_pieces_copy(&m->pieces, place->offset + (first + done) * element, n * element, buffer);
    kohl_status status = kohl_source_values(ctx, source->path, info, buffer, n, out + done);
    if (status) return status;
    for (size_t i = done; place->whole && i < done + n; i++)
      out[i] = (float)floor((double)out[i] * place->scale + place->min + 0.5); /* as Math.round */
    done += n;
  }
  kohl_tfjs_pieces_forget(&m->pieces, place->offset + first * element, count * element);
  return KOHL_OK;
}

static kohl_status tfjs_graph(kohl_context *ctx, kohl_source *source, int size, kohl_graph **out) {
  const model *m = source->state;
  return kohl_keras_config_build(ctx, source, "modelTopology", m->manifest.topology, size, out);
}

static void tfjs_close(kohl_context *ctx, kohl_source *source) {
  model *m = source->state;
  if (m) {
    kohl_tfjs_pieces_close(ctx, &m->pieces);
    kohl_tfjs_manifest_free(ctx, &m->manifest);
  }
  kohl_free(ctx, m);
  source->state = NULL;
}

static const kohl_source_calls calls = {tfjs_read, tfjs_graph, tfjs_close};

static kohl_status open_model(kohl_context *ctx, const char *path, const kohl_map *map, kohl_source *source) {
  model *m = source->state;
  const char *ending;
  if (map->length >= 2 && map->bytes[0] == 0x1f && map->bytes[1] == 0x8b) {
    source->format = "an archive with a TF.js model";
    return kohl_tfjs_package_read(ctx, path, map->bytes, map->length, &m->manifest, &m->pieces);
  }
  kohl_status status = kohl_tfjs_model_read(ctx, path, (const char *)map->bytes, map->length, &m->manifest, &ending);
  return status ? status : kohl_tfjs_pieces_open(ctx, path, ending, &m->manifest, &m->pieces);
}

kohl_status kohl_tfjs_source(kohl_context *ctx, const char *path, kohl_source *source) {
  kohl_map map = {0};
  model *m;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *m, "a TF.js model", &m);
  if (status) return status;
  source->state = m;
  source->call = &calls;
  source->format = "a TF.js layers-model";
  status = kohl_map_open(ctx, path, &map);
  if (!status) status = open_model(ctx, path, &map, source);
  kohl_map_close(&map);
  if (!status) status = kohl_tfjs_pieces_check(ctx, path, &m->manifest, &m->pieces);
  if (status) return status;
  source->tensors = m->manifest.tensors;
  source->count = m->manifest.count;
  source->describes = m->manifest.topology != NULL;
  source->source_text = m->manifest.origin[0] ? m->manifest.origin : NULL;
  return KOHL_OK;
}
