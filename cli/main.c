/* kohl, the command: finds the subcommand, parses its options, runs it.  One file per subcommand, cmd_<name>.c. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

typedef int (*command_function)(cli *c);
static const command_function functions[CLI_COMMANDS] = {
#define COMMAND(name, operands, least, most, summary, details) cmd_##name,
#include "cli/commands.def"
#undef COMMAND
};

static int run(cli *c, cli_command command, int argc, char **argv) {
  char error[512];
  if (!cli_options_parse(command, argc, argv, &c->options, error, sizeof error))
    return cli_fail(c, KOHL_USAGE, "%s", error);
  if (cli_get(c, CLI_OPTION_help)->set) {
    cli_help(command);
    return 0;
  }
  if (cli_get(c, CLI_OPTION_version)->set) {
    printf("kohl %s\n", kohl_version());
    return 0;
  }
  return functions[command](c);
}

/* What stands where a subcommand should. */
static int without_command(cli *c, const char *word) {
  if (!word) return cli_fail(c, KOHL_USAGE, "no subcommand; see kohl --help");
  const char *names[CLI_COMMANDS];
  for (int i = 0; i < CLI_COMMANDS; i++) names[i] = cli_command_table[i].name;
  const char *near = cli_nearest(word, names, CLI_COMMANDS);
  return cli_fail(c, KOHL_USAGE, "unknown %s '%s'; %s%s%s", *word == '-' ? "option" : "subcommand", word,
                  near ? "did you mean " : "see kohl --help", near ? near : "", near ? "?" : "");
}

int main(int argc, char **argv) {
  cli c;
  memset(&c, 0, sizeof c);
  signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the write, which cli_flush takes quietly */
  const char *word = argc > 1 ? argv[1] : NULL;
  int command = word ? cli_command_find(word) : -1, code = 0;
  if (command >= 0) {
    c.name = cli_command_table[command].name;
    code = run(&c, (cli_command)command, argc - 2, argv + 2);
  } else if (word && (!strcmp(word, "--help") || !strcmp(word, "-h"))) {
    cli_help_all();
  } else if (word && (!strcmp(word, "--version") || !strcmp(word, "-V"))) {
    printf("kohl %s\n", kohl_version());
  } else {
    code = without_command(&c, word);
  }
  code = cli_flush(&c, code);
  cli_options_free(&c.options);
  kohl_context_destroy(c.ctx);
  return code;
}
