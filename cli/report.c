/* Errors as one line on standard error; standard output with its own errors. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* One line whatever the text holds: a file name may contain a line end or an escape sequence. */
static void print_line(cli *c, const char *format, va_list args) {
  char text[KOHL_ERROR_TEXT + 256];
  int n = snprintf(text, sizeof text, "kohl%s%s: ", c->name ? " " : "", c->name ? c->name : "");
  vsnprintf(text + n, sizeof text - (size_t)n, format, args);
  for (char *at = text; *at; at++) {
    if ((unsigned char)*at < ' ' || *at == 127) *at = '?';
  }
  cli_clear_line(c);
  fprintf(stderr, "%s\n", text);
}

void cli_clear_line(cli *c) {
  if (c->line_open) fputs("\r\033[K", stdout);
  if (c->line_open) fflush(stdout);
  c->line_open = false;
}

static int exit_code(kohl_status status) { return status == KOHL_INTERRUPTED ? 130 : (int)status; }

int cli_fail(cli *c, kohl_status status, const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_line(c, format, args);
  va_end(args);
  return exit_code(status);
}

int cli_fail_library(cli *c, kohl_status status) {
  const char *text = c->ctx ? kohl_context_error(c->ctx) : "";
  return cli_fail(c, status, "%s", *text ? text : kohl_status_text(status));
}

void cli_complain(cli *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_line(c, format, args);
  va_end(args);
}

void cli_say(cli *c, const char *format, ...) {
  if (!cli_get(c, CLI_OPTION_verbose)->set) return;
  va_list args;
  va_start(args, format);
  print_line(c, format, args);
  va_end(args);
}

int cli_flush(cli *c, int code) {
  if (!c->output_ended) {
    if (!ferror(stdout)) errno = 0; /* else errno is still that of the write */
    c->output_ended = fflush(stdout) != 0 || ferror(stdout);
    if (c->output_ended && errno != EPIPE) {
      c->output_code =
          cli_fail(c, KOHL_NO_RESOURCE, "standard output: %s", errno ? strerror(errno) : "cannot be written");
    }
  }
  return code ? code : c->output_code;
}

int cli_print_json(cli *c, kohl_json_writer *writer) {
  kohl_status status = kohl_json_write_end(writer);
  int code = status == KOHL_OK ? 0 : cli_fail_library(c, status);
  if (code == 0) {
    fwrite(writer->text, 1, writer->length, stdout);
    putchar('\n');
    code = cli_flush(c, 0);
  }
  kohl_json_write_free(writer);
  return code;
}

int cli_print_table(cli *c, cli_table *table) {
  const char *format = cli_get(c, CLI_OPTION_format)->text;
  bool good = cli_table_print(table, format, stdout);
  cli_table_free(table);
  if (!good) return cli_fail(c, KOHL_NO_RESOURCE, "memory for the table was refused");
  return cli_flush(c, 0);
}

bool cli_format_is(const cli *c, const char *word) {
  const char *format = cli_get(c, CLI_OPTION_format)->text;
  return format && !strcmp(format, word);
}

int cli_parse_size(cli *c, const char *text, int *h, int *w) {
  char first[16];
  size_t n = strcspn(text, "xX,");
  long high = 0, wide = 0;
  if (n < sizeof first) {
    memcpy(first, text, n);
    first[n] = 0;
    bool good =
        cli_number_parse(first, 1, 65535, &high) && (!text[n] || cli_number_parse(text + n + 1, 1, 65535, &wide));
    if (good) {
      *h = (int)high;
      *w = (int)(text[n] ? wide : high);
      return 0;
    }
  }
  return cli_fail(c, KOHL_USAGE, "--size: value '%s', expected H or HxW, each 1 to 65535", text);
}
