/* Parsing argv by the option table. */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cli_command_info cli_command_table[CLI_COMMANDS] = {
#define COMMAND(name, operands, least, most, summary, details) {#name, operands, least, most, summary, details},
#include "cli/commands.def"
#undef COMMAND
};

/* The masks of options.def. */
#define ON(command) (1u << CLI_COMMAND_##command)
#define ENGINE                                                                                                 \
  (ON(convert) | ON(export) | ON(classify) | ON(train) | ON(eval) | ON(calibrate) | ON(inspect) | ON(verify) | \
   ON(plan) | ON(bench) | ON(data))
#define NETWORKS (ON(classify) | ON(train) | ON(eval) | ON(calibrate) | ON(plan) | ON(bench))
#define REPORTS \
  (ON(fetch) | ON(classify) | ON(eval) | ON(calibrate) | ON(inspect) | ON(verify) | ON(plan) | ON(bench) | ON(data) | \
   ON(devices))
#define EVERY (~0u)

const cli_option_info cli_option_table[CLI_OPTIONS] = {
#define OPTION(id, letter, kind, argument, values, fallback, variable, commands, help) \
  {#id, letter, CLI_##kind, argument, values, fallback, variable, commands, help},
#include "cli/options.def"
#undef OPTION
};

int cli_command_find(const char *name) {
  for (int i = 0; i < CLI_COMMANDS; i++) {
    if (!strcmp(cli_command_table[i].name, name)) return i;
  }
  return -1;
}

/* Whether the first length bytes of text spell an option: the id with - for _. */
static bool spells(const char *id, const char *text, size_t length) {
  if (strlen(id) != length) return false;
  for (size_t i = 0; i < length; i++) {
    if ((id[i] == '_' ? '-' : id[i]) != text[i]) return false;
  }
  return true;
}

bool cli_number_parse(const char *text, long low, long high, long *out) {
  size_t digits = strspn(text + (*text == '-'), "0123456789");
  if (digits == 0 || text[digits + (*text == '-')]) return false;
  errno = 0;
  long value = strtol(text, NULL, 10);
  if (errno || value < low || value > high) return false;
  *out = value;
  return true;
}

/* Whether text is one of the words of "a|b|c". */
static bool word_listed(const char *words, const char *text) {
  size_t length = strlen(text);
  for (const char *at = words; length;) {
    size_t n = strcspn(at, "|");
    if (n == length && !strncmp(at, text, n)) return true;
    if (!at[n]) break;
    at += n + 1;
  }
  return false;
}

/* Checks text against the option's kind and stores it; who is the option or the variable that brought it. */
static bool store(const cli_option_info *info, cli_value *value, const char *who, const char *text, char *error,
                  size_t bytes) {
  if (info->kind == CLI_NUMBER) {
    long low = strtol(info->values, NULL, 10), high = strtol(strstr(info->values, "..") + 2, NULL, 10);
    if (!cli_number_parse(text, low, high, &value->number)) {
      snprintf(error, bytes, "%s: value '%s', expected a whole number of %ld to %ld", who, text, low, high);
      return false;
    }
  } else if (info->kind == CLI_WORD && !word_listed(info->values, text)) {
    snprintf(error, bytes, "%s: value '%s', expected one of %s", who, text, info->values);
    return false;
  } else if (info->kind != CLI_FLAG && !*text) {
    snprintf(error, bytes, "%s: empty value, expected %s", who, info->argument);
    return false;
  }
  if (info->kind == CLI_LIST) {
    const char **longer = realloc(value->list, (value->list_count + 1) * sizeof *longer);
    if (!longer) {
      snprintf(error, bytes, "%s: out of memory", who);
      return false;
    }
    value->list = longer;
    value->list[value->list_count++] = text;
  }
  value->text = text;
  value->set = true;
  return true;
}

/* The option of a command by long name or letter (length 0), or -1. */
static int find(cli_command command, const char *name, size_t length, char letter) {
  for (int i = 0; i < CLI_OPTIONS; i++) {
    const cli_option_info *info = &cli_option_table[i];
    if (!(info->commands & 1u << command)) continue;
    if (length ? spells(info->name, name, length) : letter == info->letter) return i;
  }
  return -1;
}

/* "unknown option '--tpk'; did you mean --topk?", or for which subcommand the option is. */
static void unknown(cli_command command, const char *text, size_t length, char *error, size_t bytes) {
  const char *names[CLI_OPTIONS];
  char spelled[CLI_OPTIONS][32];
  size_t count = 0;
  for (int i = 0; i < CLI_OPTIONS; i++) {
    const cli_option_info *info = &cli_option_table[i];
    if (!(info->commands & 1u << command)) continue;
    snprintf(spelled[count], sizeof spelled[count], "--%s", info->name);
    for (char *c = spelled[count]; *c; c++) *c = *c == '_' ? '-' : *c;
    names[count] = spelled[count];
    count++;
  }
  char word[64];
  snprintf(word, sizeof word, "%.*s", (int)(length < 60 ? length : 60), text);
  const char *near = cli_nearest(word, names, count);
  snprintf(error, bytes, "unknown option '%s'%s%s%s", word, near ? "; did you mean " : "; see kohl ",
           near ? near : cli_command_table[command].name, near ? "?" : " --help");
}

/* Parses the long option argv[*at], taking its value from behind = or from the next argument. */
static bool parse_long(cli_options *out, int argc, char **argv, int *at, char *error, size_t bytes) {
  const char *name = argv[*at] + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  int option = length ? find(out->command, name, length, 0) : -1;
  if (option < 0) {
    unknown(out->command, argv[*at], length + 2, error, bytes);
    return false;
  }
  const cli_option_info *info = &cli_option_table[option];
  char who[64];
  snprintf(who, sizeof who, "--%.*s", (int)length, name);
  const char *value = equals ? equals + 1 : "";
  if (info->kind == CLI_FLAG && equals) {
    snprintf(error, bytes, "%s: value '%s', expected none", who, value);
    return false;
  }
  if (info->kind != CLI_FLAG && !equals) {
    if (*at + 1 >= argc || !strncmp(argv[*at + 1], "--", 2)) {
      snprintf(error, bytes, "%s: no value, expected %s", who, info->argument);
      return false;
    }
    value = argv[++*at];
  }
  return store(info, &out->values[option], who, value, error, bytes);
}

/* Parses a cluster of letters such as -qv or -oFILE. */
static bool parse_letters(cli_options *out, int argc, char **argv, int *at, char *error, size_t bytes) {
  for (const char *c = argv[*at] + 1; *c; c++) {
    int option = find(out->command, "", 0, *c);
    char who[4] = {'-', *c, 0, 0};
    if (option < 0) {
      unknown(out->command, c == argv[*at] + 1 ? argv[*at] : who, c == argv[*at] + 1 ? strlen(argv[*at]) : 2, error,
              bytes);
      return false;
    }
    const cli_option_info *info = &cli_option_table[option];
    if (info->kind == CLI_FLAG) {
      if (!store(info, &out->values[option], who, "", error, bytes)) return false;
      continue;
    }
    if (!c[1] && *at + 1 >= argc) {
      snprintf(error, bytes, "%s: no value, expected %s", who, info->argument);
      return false;
    }
    return store(info, &out->values[option], who, c[1] ? c + 1 : argv[++*at], error, bytes);
  }
  return true;
}

/* Environment variables and defaults for what the command line did not set. */
static bool fill(cli_options *out, char *error, size_t bytes) {
  for (int i = 0; i < CLI_OPTIONS; i++) {
    const cli_option_info *info = &cli_option_table[i];
    cli_value *value = &out->values[i];
    if (value->set || !(info->commands & 1u << out->command)) continue;
    const char *text = *info->variable ? getenv(info->variable) : NULL;
    if (text && *text) {
      if (!store(info, value, info->variable, text, error, bytes)) return false;
    } else if (*info->fallback) {
      if (!store(info, value, info->name, info->fallback, error, bytes)) return false;
      value->set = false;
    }
  }
  return true;
}

bool cli_options_parse(cli_command command, int argc, char **argv, cli_options *out, char *error, size_t bytes) {
  memset(out, 0, sizeof *out);
  out->command = command;
  out->operands = calloc((size_t)argc + 1, sizeof *out->operands);
  if (!out->operands) {
    snprintf(error, bytes, "out of memory");
    return false;
  }
  bool ended = false;
  for (int i = 0; i < argc; i++) {
    if (ended || argv[i][0] != '-' || !argv[i][1]) {
      out->operands[out->operand_count++] = argv[i];
    } else if (!strcmp(argv[i], "--")) {
      ended = true;
    } else if (!(argv[i][1] == '-' ? parse_long : parse_letters)(out, argc, argv, &i, error, bytes)) {
      return false;
    }
  }
  if (out->values[CLI_OPTION_help].set || out->values[CLI_OPTION_version].set) return true;
  const cli_command_info *info = &cli_command_table[command];
  if (out->operand_count < info->least || out->operand_count > info->most) {
    const char *extra = out->operand_count > info->most ? out->operands[info->most] : NULL;
    snprintf(
        error, bytes,
        extra ? "'%s' is too much; usage: kohl %s [options] %s" : "%stoo few arguments; usage: kohl %s [options] %s",
        extra ? extra : "", info->name, info->operands);
    return false;
  }
  return fill(out, error, bytes);
}

void cli_options_free(cli_options *options) {
  for (int i = 0; i < CLI_OPTIONS; i++) free(options->values[i].list);
  free(options->operands);
  memset(options, 0, sizeof *options);
}
