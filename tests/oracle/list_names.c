/* Prints what a publisher calls the weights of a network and which shapes they have in its files:
 *
 *   list_names ARCH PRESET NAMING        "<layer> <suffix> <their name> <sizes with commas>" a line */
#include <stdio.h>
#include <string.h>

#include "convert/match.h"

static void print_weight(const kohl_model *model, const kohl_weight *weight, kohl_naming naming) {
  char name[KOHL_SAFETENSORS_NAME + 1] = "-";
  int64_t shape[4];
  kohl_shape inputs;
  const char *layer = model->graph->nodes[weight->node].name;
  if (!kohl_naming_name(naming, model->graph->arch, layer, weight->spec.suffix, name)) strcpy(name, "-");
  int dims = kohl_match_shape(model->graph, weight, kohl_naming_layout(naming), shape, &inputs);
  printf("%s %s %s ", layer, weight->spec.suffix, name);
  for (int i = 0; i < dims; i++) printf("%s%lld", i ? "," : "", (long long)shape[i]);
  printf("\n");
}

static kohl_status list(kohl_context *ctx, const char *arch, const char *preset_name, kohl_naming naming) {
  const kohl_preset *preset;
  kohl_graph *graph;
  kohl_model *model;
  kohl_status status = kohl_preset_find(ctx, arch, preset_name, &preset);
  if (!status) status = kohl_arch_build(ctx, arch, &preset->options, &graph);
  if (!status) status = kohl_model_create(ctx, graph, &model);
  if (status) return status;
  for (size_t i = 0; i < model->weight_count; i++) print_weight(model, &model->weights[i], naming);
  kohl_model_destroy(ctx, model);
  return KOHL_OK;
}

int main(int argc, char **argv) {
  kohl_context_options options = kohl_context_options_default();
  kohl_context *ctx;
  int naming = 0;
  if (argc != 4 || kohl_context_create(&options, &ctx) != KOHL_OK) return 1;
  while (naming < KOHL_NAMING_COUNT && strcmp(argv[3], kohl_naming_word((kohl_naming)naming)) != 0) naming++;
  kohl_status status = naming == KOHL_NAMING_COUNT ? kohl_fail(ctx, KOHL_USAGE, "no naming '%s'", argv[3])
                                                   : list(ctx, argv[1], argv[2], (kohl_naming)naming);
  if (status) fprintf(stderr, "%s\n", kohl_context_error(ctx));
  kohl_context_destroy(ctx);
  return status != KOHL_OK;
}
