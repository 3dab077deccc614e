/* Options of the command: the tables of commands.def and options.def as data, and the parsing of argv by them.
 *
 * A parsed value belongs to the cli_options until cli_options_free; texts point into argv and the environment. */
#ifndef KOHL_CLI_OPTIONS_H
#define KOHL_CLI_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum cli_command {
#define COMMAND(name, operands, least, most, summary, details) CLI_COMMAND_##name,
#include "cli/commands.def"
#undef COMMAND
  CLI_COMMANDS
} cli_command;

typedef enum cli_option {
#define OPTION(id, letter, kind, argument, values, fallback, variable, commands, help) CLI_OPTION_##id,
#include "cli/options.def"
#undef OPTION
  CLI_OPTIONS
} cli_option;

typedef enum cli_kind { CLI_FLAG, CLI_NUMBER, CLI_WORD, CLI_TEXT, CLI_LIST } cli_kind;

typedef struct cli_command_info {
  const char *name, *operands;
  int least, most;
  const char *summary, *details;
} cli_command_info;

typedef struct cli_option_info {
  const char *name; /* with - for _ */
  char letter;      /* 0: none */
  cli_kind kind;
  const char *argument, *values, *fallback, *variable;
  unsigned commands; /* bit per cli_command */
  const char *help;
} cli_option_info;

extern const cli_command_info cli_command_table[CLI_COMMANDS];
extern const cli_option_info cli_option_table[CLI_OPTIONS];

typedef struct cli_value {
  bool set; /* on the command line or in the environment */
  long number;
  const char *text;
  const char **list; /* CLI_LIST: list_count texts */
  size_t list_count;
} cli_value;

typedef struct cli_options {
  cli_command command;
  cli_value values[CLI_OPTIONS];
  char **operands; /* operand_count of them, the array being this struct's */
  int operand_count;
} cli_options;

/* The subcommand with that name, or -1. */
int cli_command_find(const char *name);

/* Parses what follows the subcommand.  False: *error (bytes long) says in one line what is wrong.  Defaults are
 * filled in; --help and --version end the checks, so that they work on an otherwise incomplete line. */
bool cli_options_parse(cli_command command, int argc, char **argv, cli_options *out, char *error, size_t bytes);
void cli_options_free(cli_options *options);

/* Reads a decimal integer of low..high and nothing else. */
bool cli_number_parse(const char *text, long low, long high, long *out);

/* The name in names that is nearest to word, or NULL when none is near (more than a third of it differs). */
const char *cli_nearest(const char *word, const char *const *names, size_t count);

#endif
