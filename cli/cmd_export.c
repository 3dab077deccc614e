/* kohl export: a model file for other programs. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/network.h"
#include "convert/export/export.h"

static const char formats[] = "keras, torchvision or onnx";

/* False: --to is none of the formats. */
static bool find_format(const char *word, kohl_export_format *out) {
  for (int i = 0; i < KOHL_EXPORT_FORMATS; i++) {
    if (strcmp(word, kohl_export_word((kohl_export_format)i))) continue;
    *out = (kohl_export_format)i;
    return true;
  }
  return false;
}

int cmd_export(cli *c) {
  const char *out = cli_get(c, CLI_OPTION_output)->text, *to = cli_get(c, CLI_OPTION_to)->text;
  kohl_export_options options = {.preprocessing = cli_get(c, CLI_OPTION_preprocessing)->set};
  if (!to) return cli_fail(c, KOHL_USAGE, "--to: missing, expected %s", formats);
  if (!find_format(to, &options.format)) return cli_fail(c, KOHL_USAGE, "--to: value '%s', expected %s", to, formats);
  if (options.preprocessing && options.format != KOHL_EXPORT_ONNX)
    return cli_fail(c, KOHL_USAGE, "--preprocessing: needs --to onnx");
  if (!out) return cli_fail(c, KOHL_USAGE, "no -o FILE, expected the name of the file to write");
  int code = cli_begin(c);
  if (code) return code;
  kohl_model *model = NULL;
  kohl_status status = kohl_model_open(c->ctx, c->options.operands[0], &model);
  if (status == KOHL_OK) status = kohl_export(c->ctx, model, &options, out);
  if (status != KOHL_OK) {
    code = cli_fail_library(c, status);
  } else if (!cli_get(c, CLI_OPTION_quiet)->set) {
    printf("%s: %s, %s parameters, for %s\n", out, *model->graph->arch ? model->graph->arch : "a network",
           cli_count(cli_graph_parameters(model->graph)).text, to);
    code = cli_flush(c, 0);
  }
  kohl_model_destroy(c->ctx, model);
  return code;
}
