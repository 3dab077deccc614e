/* Class names from a text file. */
#ifndef KOHL_CONVERT_LABELS_H
#define KOHL_CONVERT_LABELS_H

#include "kernels/core/context.h"

/* Exactly `count` names, one per line in the order of the outputs: UTF-8, a mark at the beginning, CRLF and a missing
 * last newline are allowed.  path NULL gives "0", "1", ...  *out is the caller's until kohl_labels_free.
 * KOHL_BAD_INPUT: another number of lines, empty or malformed lines, one name twice; the text has the line numbers. */
kohl_status kohl_labels_read(kohl_context *ctx, const char *path, size_t count, char ***out);
void kohl_labels_free(kohl_context *ctx, char **labels, size_t count);

#endif
