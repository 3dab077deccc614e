/* kohl convert: weights of another program into a model file. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/network.h"
#include "convert/convert.h"
#include "convert/sandbox.h"

/* A TensorFlow checkpoint goes by what its files' names begin with: x for x.index. */
static const char *checkpoint(const char *in, char *index, size_t bytes) {
  if (access(in, F_OK) == 0) return in;
  int length = snprintf(index, bytes, "%s.index", in);
  return length > 0 && (size_t)length < bytes && access(index, F_OK) == 0 ? index : in;
}

int cmd_convert(cli *c) {
  char index[4096];
  const char *in = checkpoint(c->options.operands[0], index, sizeof index), *out = cli_get(c, CLI_OPTION_output)->text;
  if (!out) return cli_fail(c, KOHL_USAGE, "no -o FILE, expected the name of the model file to write");
  kohl_convert_options options = {
      .arch = cli_get(c, CLI_OPTION_arch)->text,
      .preset = cli_get(c, CLI_OPTION_preset)->text,
      .labels_path = cli_get(c, CLI_OPTION_labels)->text,
      .until = cli_get(c, CLI_OPTION_until)->text,
      .no_top = cli_get(c, CLI_OPTION_no_top)->set,
      .averages = cli_get(c, CLI_OPTION_averages)->set,
  };
  if (options.until && options.no_top) return cli_fail(c, KOHL_USAGE, "--until and --no-top: expected one of the two");
  const char *size = cli_get(c, CLI_OPTION_size)->text;
  int width = 0, code = size ? cli_parse_size(c, size, &options.size, &width) : 0;
  if (code) return code;
  if (width != options.size) return cli_fail(c, KOHL_USAGE, "--size: value '%s', expected a square", size);
  code = cli_begin(c);
  if (code) return code;
  kohl_conversion *conversion = NULL;
  kohl_status status = kohl_convert_sandbox(c->ctx); /* nothing of the file is read before */
  if (status == KOHL_OK) status = kohl_convert_open(c->ctx, in, &options, &conversion);
  if (status == KOHL_OK) status = kohl_convert_save(c->ctx, conversion, out);
  if (status != KOHL_OK) {
    code = cli_fail_library(c, status);
  } else if (!cli_get(c, CLI_OPTION_quiet)->set) {
    const kohl_model *model = kohl_convert_model(conversion);
    printf("%s: %s, %s parameters in %zu tensors, %zu labels\n", out, model->graph->arch,
           cli_count(cli_graph_parameters(model->graph)).text, model->weight_count, model->label_count);
    code = cli_flush(c, 0);
  }
  kohl_convert_close(c->ctx, conversion);
  return code;
}
