/* A model file with random weights, for comparisons with other programs that need no published file.
 *
 *   random_model ARCH PRESET SIZE CLASSES SEED OUT
 *
 * The architecture with the preset's options and preprocessing (convert/presets.def), pictures of SIZE pixels (0: the
 * preset's), labels "0", "1", ...; CLASSES 0: without a head.  Filters are drawn with He's scale, batch-norms near the
 * identity, and the last one of a residual branch is small, since sums of many would grow (kohl_random_uniform; the
 * seed gives the same bytes everywhere). */
#include "convert/presets.h"
#include "tests/oracle/network.h"

/* ResNet's branches end in conv*_3_bn or, of two convolutions, conv*_2_bn. */
static bool ends_branch(const char *name, const char *arch) {
  bool two = !strcmp(arch, "resnet18") || !strcmp(arch, "resnet34");
  return strstr(name, two ? "_2_bn.gamma" : "_3_bn.gamma") != NULL;
}

static void draw(const network *net, size_t i, const char *arch) {
  kohl_weight *weight = &net->model->weights[i];
  const char *suffix = weight->spec.suffix;
  size_t fan = weight->spec.count / (size_t)weight->spec.shape[0];
  bool filter = !strcmp(suffix, "weight"), one = !strcmp(suffix, "gamma") || !strcmp(suffix, "variance");
  float scale = filter ? sqrtf(6.0f / (float)fan) : one ? 0.5f : 0.1f;
  network_draw(net->seed, (uint32_t)i, 1, one ? 1.0f : 0.0f, scale, 0, weight->spec.count, weight->owned);
  if (!ends_branch(weight->name, arch)) return;
  for (size_t k = 0; k < weight->spec.count; k++) weight->owned[k] *= 0.3f;
}

static void set_labels(const network *net) {
  char(*texts)[16] = network_alloc(net, (size_t)net->classes, sizeof *texts);
  const char **labels = network_alloc(net, (size_t)net->classes, sizeof *labels);
  for (int i = 0; i < net->classes; i++) {
    snprintf(texts[i], sizeof texts[i], "%d", i);
    labels[i] = texts[i];
  }
  network_need(net, kohl_model_set_labels(net->ctx, net->model, labels, (size_t)net->classes));
  free(labels);
  free(texts);
}

int main(int argc, char **argv) {
  network net = {.program = "random_model"};
  const kohl_preset *preset;
  kohl_graph *graph;
  if (argc != 7) return fprintf(stderr, "usage: random_model ARCH PRESET SIZE CLASSES SEED OUT\n"), 1;
  if (kohl_context_create(NULL, &net.ctx) != KOHL_OK) return 4;
  network_need(&net, kohl_preset_find(net.ctx, argv[1], argv[2], &preset));
  const int size = atoi(argv[3]) ? atoi(argv[3]) : kohl_preset_preprocessing(preset, 0).fit.w;
  kohl_arch_options options = preset->options;
  net.classes = options.classes = atoi(argv[4]);
  net.seed = strtoull(argv[5], NULL, 10);
  options.height = options.width = size;
  network_need(&net, kohl_arch_build(net.ctx, argv[1], &options, &graph));
  network_need(&net, kohl_model_create(net.ctx, graph, &net.model));
  for (size_t i = 0; i < net.model->weight_count; i++) {
    network_need(&net, kohl_weight_own(net.ctx, &net.model->weights[i]));
    draw(&net, i, argv[1]);
  }
  net.model->preprocessing = kohl_preset_preprocessing(preset, size);
  net.model->task = net.classes ? KOHL_TASK_ONE_LABEL : KOHL_TASK_NONE;
  set_labels(&net);
  network_need(&net, kohl_model_save(net.ctx, net.model, argv[6]));
  network_end(&net);
  return 0;
}
