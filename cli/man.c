/* Man pages (man(7) macros) from the tables: `kohl help --man SUBCOMMAND > docs/man/kohl-SUBCOMMAND.1`. */
#include <ctype.h>
#include <stdio.h>

#include "cli/cli.h"

/* roff takes - as a hyphen, \ as an escape, and . or ' at a line's begin as a request. */
static void print_roff(const char *text) {
  if (*text == '.' || *text == '\'') fputs("\\&", stdout);
  for (; *text; text++) {
    if (*text == '-' || *text == '\\') putchar('\\');
    putchar(*text == '\\' ? 'e' : *text);
  }
}

static void print_option(const cli_option_info *info) {
  printf(".TP\n.B ");
  if (info->letter) printf("\\-%c, ", info->letter);
  printf("\\-\\-");
  for (const char *c = info->name; *c; c++) fputs(*c == '_' ? "\\-" : (char[]){*c, 0}, stdout);
  if (*info->argument) {
    printf(" \\fI");
    print_roff(info->argument);
    printf("\\fR");
  }
  putchar('\n');
  print_roff(info->help);
  fputs(".\n", stdout);
  if (*info->values) {
    printf("Values: ");
    print_roff(info->values);
    printf("%s%s.\n", *info->fallback ? "; default " : "", info->fallback);
  } else if (*info->fallback) {
    printf("Default: %s.\n", info->fallback);
  }
  if (*info->variable) printf("The environment variable %s is used when the option is absent.\n", info->variable);
}

static const char exit_status[] =
    ".SH \"EXIT STATUS\"\n0 done, 1 usage, 2 bad input, 3 a value is not finite, 4 memory, disk or "
    "network, 130 interrupted.\nEvery error is one line on standard error.\n.SH \"SEE ALSO\"\n";

/* .BR lines of all pages but one (-1: of all). */
static void print_see_also(int but) {
  for (int i = 0, left = CLI_COMMANDS - (but >= 0); i < CLI_COMMANDS; i++) {
    if (i != but) printf(".BR kohl\\-%s (1)%s\n", cli_command_table[i].name, --left ? "," : "");
  }
}

void cli_man_all(void) {
  printf(".TH KOHL 1 \"\" \"kohl %s\" \"kohl manual\"\n.SH NAME\n", kohl_version());
  printf("kohl \\- convolutional networks for pictures\n.SH SYNOPSIS\n.B kohl\n\\fISUBCOMMAND\\fR [\\fIoptions\\fR] ");
  printf("\\fIFILES\\fR\n.SH DESCRIPTION\nThe subcommands, each with a page of its own:\n");
  for (int i = 0; i < CLI_COMMANDS; i++) {
    printf(".TP\n.B %s\n", cli_command_table[i].name);
    print_roff(cli_command_table[i].summary);
    fputs(".\n", stdout);
  }
  fputs(exit_status, stdout);
  print_see_also(-1);
}

void cli_man(cli_command command) {
  const cli_command_info *info = &cli_command_table[command];
  printf(".TH KOHL\\-");
  for (const char *c = info->name; *c; c++) putchar(toupper((unsigned char)*c));
  printf(" 1 \"\" \"kohl %s\" \"kohl manual\"\n.SH NAME\nkohl\\-%s \\- ", kohl_version(), info->name);
  print_roff(info->summary);
  printf("\n.SH SYNOPSIS\n.B kohl %s\n[\\fIoptions\\fR] ", info->name);
  print_roff(info->operands);
  printf("\n.SH DESCRIPTION\n");
  print_roff(info->details);
  printf("\n.SH OPTIONS\n");
  for (int i = 0; i < CLI_OPTIONS; i++) {
    if (cli_option_table[i].commands & 1u << command) print_option(&cli_option_table[i]);
  }
  fputs(exit_status, stdout);
  print_see_also((int)command);
}
