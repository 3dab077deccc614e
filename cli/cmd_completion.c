/* kohl completion: scripts for bash, zsh and fish, from the tables. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "convert/fetch/manifest.h"

static void print_name(const char *name) {
  for (; *name; name++) putchar(*name == '_' ? '-' : *name);
}

/* The words of "a|b|c" separated by blanks. */
static void print_words(const char *words) {
  for (; *words; words++) putchar(*words == '|' ? ' ' : *words);
}

static bool takes_file(const cli_option_info *info) {
  return strstr(info->argument, "FILE") || strstr(info->argument, "DIR") || !strcmp(info->argument, "MODEL") ||
         !strcmp(info->argument, "RUN");
}

static void print_commands(void) {
  for (int i = 0; i < CLI_COMMANDS; i++) printf("%s%s", i ? " " : "", cli_command_table[i].name);
}

/* What `kohl fetch` can be asked for. */
static void print_published(void) {
  const kohl_fetch_manifest manifest = kohl_fetch_manifest_builtin();
  for (size_t i = 0; i < manifest.count; i++) printf("%s%s", i ? " " : "", manifest.files[i].name);
}

static void print_bash(void) {
  printf("_kohl() {\n  local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD-1]}\n  COMPREPLY=()\n");
  printf("  if (( COMP_CWORD == 1 )); then\n    COMPREPLY=($(compgen -W \"--help --version ");
  print_commands();
  printf("\" -- \"$word\"))\n    return\n  fi\n  case $last in\n");
  for (int i = 0; i < CLI_OPTIONS; i++) {
    const cli_option_info *info = &cli_option_table[i];
    if (info->kind != CLI_WORD) continue;
    printf("  --");
    print_name(info->name);
    printf(") COMPREPLY=($(compgen -W \"");
    print_words(info->values);
    printf("\" -- \"$word\")); return ;;\n");
  }
  printf("  esac\n  case ${COMP_WORDS[1]}:$word in\n");
  for (int i = 0; i < CLI_COMMANDS; i++) {
    printf("  %s:-*) COMPREPLY=($(compgen -W \"", cli_command_table[i].name);
    for (int o = 0; o < CLI_OPTIONS; o++) {
      if (!(cli_option_table[o].commands & 1u << i)) continue;
      printf("--");
      print_name(cli_option_table[o].name);
      putchar(' ');
    }
    printf("\" -- \"$word\")) ;;\n");
  }
  printf("  help:*) COMPREPLY=($(compgen -W \"");
  print_commands();
  printf("\" -- \"$word\")) ;;\n  fetch:*) COMPREPLY=($(compgen -W \"");
  print_published();
  printf("\" -- \"$word\")) ;;\n  completion:*) COMPREPLY=($(compgen -W \"bash zsh fish\" -- \"$word\")) ;;\n");
  printf("  esac\n}\ncomplete -o default -F _kohl kohl\n");
}

/* Text inside zsh's and fish's quotes: without the characters that they read. */
static void print_plain(const char *text) {
  for (; *text; text++) {
    if (!strchr("'[]:\\", *text)) putchar(*text);
  }
}

static void print_zsh(void) {
  printf("#compdef kohl\n_kohl() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(\n");
  for (int i = 0; i < CLI_COMMANDS; i++) {
    printf("      '%s:", cli_command_table[i].name);
    print_plain(cli_command_table[i].summary);
    printf("'\n");
  }
  printf("    )\n    _describe subcommand commands\n    return\n  fi\n  local command=$words[2]\n");
  printf("  shift words\n  (( CURRENT-- ))\n  case $command in\n");
  for (int i = 0; i < CLI_COMMANDS; i++) {
    printf("  %s) _arguments", cli_command_table[i].name);
    for (int o = 0; o < CLI_OPTIONS; o++) {
      const cli_option_info *info = &cli_option_table[o];
      if (!(info->commands & 1u << i)) continue;
      printf(" \\\n    '%s--", info->kind == CLI_LIST ? "*" : "");
      print_name(info->name);
      printf("%s[", info->kind == CLI_FLAG ? "" : "=");
      print_plain(info->help);
      printf("]");
      if (info->kind == CLI_WORD) printf(":word:("), print_words(info->values), printf(")");
      if (info->kind != CLI_FLAG && info->kind != CLI_WORD) printf(":value:%s", takes_file(info) ? "_files" : "");
      printf("'");
    }
    printf(" \\\n    ");
    if (i == CLI_COMMAND_fetch)
      printf("'1:name:("), print_published(), printf(")' ;;\n");
    else
      printf("'*:file:_files' ;;\n");
  }
  printf("  esac\n}\n_kohl \"$@\"\n");
}

static void print_fish(void) {
  for (int i = 0; i < CLI_COMMANDS; i++) {
    printf("complete -c kohl -n __fish_use_subcommand -f -a %s -d '", cli_command_table[i].name);
    print_plain(cli_command_table[i].summary);
    printf("'\n");
  }
  printf("complete -c kohl -n '__fish_seen_subcommand_from fetch' -f -a '");
  print_published();
  printf("'\n");
  for (int o = 0; o < CLI_OPTIONS; o++) {
    const cli_option_info *info = &cli_option_table[o];
    printf("complete -c kohl -n '__fish_seen_subcommand_from");
    for (int i = 0; i < CLI_COMMANDS; i++) {
      if (info->commands & 1u << i) printf(" %s", cli_command_table[i].name);
    }
    printf("' -l ");
    print_name(info->name);
    if (info->letter) printf(" -s %c", info->letter);
    if (info->kind != CLI_FLAG) printf(" -r%s", takes_file(info) ? "" : "f");
    if (info->kind == CLI_WORD) printf(" -a '"), print_words(info->values), printf("'");
    printf(" -d '");
    print_plain(info->help);
    printf("'\n");
  }
}

int cmd_completion(cli *c) {
  const char *shell = c->options.operands[0];
  if (!strcmp(shell, "bash")) {
    print_bash();
  } else if (!strcmp(shell, "zsh")) {
    print_zsh();
  } else if (!strcmp(shell, "fish")) {
    print_fish();
  } else {
    return cli_fail(c, KOHL_USAGE, "unknown shell '%s', expected bash, zsh or fish", shell);
  }
  return 0;
}
