/* kohl inspect --format json. */
#ifndef KOHL_CLI_INSPECT_JSON_H
#define KOHL_CLI_INSPECT_JSON_H

#include "cli/cli.h"
#include "nn/model.h"

/* Prints the model as one JSON object; returns an exit code. */
int cli_inspect_json(cli *c, const char *path, const kohl_model *model);

#endif
