/* The verb `pack` of `kohl data`. */
#ifndef KOHL_CLI_DATA_PACK_H
#define KOHL_CLI_DATA_PACK_H

#include "cli/cli.h"

/* Operands: pack, SOURCE, OUT.  Options: --size, --fit, --filter, --background, --decode, --bad-pictures.  Returns the
 * exit code. */
int data_pack(cli *c);

#endif
