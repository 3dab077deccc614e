/* The verb `pack` of `kohl data`. */
#ifndef KOHL_CLI_DATA_PACK_H
#define KOHL_CLI_DATA_PACK_H

#include "cli/cli.h"

/* operands: SOURCE and OUT.  Options: --size, --fit, --filter, --background, --decode, --bad-pictures.  c->ctx is
 * there.  Returns the exit code. */
int data_pack(cli *c, char **operands, int count);

#endif
