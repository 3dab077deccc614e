/* kohl data: work on labelled pictures before a training, one file per verb. */
#include <string.h>

#include "cli/data_verbs.h"

int cmd_data(cli *c) {
  static const struct {
    const char *name;
    int (*run)(cli *c);
  } verbs[] = {{"split", data_split}, {"label", data_label}, {"balance", data_balance}};
  const char *verb = c->options.operands[0];
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    if (!strcmp(verb, verbs[i].name)) return verbs[i].run(c);
  }
  return cli_fail(c, KOHL_USAGE, "unknown verb '%s', expected split, label or balance", verb);
}
