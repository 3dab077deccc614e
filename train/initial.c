/* Initial weights; see initial.h. */
#include "train/initial.h"

#include <math.h>
#include <string.h>

#include "kernels/core/philox.h"
#include "nn/models/models.h"

/* The limit of a tensor's uniform distribution: [k][r][s][c] or [out][in]. */
static float glorot_limit(const kohl_weight_spec *spec) {
  double places = 1;
  for (int d = 1; d + 1 < spec->dims; d++) places *= (double)spec->shape[d];
  double fans = places * ((double)spec->shape[0] + (double)spec->shape[spec->dims - 1]);
  return (float)sqrt(6.0 / fans);
}

kohl_status kohl_weights_draw(kohl_context *ctx, kohl_model *model, uint64_t seed, uint32_t op) {
  uint64_t tensor = 0;
  kohl_random_key key = kohl_random_key_make(seed, 0, op);
  for (size_t i = 0; i < model->weight_count; i++) {
    kohl_weight *weight = &model->weights[i];
    kohl_status status = kohl_weight_own(ctx, weight);
    if (status != KOHL_OK) return status;
    const bool ones = !strcmp(weight->spec.suffix, "gamma") || !strcmp(weight->spec.suffix, "variance");
    for (size_t e = 0; ones && e < weight->spec.count; e++) weight->owned[e] = 1.0f;
    if (weight->spec.dims < 2) continue;
    float limit = glorot_limit(&weight->spec);
    for (size_t e = 0; e < weight->spec.count; e++) {
      float unit = kohl_random_to_unit(kohl_random_at(key, tensor, e)); /* [0, 1); 2u - 1 is exact */
      weight->owned[e] = (2.0f * unit - 1.0f) * limit;
    }
    tensor++;
  }
  return KOHL_OK;
}

kohl_status kohl_base_draw(kohl_context *ctx, const char *arch, int size, uint64_t seed, kohl_model **out) {
  const kohl_arch *found;
  kohl_graph *graph;
  *out = NULL;
  kohl_status status = kohl_arch_find(ctx, arch, &found);
  if (status != KOHL_OK) return status;
  kohl_arch_options options = found->options;
  options.classes = 0;
  options.height = options.width = size;
  status = kohl_arch_build(ctx, arch, &options, &graph);
  if (status == KOHL_OK) status = kohl_model_create(ctx, graph, out);
  if (status == KOHL_OK) status = kohl_weights_draw(ctx, *out, seed, KOHL_DRAWS_BASE);
  if (status != KOHL_OK) {
    kohl_model_destroy(ctx, *out);
    *out = NULL;
    return status;
  }
  kohl_shape in = (*out)->graph->nodes[0].shape;
  (*out)->preprocessing.fit.h = in.h;
  (*out)->preprocessing.fit.w = in.w;
  (*out)->preprocessing.scale = 1.0f / 255.0f;
  return KOHL_OK;
}
