/* --help from the tables, 80 columns wide. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { WIDTH = 79, INDENT = 24 };

/* Prints text broken between words; the cursor stands at column `at`, further lines begin at `indent`. */
static void print_wrapped(const char *text, size_t at, size_t indent) {
  for (bool first = true; *text; first = false) {
    size_t word = strcspn(text, " ");
    if (!first && at + 1 + word > WIDTH) {
      printf("\n%*s", (int)indent, "");
      at = indent;
    } else if (!first) {
      putchar(' ');
      at++;
    }
    printf("%.*s", (int)word, text);
    at += word;
    text += word + (text[word] == ' ');
  }
  putchar('\n');
}

/* "  -o, --output FILE" */
static int spell(const cli_option_info *info, char *text, size_t bytes) {
  char name[32];
  snprintf(name, sizeof name, "%s", info->name);
  for (char *c = name; *c; c++) *c = *c == '_' ? '-' : *c;
  char letter[8] = "    ";
  if (info->letter) snprintf(letter, sizeof letter, "-%c, ", info->letter);
  return snprintf(text, bytes, "  %s--%s%s%s", letter, name, *info->argument ? " " : "", info->argument);
}

/* What the table knows of the values, behind the help text. */
static void describe(const cli_option_info *info, char *text, size_t bytes) {
  char values[160] = "";
  const char *colon = *info->values && *info->fallback ? "; " : "", *comma = *info->variable ? "; " : "";
  if (*info->values || *info->fallback || *info->variable) {
    snprintf(values, sizeof values, " (%s%s%s%s%s%s%s)", info->values, colon, *info->fallback ? "default " : "",
             info->fallback, *info->values || *info->fallback ? comma : "", *info->variable ? "or the variable " : "",
             info->variable);
  }
  snprintf(text, bytes, "%s%s", info->help, values);
}

void cli_help(cli_command command) {
  const cli_command_info *info = &cli_command_table[command];
  printf("kohl %s: %s\n\nusage: kohl %s [options] %s\n\n", info->name, info->summary, info->name, info->operands);
  print_wrapped(info->details, 0, 0);
  printf("\noptions:\n");
  for (int i = 0; i < CLI_OPTIONS; i++) {
    const cli_option_info *option = &cli_option_table[i];
    if (!(option->commands & 1u << command)) continue;
    char name[96], text[512];
    int n = spell(option, name, sizeof name);
    describe(option, text, sizeof text);
    printf("%s", name);
    if (n + 2 > INDENT) printf("\n%*s", INDENT, "");
    if (n + 2 <= INDENT) printf("%*s", INDENT - n, "");
    print_wrapped(text, INDENT, INDENT);
  }
}

void cli_help_all(void) {
  printf("kohl %s: convolutional networks for pictures\n\nusage: kohl SUBCOMMAND [options] FILES\n\n", kohl_version());
  for (int i = 0; i < CLI_COMMANDS; i++) printf("  %-12s%s\n", cli_command_table[i].name, cli_command_table[i].summary);
  printf(
      "\nkohl SUBCOMMAND --help explains one of them.\n\n"
      "exit codes: 0 done, 1 usage, 2 bad input, 3 a value is not finite,\n"
      "            4 memory, disk or network, 130 interrupted\n");
}

int cmd_help(cli *c) {
  bool man = cli_get(c, CLI_OPTION_man)->set;
  if (c->options.operand_count == 0) {
    (man ? cli_man_all : cli_help_all)();
    return 0;
  }
  int command = cli_command_find(c->options.operands[0]);
  if (command < 0) return cli_fail(c, KOHL_USAGE, "unknown subcommand '%s'; see kohl --help", c->options.operands[0]);
  (man ? cli_man : cli_help)((cli_command)command);
  return 0;
}
