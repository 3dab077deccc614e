/* kohl data VERB ...: work on sets of labelled pictures, one file per verb. */
#include <string.h>

#include "cli/data_pack.h"

int cmd_data(cli *c) {
  const char *verb = c->options.operands[0];
  if (!strcmp(verb, "pack")) return data_pack(c);
  return cli_fail(c, KOHL_USAGE, "unknown verb '%s', expected pack", verb);
}
