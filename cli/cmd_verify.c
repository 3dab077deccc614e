/* kohl verify: checks every tensor of model files. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/network.h"

static int verify_one(cli *c, const char *path, cli_table *table) {
  kohl_model *model = NULL;
  kohl_status status = kohl_model_open(c->ctx, path, &model);
  if (status == KOHL_OK) status = kohl_model_verify(c->ctx, model);
  int code = status == KOHL_OK ? 0 : cli_fail_library(c, status);
  if (code == 0 && table) {
    cli_table_cell(table, path);
    cli_table_cellf(table, "%zu", model->weight_count);
    cli_table_cellf(table, "%zu", cli_graph_parameters(model->graph));
  } else if (code == 0 && cli_format_is(c, "json")) {
    kohl_json_writer w;
    kohl_json_write_begin(&w, c->ctx);
    kohl_json_write_object_begin(&w);
    kohl_json_write_key(&w, "file");
    kohl_json_write_string(&w, path);
    kohl_json_write_key(&w, "tensors");
    kohl_json_write_uint64(&w, model->weight_count);
    kohl_json_write_key(&w, "parameters");
    kohl_json_write_uint64(&w, cli_graph_parameters(model->graph));
    kohl_json_write_object_end(&w);
    code = cli_print_json(c, &w);
  } else if (code == 0 && !cli_get(c, CLI_OPTION_quiet)->set) {
    printf("%s: ok, %zu tensors, %zu parameters\n", path, model->weight_count, cli_graph_parameters(model->graph));
    code = cli_flush(c, 0);
  }
  kohl_model_destroy(c->ctx, model);
  return code;
}

int cmd_verify(cli *c) {
  int code = cli_begin(c);
  if (code) return code;
  bool rows = cli_format_is(c, "csv") || cli_format_is(c, "tsv");
  cli_table *table = rows ? cli_table_new("file|>tensors|>parameters") : NULL;
  for (int i = 0; i < c->options.operand_count && !cli_interrupted(); i++) {
    int one = verify_one(c, c->options.operands[i], table);
    if (!code) code = one;
  }
  if (!code && cli_interrupted()) code = cli_fail(c, KOHL_INTERRUPTED, "interrupted");
  int printed = rows ? cli_print_table(c, table) : 0;
  return code ? code : printed;
}
