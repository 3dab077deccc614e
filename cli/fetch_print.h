/* What `kohl fetch` prints: the list, how far it is, and the result with the command to type next. */
#ifndef KOHL_CLI_FETCH_PRINT_H
#define KOHL_CLI_FETCH_PRINT_H

#include "cli/cli.h"
#include "convert/fetch/fetch.h"

/* Prints files and what of them is in the folder, as --format says.  Returns an exit code. */
int fetch_print_list(cli *c, const kohl_fetch_file *files, size_t count, const char *folder);

/* Prints where the file is and how to convert it, as --format says; with --quiet the path alone. */
int fetch_print_result(cli *c, const kohl_fetch_file *file, const char *folder, const kohl_fetch_result *result);

/* A line that is rewritten, where standard output is a terminal and --quiet is not given. */
typedef struct fetch_view {
  cli *c;
  const kohl_fetch_file *file;
  bool terminal;
  kohl_fetch_doing doing;
  double begun, shown; /* seconds: of what is done now, and of the line */
} fetch_view;
fetch_view fetch_view_begin(cli *c, const kohl_fetch_file *file);
kohl_fetch_meter fetch_view_meter(fetch_view *view);

#endif
