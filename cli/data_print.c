/* The report of `kohl data` as a page for people, as JSON, and as one row a picture. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/data_report.h"
#include "cli/json.h"

/* What a page shows of groups and of their pictures; JSON has all. */
enum { GROUPS_SHOWN = 10, MEMBERS_SHOWN = 6 };

static void json_spread(kohl_json_writer *w, const char *key, const int values[3]) {
  static const char *const names[3] = {"min", "median", "max"};
  kohl_json_write_key(w, key);
  kohl_json_write_object_begin(w);
  for (int i = 0; i < 3; i++) cli_json_count(w, names[i], (uint64_t)values[i]);
  kohl_json_write_object_end(w);
}

static void json_classes(kohl_json_writer *w, const data_report *r) {
  kohl_json_write_key(w, "classes");
  kohl_json_write_array_begin(w);
  for (size_t k = 0; k < r->samples.class_count; k++) {
    const data_class *class = &r->class[k];
    kohl_json_write_object_begin(w);
    cli_json_text(w, "name", r->samples.classes[k]);
    cli_json_count(w, "count", class->count);
    cli_json_number(w, "share", r->labels ? (double)class->count / (double)r->labels : 0.0);
    cli_json_number(w, "weight", class->weight); /* NaN becomes null */
    for (int s = KOHL_SPLIT_TRAIN; r->splits && s < KOHL_SPLITS; s++) {
      cli_json_count(w, kohl_split_name((kohl_split)s), class->part[s]);
    }
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
}

static void json_groups(kohl_json_writer *w, const char *key, const data_report *r, const kohl_duplicates *d) {
  char path[KOHL_SAMPLE_PATH];
  kohl_json_write_key(w, key);
  kohl_json_write_array_begin(w);
  for (size_t g = 0; g < d->count; g++) {
    kohl_json_write_object_begin(w);
    kohl_json_write_key(w, "labels_differ");
    kohl_json_write_bool(w, d->group[g].labels_differ);
    kohl_json_write_key(w, "splits_differ");
    kohl_json_write_bool(w, d->group[g].splits_differ);
    kohl_json_write_key(w, "pictures");
    kohl_json_write_array_begin(w);
    for (size_t i = 0; i < d->group[g].count; i++) {
      kohl_json_write_string(w, kohl_sample_path(&r->samples, d->member[d->group[g].begin + i], path));
    }
    kohl_json_write_array_end(w);
    kohl_json_write_object_end(w);
  }
  kohl_json_write_array_end(w);
}

static int print_json(cli *c, const data_report *r) {
  kohl_json_writer w;
  kohl_json_write_begin(&w, c->ctx);
  kohl_json_write_object_begin(&w);
  cli_json_text(&w, "source", r->source);
  cli_json_count(&w, "pictures", r->good);
  cli_json_count(&w, "bytes", r->scan.bytes);
  cli_json_count(&w, "other_files", r->samples.other_files);
  json_classes(&w, r);
  json_spread(&w, "width", r->w);
  json_spread(&w, "height", r->h);
  kohl_json_write_key(&w, "modes");
  kohl_json_write_object_begin(&w);
  for (size_t i = 0; i < r->scan.mode_count; i++) cli_json_count(&w, r->scan.modes[i], r->mode[i]);
  kohl_json_write_object_end(&w);
  kohl_json_write_key(&w, "bad");
  kohl_json_write_array_begin(&w);
  for (size_t i = 0; i < r->scan.bad_count; i++) {
    kohl_json_write_object_begin(&w);
    cli_json_text(&w, "path", r->scan.bad[i].path);
    cli_json_text(&w, "reason", r->scan.bad[i].reason);
    kohl_json_write_object_end(&w);
  }
  kohl_json_write_array_end(&w);
  json_groups(&w, "copies", r, &r->exact);
  json_groups(&w, "similar", r, &r->similar);
  kohl_json_write_object_end(&w);
  return cli_print_json(c, &w);
}

/* first[i] = the sample that stands for i's group. */
static kohl_status name_groups(cli *c, const data_report *r, const kohl_duplicates *d, size_t **first) {
  kohl_status status = kohl_alloc(c->ctx, r->samples.count, sizeof **first, "the report", first);
  for (size_t i = 0; status == KOHL_OK && i < r->samples.count; i++) (*first)[i] = i;
  for (size_t g = 0; status == KOHL_OK && g < d->count; g++) {
    const size_t *member = d->member + d->group[g].begin;
    for (size_t i = 0; i < d->group[g].count; i++) (*first)[member[i]] = member[0];
  }
  return status;
}

static void print_cell(const char *text, const char *format, bool first) {
  if (!first) putchar(*format == 'c' ? ',' : '\t');
  cli_print_field(text, format, stdout);
}

/* path, label, split, width, height, mode, bytes, copy_of, similar_to, bad. */
static void print_row(const data_report *r, const char *format, size_t i, size_t copy, size_t similar) {
  char path[KOHL_SAMPLE_PATH], number[32];
  const kohl_scan_picture *p = &r->scan.picture[i];
  const kohl_sample *s = &r->samples.sample[i];
  print_cell(kohl_sample_path(&r->samples, i, path), format, true);
  print_cell(r->samples.classes[s->label], format, false);
  print_cell(s->split ? kohl_split_name((kohl_split)s->split) : "", format, false);
  const uint64_t numbers[2] = {p->w, p->h};
  for (int k = 0; k < 2; k++) {
    snprintf(number, sizeof number, "%llu", (unsigned long long)numbers[k]);
    print_cell(number, format, false);
  }
  print_cell(r->scan.modes[p->mode], format, false);
  snprintf(number, sizeof number, "%llu", (unsigned long long)p->bytes);
  print_cell(number, format, false);
  print_cell(copy != i ? kohl_sample_path(&r->samples, copy, path) : "", format, false);
  print_cell(similar != i ? kohl_sample_path(&r->samples, similar, path) : "", format, false);
  print_cell("", format, false);
  putchar('\n');
}

static int print_rows(cli *c, const data_report *r) {
  static const char *const columns[] = {"path", "label", "split",   "width",      "height",
                                        "mode", "bytes", "copy_of", "similar_to", "bad"};
  enum { COLUMNS = sizeof columns / sizeof *columns };
  const char *format = cli_get(c, CLI_OPTION_format)->text;
  size_t *copy = NULL, *similar = NULL;
  kohl_status status = name_groups(c, r, &r->exact, &copy);
  if (status == KOHL_OK) status = name_groups(c, r, &r->similar, &similar);
  if (status == KOHL_OK) {
    for (size_t k = 0; k < COLUMNS; k++) print_cell(columns[k], format, k == 0);
    putchar('\n');
    for (size_t i = 0; i < r->samples.count; i++) {
      if (r->scan.picture[i].w) print_row(r, format, i, copy[i], similar[i]);
    }
    for (size_t i = 0; i < r->scan.bad_count; i++) {
      print_cell(r->scan.bad[i].path, format, true);
      for (size_t k = 1; k + 1 < COLUMNS; k++) print_cell("", format, false);
      print_cell(r->scan.bad[i].reason, format, false);
      putchar('\n');
    }
  }
  kohl_free(c->ctx, copy);
  kohl_free(c->ctx, similar);
  return status == KOHL_OK ? cli_flush(c, 0) : cli_fail_library(c, status);
}

static int print_classes(cli *c, const data_report *r) {
  cli_table *t = cli_table_new(r->splits ? "class|>pictures|>share|>weight|>train|>validation|>test"
                                         : "class|>pictures|>share|>weight");
  for (size_t k = 0; k < r->samples.class_count; k++) {
    const data_class *class = &r->class[k];
    cli_table_cell(t, r->samples.classes[k]);
    cli_table_cellf(t, "%zu", class->count);
    cli_table_cellf(t, "%.1f %%", r->labels ? 100.0 * (double)class->count / (double)r->labels : 0.0);
    if (isnan(class->weight)) cli_table_cell(t, "-");
    if (!isnan(class->weight)) cli_table_cellf(t, "%.4f", class->weight);
    for (int s = KOHL_SPLIT_TRAIN; r->splits && s < KOHL_SPLITS; s++) cli_table_cellf(t, "%zu", class->part[s]);
  }
  return cli_print_table(c, t);
}

static void print_text(const char *text) { cli_print_safe(text, strlen(text), stdout); }

static void print_member(const data_report *r, size_t i) {
  char path[KOHL_SAMPLE_PATH];
  size_t labels;
  const kohl_sample *s = &r->samples.sample[i];
  const int *label = kohl_sample_labels(&r->samples, i, &labels);
  fputs("  ", stdout);
  print_text(kohl_sample_path(&r->samples, i, path));
  for (size_t k = 0; k < labels; k++) {
    fputs(k ? ", " : "  (", stdout);
    print_text(r->samples.classes[label[k]]);
  }
  if (s->split) printf("; %s", kohl_split_name((kohl_split)s->split));
  puts(")");
}

static void print_group(const data_report *r, const kohl_duplicates *d, const kohl_duplicate_group *g) {
  static const char *const remarks[2][2] = {{"", "different parts of the set"},
                                            {"different classes", "different classes and parts of the set"}};
  const char *remark = remarks[g->labels_differ][g->splits_differ];
  printf(" %zu pictures%s%s\n", g->count, *remark ? ", in " : "", remark);
  for (size_t i = 0; i < g->count && i < MEMBERS_SHOWN; i++) print_member(r, d->member[g->begin + i]);
  if (g->count > MEMBERS_SHOWN) printf("  and %zu more\n", g->count - MEMBERS_SHOWN);
}

/* The groups that do harm come first: across classes and across parts. */
static void print_groups(const data_report *r, const char *title, const kohl_duplicates *d) {
  size_t classes = 0, parts = 0, shown = 0;
  if (!d->count) return;
  for (size_t g = 0; g < d->count; g++) {
    classes += d->group[g].labels_differ;
    parts += d->group[g].splits_differ;
  }
  printf("\n%s: %zu groups, %zu across classes, %zu across parts of the set\n", title, d->count, classes, parts);
  for (int harm = 2; harm >= 0; harm--) {
    for (size_t g = 0; g < d->count; g++) {
      const kohl_duplicate_group *group = &d->group[g];
      if (group->labels_differ + group->splits_differ == harm && shown++ < GROUPS_SHOWN) print_group(r, d, group);
    }
  }
  if (d->count > GROUPS_SHOWN) printf(" and %zu groups more; --format json has all\n", d->count - GROUPS_SHOWN);
}

static int print_page(cli *c, const data_report *r) {
  printf("pictures  %zu in %zu classes, %.1f MB", r->good, r->samples.class_count, (double)r->scan.bytes / 1e6);
  if (r->scan.bad_count) printf("; %zu bad", r->scan.bad_count);
  if (r->samples.other_files) printf("; %zu files passed over", r->samples.other_files);
  printf("\nwidth     %d to %d, median %d\nheight    %d to %d, median %d\n", r->w[0], r->w[2], r->w[1], r->h[0],
         r->h[2], r->h[1]);
  for (size_t i = 0; i < r->scan.mode_count; i++) {
    printf("%s%s %zu", i ? ", " : "kinds     ", r->scan.modes[i], r->mode[i]);
  }
  fputs(r->scan.mode_count ? "\n\n" : "\n", stdout);
  int code = print_classes(c, r);
  if (code) return code;
  if (r->scan.bad_count) printf("\nbad pictures: %zu\n", r->scan.bad_count);
  for (size_t i = 0; i < r->scan.bad_count; i++) {
    fputs("  ", stdout);
    print_text(r->scan.bad[i].path);
    fputs(": ", stdout);
    print_text(r->scan.bad[i].reason);
    putchar('\n');
  }
  print_groups(r, "identical files", &r->exact);
  print_groups(r, "similar pictures", &r->similar);
  return cli_flush(c, 0);
}

int data_report_print(cli *c, const data_report *r) {
  if (cli_format_is(c, "json")) return print_json(c, r);
  return cli_format_is(c, "table") ? print_page(c, r) : print_rows(c, r);
}
