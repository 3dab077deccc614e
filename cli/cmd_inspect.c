/* kohl inspect: what is in a model file. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/inspect_json.h"
#include "cli/network.h"

enum { LABELS_SHOWN = 5 };

static const char *task_text(kohl_model_task task) {
  static const char *const texts[] = {"none, features only", "one label (softmax)", "many labels (sigmoid)"};
  return texts[task];
}

static int print_layers(cli *c, const kohl_model *model) {
  const kohl_graph *graph = model->graph;
  cli_table *table = cli_table_new("layer|kind|parameters of the layer|output|>weights|trainable");
  for (size_t i = 0; i < graph->count; i++) {
    const kohl_node *node = &graph->nodes[i];
    char text[160];
    kohl_node_describe(node, text, sizeof text);
    size_t weights = cli_node_parameters(graph, node);
    cli_table_cell(table, node->name);
    cli_table_cell(table, kohl_layer_name(node->layer));
    cli_table_cell(table, text);
    cli_table_cell(table, cli_shape(node->shape).text);
    cli_table_cell(table, weights ? cli_count(weights).text : "");
    cli_table_cell(table, weights ? (node->trainable ? "yes" : "no") : "");
  }
  return cli_print_table(c, table);
}

static void print_labels(const kohl_model_head *head, bool named) {
  if (named) printf("head           %s\n", head->layer);
  printf("task           %s\n", task_text(head->task));
  if (!head->label_count) return;
  printf("labels         %zu: ", head->label_count);
  size_t shown = head->label_count <= LABELS_SHOWN + 1 ? head->label_count : LABELS_SHOWN;
  for (size_t i = 0; i < shown; i++) {
    if (i) printf(", ");
    cli_print_safe(head->labels[i], strlen(head->labels[i]), stdout);
  }
  if (shown < head->label_count) printf(", ...");
  putchar('\n');
}

/* The thresholds with the labels, or the one number that all have. */
static void print_thresholds(const kohl_model_head *head) {
  if (head->task != KOHL_TASK_MANY_LABELS) return;
  size_t count = head->label_count, shown = count <= LABELS_SHOWN + 1 ? count : LABELS_SHOWN;
  printf("thresholds     ");
  if (!head->thresholds) {
    printf("0.5 for every label\n");
    return;
  }
  for (size_t i = 0; i < shown; i++) {
    if (i) printf(", ");
    cli_print_safe(head->labels[i], strlen(head->labels[i]), stdout);
    printf(" %.6g", (double)head->thresholds[i]);
  }
  printf("%s\n", shown < count ? ", ..." : "");
}

/* The members of the provenance object, one a line; texts without their quotes, the rest as JSON. */
static void print_provenance(cli *c, const kohl_model *model) {
  kohl_json json;
  kohl_json_open(&json, c->ctx, model->provenance, strlen(model->provenance));
  kohl_json_expect(&json, KOHL_JSON_OBJECT_BEGIN);
  while (kohl_json_next(&json) == KOHL_JSON_KEY) {
    int blanks = json.text_length < 14 ? 14 - (int)json.text_length : 0;
    cli_print_safe(json.text, json.text_length, stdout);
    printf("%*s ", blanks, "");
    size_t begin = json.at;
    if (kohl_json_skip(&json) != KOHL_OK) break;
    while (begin < json.at && strchr(": \t\r\n", json.bytes[begin])) begin++;
    size_t length = json.at - begin;
    bool quoted = length >= 2 && json.bytes[begin] == '"' && !memchr(json.bytes + begin, '\\', length);
    cli_print_safe(json.bytes + begin + quoted, length - (quoted ? 2 : 0), stdout);
    putchar('\n');
  }
  kohl_json_close(&json);
}

static void print_preprocessing(const kohl_preprocessing *pre) {
  const kohl_fit *fit = &pre->fit;
  printf("preprocessing  ");
  if (fit->mode == KOHL_FIT_CROP) printf("shorter side to %d, centre crop to ", fit->resize);
  if (fit->mode == KOHL_FIT_FRACTION) printf("central %g of each side, stretched to ", fit->fraction);
  if (fit->mode == KOHL_FIT_STRETCH) printf("stretched to ");
  if (fit->mode == KOHL_FIT_LETTERBOX) printf("fitted with its shape kept into ");
  printf("%dx%d (%s); %s\n", fit->h, fit->w, kohl_filter_name(fit->filter),
         pre->order == KOHL_CHANNELS_BGR ? "BGR" : "RGB");
  if (pre->decode.orient) printf("               turned as their EXIF orientation says\n");
  if (pre->decode.fast) printf("               JPEG decoded at 1/2, 1/4 or 1/8 where the fit is that much smaller\n");
  printf("               (value * %.9g - mean) / std, mean %.6g %.6g %.6g, std %.6g %.6g %.6g\n", (double)pre->scale,
         (double)pre->mean[0], (double)pre->mean[1], (double)pre->mean[2], (double)pre->std[0], (double)pre->std[1],
         (double)pre->std[2]);
}

static void print_summary(cli *c, const char *path, const kohl_model *model) {
  const kohl_graph *graph = model->graph;
  size_t parameters = cli_graph_parameters(graph), trainable = 0;
  for (size_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i].trainable) trainable += cli_node_parameters(graph, &graph->nodes[i]);
  }
  printf("file           %s\n", path);
  printf("architecture   %s, %zu layers\n", *graph->arch ? graph->arch : "(unnamed)", graph->count);
  printf("parameters     %s in %zu tensors, %.1f MB", cli_count(parameters).text, model->weight_count,
         (double)parameters * sizeof(float) / 1e6);
  printf(", %s trainable\n", trainable == parameters ? "all" : cli_count(trainable).text);
  if (graph->base_output >= 0) printf("head           begins after %s\n", graph->nodes[graph->base_output].name);
  for (size_t h = 0; h == 0 || h < kohl_model_heads(model); h++) {
    const kohl_model_head head = kohl_model_head_at(model, h);
    print_labels(&head, model->more_count > 0);
    print_thresholds(&head);
  }
  print_preprocessing(&model->preprocessing);
  print_provenance(c, model);
  putchar('\n');
}

int cmd_inspect(cli *c) {
  int code = cli_begin(c);
  if (code) return code;
  kohl_model *model = NULL;
  const char *path = c->options.operands[0];
  code = cli_network_open(c, path, NULL, &model);
  if (code) return code;
  if (cli_format_is(c, "json")) {
    code = cli_inspect_json(c, path, model);
  } else {
    if (cli_format_is(c, "table")) print_summary(c, path, model);
    code = print_layers(c, model);
  }
  kohl_model_destroy(c->ctx, model);
  return code;
}
