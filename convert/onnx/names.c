/* What layers are called.  Exporters of PyTorch name weights as its modules do ("features.0.weight"), but nodes by
 * number; others name nodes only.  Folding of batch-norms leaves names like "onnx::Conv_922", which say nothing. */
#include <stdio.h>
#include <string.h>

#include "convert/onnx/build.h"

/* The last words of a weight's name behind which its layer stands. */
static const char *const words[] = {"weight", "weights", "kernel", "gamma", "scale", "W", "w"};

/* Text that a model file can hold: UTF-8 without control characters. */
static bool is_clean(kohl_proto_bytes name) {
  for (size_t i = 0; i < name.length;) {
    size_t n = kohl_utf8_character((const char *)name.at + i, name.length - i);
    if (!n || name.at[i] < 32 || name.at[i] == 127) return false;
    i += n;
  }
  return name.length > 0;
}

/* "features.0.weight" to "features.0"; false where the last word is no known one. */
static bool without_word(kohl_proto_bytes name, kohl_proto_bytes *layer) {
  size_t end = name.length;
  while (end > 0 && name.at[end - 1] != '.' && name.at[end - 1] != '/' && name.at[end - 1] != '_') end--;
  kohl_proto_bytes word = {name.at + end, name.length - end};
  for (size_t i = 0; end > 1 && i < sizeof words / sizeof words[0]; i++) {
    if (!kohl_proto_word(word, words[i])) continue;
    *layer = (kohl_proto_bytes){name.at, end - 1};
    return true;
  }
  return false;
}

static bool take(const kohl_onnx_build *build, kohl_proto_bytes name, char *text) {
  if (name.length && name.at[0] == '/') name = (kohl_proto_bytes){name.at + 1, name.length - 1};
  if (name.length >= KOHL_NAME_TEXT || !is_clean(name)) return false;
  memcpy(text, name.at, name.length);
  text[name.length] = 0;
  return kohl_graph_find(build->graph, text) < 0;
}

void kohl_onnx_layer_name(kohl_onnx_build *build, kohl_layer layer, int weight, char *text) {
  kohl_proto_bytes name;
  if (weight >= 0 && without_word(build->model->names[weight], &name) && take(build, name, text)) return;
  if (take(build, build->node->name, text)) return;
  do /* numbers only rise, so that names in their way cost one step each */
    snprintf(text, KOHL_NAME_TEXT, "%s_%zu", kohl_layer_name(layer), build->unnamed++);
  while (kohl_graph_find(build->graph, text) >= 0);
}
