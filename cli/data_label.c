/* kohl data label: classes out of metadata, by a file of rules, and how far they went. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/data_verbs.h"
#include "cli/json.h"
#include "datasets/csv.h"
#include "datasets/rules.h"
#include "kernels/core/alloc.h"

enum { EXAMPLES = 20, TEXT = 160, PATH_TEXT = 4096 };

/* An item worth showing: its line and its texts; of a tie also the two classes. */
typedef struct {
  size_t line;
  int label, rival;
  char text[TEXT];
} example;

typedef struct {
  cli *c;
  kohl_rules *rules;
  kohl_csv *csv;
  FILE *out;
  size_t field[KOHL_RULES_FIELDS]; /* columns of the rules' fields */
  size_t path;                     /* the column of paths, or as many as there are columns */
  char folder[PATH_TEXT];          /* of the input, absolute, with a slash; "" where OUT.csv is in it too */
  size_t rows, why[KOHL_RULES_WHYS], by_field[KOHL_RULES_FIELDS];
  size_t *by_class;
  example none[EXAMPLES], tie[EXAMPLES];
  size_t nones, ties; /* shown */
} labelling;

static size_t find_column(const kohl_csv *csv, const char *name) {
  size_t i = 0;
  while (i < kohl_csv_fields(csv) && strcasecmp(kohl_csv_field(csv, i), name) != 0) i++;
  return i;
}

/* Paths begin at the folder of their CSV: from another folder they must be absolute. */
static int find_folder(labelling *l, const char *in, const char *out) {
  char folders[2][PATH_TEXT];
  const char *paths[2] = {in, out};
  struct stat st[2];
  for (int i = 0; i < 2; i++) {
    const char *slash = strrchr(paths[i], '/');
    size_t length = slash == paths[i] ? 1 : slash ? (size_t)(slash - paths[i]) : 1;
    if (length >= PATH_TEXT) return cli_fail(l->c, KOHL_BAD_INPUT, "%.400s: a path of too many bytes", paths[i]);
    memcpy(folders[i], slash ? paths[i] : ".", length);
    folders[i][length] = 0;
    if (stat(folders[i], &st[i]) != 0) {
      return cli_fail(l->c, KOHL_BAD_INPUT, "%s: cannot be opened: %s", paths[i], strerror(errno));
    }
  }
  if (st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino) return 0;
  char *real = realpath(folders[0], NULL);
  size_t length = real ? strlen(real) : 0;
  bool good = real && length + 2 <= sizeof l->folder;
  if (good) snprintf(l->folder, sizeof l->folder, "%s%s", real, real[length - 1] == '/' ? "" : "/");
  free(real);
  return good ? 0 : cli_fail(l->c, KOHL_BAD_INPUT, "%s: no absolute path of its folder", in);
}

static int read_header(labelling *l) {
  static const char *const added[] = {"label", "label_from"}, *const paths[] = {"path", "file", "filename", "image"};
  bool more;
  kohl_status status = kohl_csv_next(l->c->ctx, l->csv, &more);
  if (status != KOHL_OK) return cli_fail_library(l->c, status);
  const char *name = kohl_csv_name(l->csv);
  if (!more) return cli_fail(l->c, KOHL_BAD_INPUT, "%s: empty file, expected a header row", name);
  size_t columns = kohl_csv_fields(l->csv);
  for (size_t i = 0; i < 2; i++) {
    if (find_column(l->csv, added[i]) == columns) continue;
    return cli_fail(l->c, KOHL_BAD_INPUT, "%s: line 1: a column named '%s', expected none, as it is added", name,
                    added[i]);
  }
  for (size_t f = 0; f < kohl_rules_fields(l->rules); f++) {
    l->field[f] = find_column(l->csv, kohl_rules_field(l->rules, f));
    if (l->field[f] < columns) continue;
    return cli_fail(l->c, KOHL_BAD_INPUT, "%s: line 1: no column named '%s', which is one of the rules' fields", name,
                    kohl_rules_field(l->rules, f));
  }
  l->path = columns;
  for (size_t i = 0; i < 4 && l->path == columns; i++) l->path = find_column(l->csv, paths[i]);
  return 0;
}

static void write_row(labelling *l, const char *label, const char *from, bool header) {
  for (size_t i = 0; i < kohl_csv_fields(l->csv); i++) {
    const char *text = kohl_csv_field(l->csv, i);
    char absolute[PATH_TEXT + PATH_TEXT];
    if (!header && i == l->path && l->folder[0] && *text && *text != '/' && strlen(text) < PATH_TEXT) {
      snprintf(absolute, sizeof absolute, "%s%s", l->folder, text);
      text = absolute;
    }
    cli_print_field(text, "csv", l->out);
    putc(',', l->out);
  }
  cli_print_field(label, "csv", l->out);
  putc(',', l->out);
  cli_print_field(from, "csv", l->out);
  putc('\n', l->out);
}

static void remember(labelling *l, const kohl_rules_result *r, const char *const *texts, example *examples,
                     size_t *count) {
  if (*count == EXAMPLES) return;
  example *e = &examples[(*count)++];
  *e = (example){.line = kohl_csv_line(l->csv), .label = r->label, .rival = r->rival};
  for (size_t f = 0, used = 0; f < kohl_rules_fields(l->rules) && used < TEXT; f++) {
    used += (size_t)snprintf(e->text + used, TEXT - used, "%s%s", f ? " | " : "", texts[f]);
  }
}

static kohl_status label_row(labelling *l) {
  const char *texts[KOHL_RULES_FIELDS];
  kohl_rules_result r;
  for (size_t f = 0; f < kohl_rules_fields(l->rules); f++) texts[f] = kohl_csv_field(l->csv, l->field[f]);
  kohl_status status = kohl_rules_label(l->c->ctx, l->rules, texts, &r);
  if (status != KOHL_OK) return status;
  l->rows++;
  l->why[r.why]++;
  if (r.why == KOHL_RULES_NO_MATCH) remember(l, &r, texts, l->none, &l->nones);
  if (r.rival >= 0) remember(l, &r, texts, l->tie, &l->ties);
  if (r.label >= 0) {
    l->by_class[r.label]++;
    l->by_field[r.field]++;
    write_row(l, kohl_rules_class(l->rules, (size_t)r.label), kohl_rules_field(l->rules, (size_t)r.field), false);
  } else if (cli_get(l->c, CLI_OPTION_keep_unlabelled)->set) {
    write_row(l, "", "", false);
  }
  return KOHL_OK;
}

/* Writes OUT.csv.tmp and renames it: a file of the name is whole, and IN.csv may be the same one. */
static int write_file(labelling *l, const char *path) {
  cli *c = l->c;
  char *temporary;
  size_t length = strlen(path);
  kohl_status status = kohl_alloc(c->ctx, length + 5, 1, path, &temporary);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  memcpy(temporary, path, length);
  memcpy(temporary + length, ".tmp", 5);
  l->out = fopen(temporary, "we");
  int code = l->out ? 0 : cli_fail(c, KOHL_BAD_INPUT, "%s: cannot be written: %s", path, strerror(errno));
  if (code == 0) {
    bool more = true;
    write_row(l, "label", "label_from", true);
    while (status == KOHL_OK && more) {
      status = kohl_csv_next(c->ctx, l->csv, &more);
      if (status == KOHL_OK && more) status = label_row(l);
      if (status == KOHL_OK && l->rows % 1024 == 0) status = kohl_check_cancel(c->ctx);
    }
    if (status != KOHL_OK) code = cli_fail_library(c, status);
    bool failed = ferror(l->out) != 0;
    failed = fclose(l->out) != 0 || failed;
    if (code == 0 && (failed || rename(temporary, path) != 0)) {
      code = cli_fail(c, KOHL_NO_RESOURCE, "%s: cannot be written: %s", path, strerror(errno));
    }
    if (code) unlink(temporary);
  }
  kohl_free(c->ctx, temporary);
  return code;
}

static void write_examples(kohl_json_writer *w, const labelling *l, const char *key, const example *e, size_t count) {
  kohl_json_write_key(w, key);
  kohl_json_write_array_begin(w);
  for (size_t i = 0; i < count; i++) {
    kohl_json_write_object_begin(w);
    cli_json_count(w, "line", e[i].line);
    cli_json_text(w, "text", e[i].text);
    if (e[i].rival >= 0) {
      cli_json_text(w, "label", kohl_rules_class(l->rules, (size_t)e[i].label));
      cli_json_text(w, "rival", kohl_rules_class(l->rules, (size_t)e[i].rival));
    }
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
}

static int print_object(labelling *l) {
  kohl_json_writer writer, *w = &writer;
  kohl_json_write_begin(w, l->c->ctx);
  kohl_json_write_object_begin(w);
  cli_json_count(w, "items", l->rows);
  cli_json_count(w, "labelled", l->rows - l->why[KOHL_RULES_NO_MATCH] - l->why[KOHL_RULES_EXCLUDED]);
  cli_json_count(w, "unmatched", l->why[KOHL_RULES_NO_MATCH]);
  cli_json_count(w, "excluded", l->why[KOHL_RULES_EXCLUDED]);
  cli_json_count(w, "ties_by_longer_word", l->why[KOHL_RULES_LONGER]);
  cli_json_count(w, "ties_by_order", l->why[KOHL_RULES_FIRST]);
  kohl_json_write_key(w, "fields");
  kohl_json_write_object_begin(w);
  for (size_t f = 0; f < kohl_rules_fields(l->rules); f++) {
    cli_json_count(w, kohl_rules_field(l->rules, f), l->by_field[f]);
  }
  kohl_json_write_object_end(w);
  kohl_json_write_key(w, "classes");
  kohl_json_write_object_begin(w);
  for (size_t i = 0; i < kohl_rules_classes(l->rules); i++) {
    cli_json_count(w, kohl_rules_class(l->rules, i), l->by_class[i]);
  }
  kohl_json_write_object_end(w);
  write_examples(w, l, "tie_examples", l->tie, l->ties);
  write_examples(w, l, "unmatched_examples", l->none, l->nones);
  kohl_json_write_object_end(w);
  return cli_print_json(l->c, w);
}

static void print_examples(const labelling *l, const char *what, const example *e, size_t count, size_t all) {
  if (count) printf("\n%s, %zu of %zu:\n", what, count, all);
  for (size_t i = 0; i < count; i++) {
    printf("  line %zu: ", e[i].line);
    if (e[i].rival >= 0) {
      printf("%s, not %s: ", kohl_rules_class(l->rules, (size_t)e[i].label),
             kohl_rules_class(l->rules, (size_t)e[i].rival));
    }
    cli_print_safe(e[i].text, strlen(e[i].text), stdout);
    putchar('\n');
  }
}

static int print_report(labelling *l) {
  if (cli_format_is(l->c, "json")) return print_object(l);
  bool table = cli_format_is(l->c, "table");
  size_t labelled = l->rows - l->why[KOHL_RULES_NO_MATCH] - l->why[KOHL_RULES_EXCLUDED];
  size_t ties = l->why[KOHL_RULES_LONGER] + l->why[KOHL_RULES_FIRST];
  if (table) {
    printf("items      %zu\nlabelled   %zu (%.1f %%)\n", l->rows, labelled,
           l->rows ? 100.0 * (double)labelled / (double)l->rows : 0.0);
    for (size_t f = 0; f < kohl_rules_fields(l->rules); f++) {
      printf("  %zu by ", l->by_field[f]);
      cli_print_safe(kohl_rules_field(l->rules, f), strlen(kohl_rules_field(l->rules, f)), stdout);
      putchar('\n');
    }
    printf("unmatched  %zu\nexcluded   %zu\nties       %zu by the longer word, %zu by the order of the classes\n\n",
           l->why[KOHL_RULES_NO_MATCH], l->why[KOHL_RULES_EXCLUDED], l->why[KOHL_RULES_LONGER],
           l->why[KOHL_RULES_FIRST]);
  }
  cli_table *t = cli_table_new("class|>items");
  for (size_t i = 0; i < kohl_rules_classes(l->rules); i++) {
    cli_table_cell(t, kohl_rules_class(l->rules, i));
    cli_table_cellf(t, "%zu", l->by_class[i]);
  }
  int code = cli_print_table(l->c, t);
  if (code || !table) return code;
  print_examples(l, "ties", l->tie, l->ties, ties);
  print_examples(l, "unmatched", l->none, l->nones, l->why[KOHL_RULES_NO_MATCH]);
  return cli_flush(l->c, 0);
}

int data_label(cli *c, char **operands, int count) {
  (void)count;            /* three: the caller looks */
  char **file = operands; /* rules, input, output */
  labelling *l;
  kohl_status status = kohl_alloc(c->ctx, 1, sizeof *l, "labels", &l);
  if (status != KOHL_OK) return cli_fail_library(c, status);
  l->c = c;
  status = kohl_rules_read(c->ctx, file[0], &l->rules);
  if (status == KOHL_OK) status = kohl_csv_open(c->ctx, file[1], &l->csv);
  if (status == KOHL_OK) {
    status = kohl_alloc(c->ctx, kohl_rules_classes(l->rules), sizeof *l->by_class, "labels", &l->by_class);
  }
  int code = status == KOHL_OK ? read_header(l) : cli_fail_library(c, status);
  if (code == 0) code = find_folder(l, file[1], file[2]);
  if (code == 0) code = write_file(l, file[2]);
  if (code == 0) code = print_report(l);
  kohl_csv_close(c->ctx, l->csv);
  kohl_rules_free(c->ctx, l->rules);
  kohl_free(c->ctx, l->by_class);
  kohl_free(c->ctx, l);
  return code;
}
