/* Networks for the tests of convert/export; see export_models.h. */
#include "tests/unit/export_models.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

kohl_context *export_ctx;
char export_model_path[128], export_out_path[128], export_logged[2048];
long export_polls_left;
static char folder[64];

static void keep_log(kohl_log_level level, const char *text, void *user) {
  (void)user;
  if (level == KOHL_LOG_WARNING) snprintf(export_logged, sizeof export_logged, "%s", text);
}

static bool cancel(void *user) {
  (void)user;
  return export_polls_left >= 0 && export_polls_left-- == 0;
}

void export_setup(void) {
  kohl_context_options options = kohl_context_options_default();
  options.log = keep_log;
  options.cancel = cancel;
  export_polls_left = -1;
  export_logged[0] = 0;
  ck_assert_int_eq(kohl_context_create(&options, &export_ctx), KOHL_OK);
  strcpy(folder, "/tmp/kohl_test_export_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(export_model_path, sizeof export_model_path, "%s/model.safetensors", folder);
  snprintf(export_out_path, sizeof export_out_path, "%s/out", folder);
}

void export_teardown(void) {
  unlink(export_model_path);
  unlink(export_out_path);
  ck_assert_msg(rmdir(folder) == 0, "a file was left in %s", folder);
  kohl_context_destroy(export_ctx);
}

void export_expect(const char *text) {
  ck_assert_msg(strstr(kohl_context_error(export_ctx), text), "'%s' does not contain '%s'",
                kohl_context_error(export_ctx), text);
}

float export_value(size_t tensor, size_t i) {
  static const uint32_t odd[4] = {0x7f800001, 0x80000000, 0x00000001, 0xffc12345};
  uint32_t bits = i % 7 == 3 ? odd[i / 7 % 4] : (uint32_t)(0x3f000000 + tensor * 65536 + i);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

kohl_model *export_model(kohl_graph *graph) {
  kohl_model *made, *model;
  export_ok(kohl_graph_infer(export_ctx, graph));
  export_ok(kohl_model_create(export_ctx, graph, &made));
  for (size_t t = 0; t < made->weight_count; t++) {
    export_ok(kohl_weight_own(export_ctx, &made->weights[t]));
    for (size_t i = 0; i < made->weights[t].spec.count; i++) made->weights[t].owned[i] = export_value(t, i);
  }
  made->preprocessing = kohl_preprocessing_default();
  made->preprocessing.fit.h = graph->nodes[0].shape.h;
  made->preprocessing.fit.w = graph->nodes[0].shape.w;
  export_ok(kohl_model_set_provenance(export_ctx, made, "{\"source\":\"a.h5\",\"preset\":\"keras\",\"more\":[1,2]}"));
  const kohl_node *last = &graph->nodes[graph->count - 1];
  if (last->layer == KOHL_LAYER_sigmoid) {
    static const char *const labels[] = {"a \"b\"", "\xc3\xa9", "c"};
    static const float thresholds[] = {0.25f, 0.5f, 0.75f};
    made->task = KOHL_TASK_MANY_LABELS;
    export_ok(kohl_model_set_labels(export_ctx, made, labels, 3));
    export_ok(kohl_model_set_thresholds(export_ctx, made, thresholds, 3));
  }
  export_ok(kohl_model_save(export_ctx, made, export_model_path));
  kohl_model_destroy(export_ctx, made);
  export_ok(kohl_model_open(export_ctx, export_model_path, &model));
  return model;
}

int export_layer(kohl_graph *graph, kohl_layer layer, const char *name, kohl_params p) {
  int last = (int)graph->count - 1, index;
  export_ok(kohl_graph_add(export_ctx, graph, layer, name, &p, &last, layer == KOHL_LAYER_input ? 0 : 1, &index));
  return index;
}

kohl_graph *export_small(const char *arch) {
  kohl_graph *graph;
  kohl_params p = kohl_params_default(), plain = p;
  export_ok(kohl_graph_create(export_ctx, arch, &graph));
  p.size[0] = 5, p.size[1] = 4, p.size[2] = 3;
  export_layer(graph, KOHL_LAYER_input, "input_1", p);
  p = plain;
  p.filters = 4, p.kernel[0] = 3, p.kernel[1] = 3, p.padding = KOHL_PADDING_VALID;
  export_layer(graph, KOHL_LAYER_conv2d, "block1_conv1", p);
  export_layer(graph, KOHL_LAYER_flatten, "head_flatten", plain);
  p = plain;
  p.gamma = false;
  export_layer(graph, KOHL_LAYER_batch_norm, "head_norm", p);
  p = plain;
  p.filters = 3;
  export_layer(graph, KOHL_LAYER_dense, "head_logits", p);
  export_layer(graph, KOHL_LAYER_sigmoid, "head_sigmoid", plain);
  return graph;
}

kohl_status export_as(const kohl_model *model, kohl_export_format format) {
  kohl_export_options options = {.format = format};
  return kohl_export(export_ctx, model, &options, export_out_path);
}

kohl_model *export_published(const char *arch, const kohl_arch_options *options) {
  kohl_graph *graph;
  export_ok(kohl_arch_build(export_ctx, arch, options, &graph));
  return export_model(graph);
}
