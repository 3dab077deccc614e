/* kohl report: the page of a run. */
#include <stdio.h>

#include "cli/cli.h"
#include "train/report/report.h"

int cmd_report(cli *c) {
  kohl_report_options options = {.run = c->options.operands[0],
                                 .predictions = cli_get(c, CLI_OPTION_predictions)->text,
                                 .output = cli_get(c, CLI_OPTION_output)->text,
                                 .title = cli_get(c, CLI_OPTION_title)->text};
  int code = cli_begin(c);
  if (code) return code;
  kohl_status status = kohl_report_write(c->ctx, &options);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  if (cli_get(c, CLI_OPTION_quiet)->set) return 0;
  if (options.output) {
    printf("report: %s\n", options.output);
  } else {
    printf("report: %s/report.html\n", options.run);
  }
  return cli_flush(c, 0);
}
