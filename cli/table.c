/* Tables of texts. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_TEXT = 1024 };

struct cli_table {
  char *header;       /* the names, zero-ended one after the other */
  const char **names; /* columns of them, without the > */
  bool *right;
  size_t *width;
  char **cells;
  size_t columns, count, capacity;
  bool failed;
};

cli_table *cli_table_new(const char *columns) {
  cli_table *table = calloc(1, sizeof *table);
  if (!table) return NULL;
  table->columns = 1;
  for (const char *c = columns; *c; c++) table->columns += *c == '|';
  table->header = calloc(strlen(columns) + 1, 1);
  table->names = calloc(table->columns, sizeof *table->names);
  table->right = calloc(table->columns, sizeof *table->right);
  table->width = calloc(table->columns, sizeof *table->width);
  if (!table->header || !table->names || !table->right || !table->width) {
    cli_table_free(table);
    return NULL;
  }
  strcpy(table->header, columns);
  char *at = table->header;
  for (size_t i = 0; i < table->columns; i++) {
    size_t length = strcspn(at, "|");
    at[length] = 0;
    table->right[i] = *at == '>';
    table->names[i] = at + table->right[i];
    table->width[i] = cli_text_width(table->names[i]);
    at += length + 1;
  }
  return table;
}

void cli_table_free(cli_table *table) {
  if (!table) return;
  for (size_t i = 0; i < table->count; i++) free(table->cells[i]);
  free(table->cells);
  free(table->header);
  free(table->names);
  free(table->right);
  free(table->width);
  free(table);
}

void cli_table_cell(cli_table *table, const char *text) {
  if (!table || table->failed) return;
  if (table->count == table->capacity) {
    size_t capacity = table->capacity ? table->capacity * 2 : 64;
    char **longer = realloc(table->cells, capacity * sizeof *longer);
    table->failed = !longer;
    if (!longer) return;
    table->cells = longer;
    table->capacity = capacity;
  }
  char *copy = malloc(strlen(text) + 1);
  table->failed = !copy;
  if (!copy) return;
  strcpy(copy, text);
  size_t column = table->count % table->columns, width = cli_text_width(text);
  if (width > table->width[column]) table->width[column] = width;
  table->cells[table->count++] = copy;
}

void cli_table_cellf(cli_table *table, const char *format, ...) {
  char text[CELL_TEXT];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  cli_table_cell(table, text);
}

size_t cli_text_width(const char *text) {
  size_t width = 0;
  for (; *text; text++) width += ((unsigned char)*text & 0xc0) != 0x80;
  return width;
}

void cli_print_field(const char *text, const char *format, FILE *out) {
  if (strcmp(format, "csv")) {
    for (; *text; text++) putc(*text == '\t' || *text == '\n' || *text == '\r' ? ' ' : *text, out);
    return;
  }
  if (!strpbrk(text, ",\"\r\n")) {
    fputs(text, out);
    return;
  }
  putc('"', out);
  for (; *text; text++) {
    if (*text == '"') putc('"', out);
    putc(*text, out);
  }
  putc('"', out);
}

void cli_print_safe(const char *text, size_t length, FILE *out) {
  for (size_t i = 0; i < length; i++) putc((unsigned char)text[i] < ' ' || text[i] == 127 ? '?' : text[i], out);
}

/* A cell of a person's table; the last one gets no blanks behind. */
static void print_aligned(const cli_table *table, size_t column, const char *text, FILE *out) {
  size_t blanks = table->width[column] - cli_text_width(text);
  if (column) fputs("  ", out);
  if (table->right[column]) fprintf(out, "%*s", (int)blanks, "");
  cli_print_safe(text, strlen(text), out);
  if (!table->right[column] && column + 1 < table->columns) fprintf(out, "%*s", (int)blanks, "");
}

bool cli_table_print(const cli_table *table, const char *format, FILE *out) {
  if (!table || table->failed) return false;
  bool plain = strcmp(format, "csv") && strcmp(format, "tsv");
  for (size_t i = 0; i < table->columns + table->count; i++) {
    size_t column = i % table->columns;
    const char *text = i < table->columns ? table->names[i] : table->cells[i - table->columns];
    if (plain) {
      print_aligned(table, column, text, out);
    } else {
      if (column) putc(*format == 'c' ? ',' : '\t', out);
      cli_print_field(text, format, out);
    }
    if (column + 1 == table->columns) putc('\n', out);
  }
  return true;
}
