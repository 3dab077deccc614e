/* Rules and tables of names; see naming.h.  Sources: torchvision's models/{vgg,inception,resnet,alexnet,squeezenet}.py,
 * timm's vgg.py, TF-Slim's nets/{vgg,inception_v3,resnet_v1}.py. */
#include "convert/naming.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = KOHL_SAFETENSORS_NAME + 1 };

static const char *const words[] = {"keras", "torchvision", "timm", "slim"};

const char *kohl_naming_word(kohl_naming naming) { return words[naming]; }

kohl_layout kohl_naming_layout(kohl_naming naming) {
  bool torch = naming == KOHL_NAMING_TORCHVISION || naming == KOHL_NAMING_TIMM;
  return (kohl_layout){torch, torch};
}

/* What each publisher calls the weights of a layer; slim's batch-norm is a scope of its own. */
static const struct {
  const char *suffix, *names[KOHL_NAMING_COUNT];
} suffixes[] = {
    {"weight", {"kernel", "weight", "weight", "weights"}},
    {"bias", {"bias", "bias", "bias", "biases"}},
    {"gamma", {"gamma", "weight", "weight", "BatchNorm/gamma"}},
    {"beta", {"beta", "bias", "bias", "BatchNorm/beta"}},
    {"mean", {"moving_mean", "running_mean", "running_mean", "BatchNorm/moving_mean"}},
    {"variance", {"moving_variance", "running_var", "running_var", "BatchNorm/moving_variance"}},
};

static const char *suffix_name(kohl_naming naming, const char *suffix) {
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
    if (strcmp(suffixes[i].suffix, suffix) == 0) return suffixes[i].names[naming];
  return NULL;
}

/* A publisher's module or scope of a layer; false: there is none. */
typedef bool module_rule(kohl_naming naming, const char *arch, const char *layer, char *text);

static bool put(char *text, const char *module) {
  snprintf(text, TEXT, "%s", module);
  return true;
}

/* Layers whose names follow no rule. */
typedef struct pair {
  const char *layer, *module;
} pair;

static bool find_pair(const pair *pairs, size_t count, const char *layer, char *text) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(pairs[i].layer, layer) == 0) return put(text, pairs[i].module);
  return false;
}
#define FIND(pairs, layer, text) find_pair(pairs, sizeof(pairs) / sizeof(pairs)[0], layer, text)

/* torchvision counts modules: convolution, batch-norm where there is one, ReLU, and the pool after each block. */
static int vgg_module(const char *arch, int block, int conv) {
  static const int counts[2][5] = {{2, 2, 3, 3, 3}, {2, 2, 4, 4, 4}};
  const int *convs = counts[strncmp(arch, "vgg19", 5) == 0];
  int each = strstr(arch, "_bn") ? 3 : 2, index = 0;
  if (block < 1 || block > 5 || conv < 1 || conv > convs[block - 1]) return -1;
  for (int b = 1; b < block; b++) index += each * convs[b - 1] + 1;
  return index + each * (conv - 1);
}

static bool vgg(kohl_naming naming, const char *arch, const char *layer, char *text) {
  static const pair torchvision[] = {{"fc1", "classifier.0"}, {"fc2", "classifier.3"}, {"predictions", "classifier.6"}};
  static const pair timm[] = {{"fc1", "pre_logits.fc1"}, {"fc2", "pre_logits.fc2"}, {"predictions", "head.fc"}};
  static const pair slim[] = {{"fc1", "fc6"}, {"fc2", "fc7"}, {"predictions", "fc8"}};
  int block, conv, end = 0;
  if (sscanf(layer, "block%1d_conv%1d%n", &block, &conv, &end) != 2) {
    char module[TEXT];
    if (strlen(arch) > 5 && !strstr(arch, "_bn")) return false; /* vgg19_cleo and vgg19_cam: heads of their own */
    if (naming == KOHL_NAMING_TORCHVISION) return FIND(torchvision, layer, text);
    if (naming == KOHL_NAMING_TIMM) return FIND(timm, layer, text);
    if (!FIND(slim, layer, module)) return false;
    snprintf(text, TEXT, "vgg_%.2s/%.64s", arch + 3, module);
    return true;
  }
  int index = vgg_module(arch, block, conv);
  bool norm = strcmp(layer + end, "_bn") == 0;
  if (index < 0 || (layer[end] && !norm) || (norm && !strstr(arch, "_bn"))) return false;
  if (naming == KOHL_NAMING_SLIM) {
    snprintf(text, TEXT, "vgg_%.2s/conv%d/conv%d_%d", arch + 3, block, block, conv);
    return !strstr(arch, "_bn");
  }
  snprintf(text, TEXT, "features.%d", index + norm);
  return true;
}

static bool inception(kohl_naming naming, const char *arch, const char *layer, char *text) {
  static const char *const cells[][2] = {
#define CELL(torchvision, slim) {torchvision, slim},
#include "convert/inception_cells.def"
#undef CELL
  };
  int number = 0, end = 0;
  bool norm = strncmp(layer, "batch_normalization_", 20) == 0, slim = naming == KOHL_NAMING_SLIM;
  (void)arch;
  if (strcmp(layer, "predictions") == 0) return put(text, slim ? "InceptionV3/Logits/Conv2d_1c_1x1" : "fc");
  if (sscanf(layer, norm ? "batch_normalization_%3d%n" : "conv2d_%3d%n", &number, &end) != 1 || layer[end])
    return false;
  if (number < 1 || number > (int)(sizeof cells / sizeof cells[0])) return false;
  if (slim)
    snprintf(text, TEXT, "InceptionV3/%s", cells[number - 1][1]);
  else
    snprintf(text, TEXT, "%s.%s", cells[number - 1][0], norm ? "bn" : "conv");
  return true;
}

/* Blocks of one stage. */
static int resnet_blocks(const char *arch, int stage) {
  static const struct {
    const char *arch;
    int blocks[4];
  } table[] = {
      {"resnet18", {2, 2, 2, 2}}, {"resnet34", {3, 4, 6, 3}}, {"resnet50", {3, 4, 6, 3}}, {"resnet101", {3, 4, 23, 3}}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (strcmp(table[i].arch, arch) == 0) return stage >= 2 && stage <= 5 ? table[i].blocks[stage - 2] : 0;
  return 0;
}

static bool resnet(kohl_naming naming, const char *arch, const char *layer, char *text) {
  static const pair torch[] = {{"conv1_conv", "conv1"}, {"conv1_bn", "bn1"}, {"predictions", "fc"}};
  static const pair slim[] = {{"conv1_conv", "conv1"}, {"conv1_bn", "conv1"}, {"predictions", "logits"}};
  char module[TEXT];
  int stage, block, part, end = 0;
  if (sscanf(layer, "conv%1d_block%2d_%1d%n", &stage, &block, &part, &end) != 3) {
    if (naming != KOHL_NAMING_SLIM) return FIND(torch, layer, text);
    if (!FIND(slim, layer, module)) return false;
    snprintf(text, TEXT, "resnet_v1_%.3s/%.64s", arch + 6, module);
    return true;
  }
  bool norm = strcmp(layer + end, "_bn") == 0;
  if ((!norm && strcmp(layer + end, "_conv") != 0) || part > 3 || block < 1 || block > resnet_blocks(arch, stage))
    return false;
  snprintf(module, sizeof module, part ? "conv%d" : "shortcut", part);
  if (naming == KOHL_NAMING_SLIM)
    snprintf(text, TEXT, "resnet_v1_%s/block%d/unit_%d/bottleneck_v1/%.16s", arch + 6, stage - 1, block, module);
  else if (part == 0)
    snprintf(text, TEXT, "layer%d.%d.downsample.%d", stage - 1, block - 1, norm);
  else
    snprintf(text, TEXT, "layer%d.%d.%s%d", stage - 1, block - 1, norm ? "bn" : "conv", part);
  return true;
}

static bool alexnet(kohl_naming naming, const char *arch, const char *layer, char *text) {
  static const pair names[] = {{"conv1", "features.0"}, {"conv2", "features.3"},        {"conv3", "features.6"},
                               {"conv4", "features.8"}, {"conv5", "features.10"},       {"fc6", "classifier.1"},
                               {"fc7", "classifier.4"}, {"predictions", "classifier.6"}};
  (void)arch;
  return naming == KOHL_NAMING_TORCHVISION && FIND(names, layer, text);
}

static bool squeezenet(kohl_naming naming, const char *arch, const char *layer, char *text) {
  static const pair ends[] = {{"conv1", "features.0"}, {"conv10", "classifier.1"}};
  static const int modules[] = {3, 4, 6, 7, 9, 10, 11, 12}; /* of fire2 to fire9; pools are between them */
  int fire;
  (void)arch;
  if (naming != KOHL_NAMING_TORCHVISION) return false;
  if (sscanf(layer, "fire%1d/", &fire) != 1) return FIND(ends, layer, text);
  const char *part = layer + 6;
  if (fire < 2 || layer[5] != '/') return false;
  if (strcmp(part, "squeeze1x1") == 0) part = "squeeze";
  snprintf(text, TEXT, "features.%d.%s", modules[fire - 2], part);
  return true;
}

static const struct {
  const char *prefix; /* of the architecture's name */
  module_rule *rule;
} rules[] = {
    {"vgg16", vgg}, {"vgg19", vgg}, {"inception_v3", inception}, {"resnet", resnet}, {"squeezenet1_1", squeezenet}};

static module_rule *find_rule(const char *arch) {
  if (strcmp(arch, "alexnet") == 0) return alexnet;
  for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
    if (strncmp(arch, rules[i].prefix, strlen(rules[i].prefix)) == 0) return rules[i].rule;
  return NULL;
}

bool kohl_naming_name(kohl_naming naming, const char *arch, const char *layer, const char *suffix, char *text) {
  char module[TEXT];
  const char *word = suffix_name(naming, suffix);
  if (!word) return false;
  if (naming == KOHL_NAMING_KERAS) return snprintf(text, TEXT, "%s/%s", layer, word) < TEXT;
  module_rule *rule = find_rule(arch);
  if (!rule || !rule(naming, arch, layer, module)) return false;
  return snprintf(text, TEXT, naming == KOHL_NAMING_SLIM ? "%s/%s" : "%s.%s", module, word) < TEXT;
}

static bool ends_in(const char *name, const char *ending) {
  size_t n = strlen(name), m = strlen(ending);
  return n >= m && strcmp(name + n - m, ending) == 0;
}

bool kohl_naming_ignores(kohl_naming naming, const char *arch, const char *name) {
  bool inception_v3 = strcmp(arch, "inception_v3") == 0;
  switch (naming) {
    case KOHL_NAMING_TORCHVISION:
    case KOHL_NAMING_TIMM:
      return ends_in(name, ".num_batches_tracked") || (inception_v3 && strncmp(name, "AuxLogits.", 10) == 0);
    case KOHL_NAMING_SLIM:
      return strcmp(name, "global_step") == 0 || ends_in(name, "/mean_rgb") ||
             ends_in(name, "/ExponentialMovingAverage") || ends_in(name, "/RMSProp") || ends_in(name, "/RMSProp_1") ||
             ends_in(name, "/Momentum") || ends_in(name, "/Adam") || ends_in(name, "/Adam_1") ||
             (inception_v3 && strncmp(name, "InceptionV3/AuxLogits/", 22) == 0);
    default: return false;
  }
}
