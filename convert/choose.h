/* Which network, whose names and whose arithmetic a foreign file has: what the caller says, what the file says of
 * itself, and what its names and shapes fit. */
#ifndef KOHL_CONVERT_CHOOSE_H
#define KOHL_CONVERT_CHOOSE_H

#include "convert/convert.h"
#include "convert/naming.h"
#include "convert/presets.h"

typedef struct kohl_choice {
  const char *arch; /* a name of models.def; of a network that the file describes, the family of the preset or "" */
  bool described;   /* the graph is the file's own */
  kohl_naming naming;
  const kohl_preset *preset;
} kohl_choice;

/* KOHL_USAGE: unknown names, and an architecture or preset that must be said.  What was assumed is logged. */
kohl_status kohl_choose(kohl_context *ctx, const kohl_source *source, const kohl_convert_options *options,
                        kohl_choice *choice);

#endif
