/* What every subcommand shares: its options, the library's context, errors as one line, and standard output.
 *
 * A subcommand is int cmd_<name>(cli *); it returns the exit code.  Exit codes are the kohl_status values: 0 done,
 * 1 usage, 2 bad input, 3 not finite, 4 resources, and 130 for interrupted. */
#ifndef KOHL_CLI_CLI_H
#define KOHL_CLI_CLI_H

#include "cli/options.h"
#include "cli/table.h"
#include "kernels/core/context.h"
#include "nn/json.h"

typedef struct cli {
  const char *name; /* of the subcommand */
  cli_options options;
  kohl_context *ctx; /* NULL until cli_begin */
  bool line_open;    /* the terminal shows a progress line that the next message must clear */
  bool output_ended; /* standard output cannot be written any more: nothing more to do */
  int output_code;   /* then: 0 for a pipe whose reader went away, which ends quietly, else the printed error's code */
} cli;

#define COMMAND(name, operands, least, most, summary, details) int cmd_##name(cli *c);
#include "cli/commands.def"
#undef COMMAND

static inline const cli_value *cli_get(const cli *c, cli_option option) { return &c->options.values[option]; }

/* What computes: "cuda:0", or the CPU's level. */
typedef struct cli_level_text {
  char text[24];
} cli_level_text;
cli_level_text cli_level(const cli *c);

/* Makes c->ctx from --cpu, --threads, --exact, --impl, and arranges for Ctrl-C: once asks the library to stop, twice
 * ends the process.  Returns an exit code; not 0: the error is already printed. */
int cli_begin(cli *c);

/* Whether Ctrl-C was pressed. */
bool cli_interrupted(void);

/* For a command that saves what it has: SIGHUP (a terminal that is closed, too) no longer ends it, and the first Ctrl-C
 * is answered on a terminal.  cli_take_hangup: whether SIGHUP came since the last call. */
void cli_catch_hangup(void);
bool cli_take_hangup(void);

/* Prints "kohl SUBCOMMAND: text" as one line on standard error (control characters become '?') and returns the exit
 * code of status. */
int cli_fail(cli *c, kohl_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with the context's text: for a library call that returned status. */
int cli_fail_library(cli *c, kohl_status status);

/* Prints the same line without ending anything, for one bad picture of many. */
void cli_complain(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Clears the progress line, if there is one. */
void cli_clear_line(cli *c);

/* A line on standard error with -v only. */
void cli_say(cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes standard output.  Returns `code`, or, when that is 0 and writing failed, output_code. */
int cli_flush(cli *c, int code);

/* Prints a finished JSON value and a line end, and frees the writer. */
int cli_print_json(cli *c, kohl_json_writer *writer);

/* Prints a table as --format says (not json) and frees it. */
int cli_print_table(cli *c, cli_table *table);

/* Whether --format is this word. */
bool cli_format_is(const cli *c, const char *word);

/* "H", "HxW" or "H,W" as two sizes of 1..65535. */
int cli_parse_size(cli *c, const char *text, int *h, int *w);

/* --help and `kohl help`; man pages; completion scripts.  To standard output. */
void cli_help(cli_command command);
void cli_help_all(void);
void cli_man(cli_command command);
void cli_man_all(void);

#endif
