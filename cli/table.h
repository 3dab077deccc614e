/* A table of texts: aligned for people, or csv or tsv for programs.  Memory errors are kept until it is printed. */
#ifndef KOHL_CLI_TABLE_H
#define KOHL_CLI_TABLE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct cli_table cli_table;

/* columns: names separated by |; one that begins with > is aligned to the right.  NULL when memory is refused, which
 * the other functions take too. */
cli_table *cli_table_new(const char *columns);
void cli_table_free(cli_table *table);

/* Adds the next cell, row by row. */
void cli_table_cell(cli_table *table, const char *text);
void cli_table_cellf(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints it: format "csv" or "tsv", else aligned.  False when memory was refused on the way. */
bool cli_table_print(const cli_table *table, const char *format, FILE *out);

/* Columns that a UTF-8 text takes, one for each character. */
size_t cli_text_width(const char *text);

/* Prints length bytes of a foreign text with ? for control characters, which must not reach a terminal. */
void cli_print_safe(const char *text, size_t length, FILE *out);

/* One text as a csv or tsv field: quoted, or with tabs and line ends as spaces. */
void cli_print_field(const char *text, const char *format, FILE *out);

#endif
