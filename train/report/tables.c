/* The data, the recipe, what the run cost and how to run it again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/decimal.h"
#include "train/report/sections.h"

static const char *const part_names[KOHL_REPORT_PARTS] = {"training", "validation", "test"};

static size_t pictures_of(const kohl_report_lists *lists) {
  size_t all = 0;
  for (int part = 0; part < KOHL_REPORT_PARTS; part++) all += lists->count[part];
  return all;
}

/* A class without training pictures has no weight. */
static void add_class(kohl_report *r, const kohl_report_class *class) {
  const kohl_report_lists *lists = &r->input->lists;
  size_t train = class->count[KOHL_REPORT_TRAIN], all = lists->count[KOHL_REPORT_TRAIN];
  kohl_page_row_head(&r->html, class->name);
  for (int part = 0; part < KOHL_REPORT_PARTS; part++) {
    if (lists->there[part]) kohl_text_add(&r->html, "<td>%zu</td>", class->count[part]);
  }
  if (lists->there[KOHL_REPORT_TRAIN]) {
    if (all) kohl_text_add(&r->html, "<td>%.1f %%</td>", 100.0 * (double)train / (double)all);
    if (train) kohl_text_add(&r->html, "<td>%.3f</td>", (double)all / ((double)lists->class_count * (double)train));
    if (!train) kohl_text_add(&r->html, all ? "<td>-</td>" : "<td>-</td><td>-</td>");
  }
  kohl_text_add(&r->html, "</tr>\n");
}

kohl_status kohl_report_data(kohl_report *r) {
  const kohl_report_lists *lists = &r->input->lists;
  kohl_page_section(&r->html, "data", "Data");
  if (lists->class_count == 0) {
    kohl_page_missing(&r->html, "labels.txt and the lists of pictures are missing.");
    kohl_text_add(&r->html, "</section>\n");
    return r->html.status;
  }
  kohl_text heads = {.ctx = r->ctx};
  kohl_text_add(&heads, "class");
  for (int part = 0; part < KOHL_REPORT_PARTS; part++) {
    if (lists->there[part]) kohl_text_add(&heads, "|>%s", part_names[part]);
    if (!lists->there[part])
      kohl_text_add(&r->html, "<p class=\"missing\">%s.csv is missing.</p>\n", part == 0 ? "train" : part_names[part]);
  }
  if (lists->there[KOHL_REPORT_TRAIN]) kohl_text_add(&heads, "|>of training|>balanced weight");
  if (heads.status != KOHL_OK) {
    kohl_text_free(&heads);
    return heads.status;
  }
  kohl_text_add(&r->html,
                "<p>%zu pictures of %zu classes, as the lists of the run name them. The balanced weight is n / "
                "(classes &times; n of the class) of the training list; the recipe may cap, repeat and weigh on top of "
                "that.</p>\n",
                pictures_of(lists), lists->class_count);
  kohl_page_table(&r->html, "Pictures of every class in every part", heads.text);
  for (size_t i = 0; i < lists->class_count; i++) add_class(r, &lists->classes[i]);
  kohl_text_add(&r->html, "</tbody>\n<tfoot><tr><th scope=\"row\" class=\"word\">pictures</th>");
  for (int part = 0; part < KOHL_REPORT_PARTS; part++) {
    if (lists->there[part]) kohl_text_add(&r->html, "<td>%zu</td>", lists->count[part]);
  }
  if (lists->there[KOHL_REPORT_TRAIN]) kohl_text_add(&r->html, "<td></td><td></td>");
  kohl_text_add(&r->html, "</tr></tfoot></table></div>\n</section>\n");
  kohl_text_free(&heads);
  return r->html.status;
}

kohl_status kohl_report_recipe(kohl_report *r) {
  kohl_page_section(&r->html, "recipe", "Recipe");
  if (r->input->recipe) {
    kohl_page_fold(&r->html, "recipe.yaml: every key as this run had it");
    kohl_text_add(&r->html, "<pre><code>");
    kohl_page_text(&r->html, r->input->recipe);
    kohl_text_add(&r->html, "</code></pre>\n");
    kohl_page_fold_end(&r->html);
  } else {
    kohl_page_missing(&r->html, "recipe.yaml is missing.");
  }
  kohl_text_add(&r->html, "</section>\n");
  return r->html.status;
}

/* Keys of run.json that have a name and a unit; others are shown as they stand. */
static void add_fact(kohl_report *r, const char *key, const char *value) {
  static const char *const names[][2] = {{"kohl", "version of kohl"},
                                         {"seconds", "time of the whole run"},
                                         {"peak_bytes", "most memory"},
                                         {"machine", "machine"},
                                         {"threads", "threads"},
                                         {"base", "base"},
                                         {"data.bad", "pictures that could not be read"},
                                         {"data.copies_dropped", "copies that were left out"}};
  const char *name = key;
  char text[64];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(key, names[i][0]) == 0) name = names[i][1];
  }
  double number = kohl_decimal_read(value, strlen(value));
  if (strcmp(key, "seconds") == 0 && number >= 0) {
    kohl_report_duration(number, text, sizeof text);
    value = text;
  } else if (strcmp(key, "peak_bytes") == 0 && number >= 0) {
    snprintf(text, sizeof text, "%.1f MiB", number / (1 << 20));
    value = text;
  }
  kohl_page_row_head(&r->html, name);
  kohl_text_add(&r->html, "<td class=\"word\">");
  kohl_page_text(&r->html, value);
  kohl_text_add(&r->html, "</td></tr>\n");
}

/* Epochs by metrics.csv, all else by run.json, which also has what comes before and between them. */
static void add_costs(kohl_report *r) {
  const kohl_report_epochs *e = &r->input->epochs;
  int column = kohl_report_column(e, "seconds");
  double sum = 0;
  char text[64];
  for (size_t row = 0; row < e->rows; row++) {
    double value = kohl_report_cell(e, row, column);
    if (value == value) sum += value;
  }
  kohl_page_table(&r->html, "What run.json and metrics.csv say", "what|value");
  if (e->rows && column >= 0) {
    char head[64];
    kohl_report_duration(sum, text, sizeof text);
    snprintf(head, sizeof head, "time of the %zu epoch%s", e->rows, e->rows == 1 ? "" : "s");
    add_fact(r, head, text);
    kohl_report_duration(sum / (double)e->rows, text, sizeof text);
    add_fact(r, "time of an epoch, mean", text);
  }
  for (size_t i = 0; i < r->input->fact_count; i++) add_fact(r, r->input->facts[i].key, r->input->facts[i].value);
  kohl_page_table_end(&r->html);
}

/* A word for a shell. */
static void add_word(kohl_text *page, kohl_context *ctx, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:@%+";
  if (*word && !word[strspn(word, plain)]) {
    kohl_page_text(page, word);
    return;
  }
  kohl_text quoted = {.ctx = ctx};
  kohl_page_raw(&quoted, "'", 1);
  for (; *word; word++) kohl_page_raw(&quoted, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
  kohl_page_raw(&quoted, "'", 1);
  if (quoted.status == KOHL_OK) kohl_page_text(page, quoted.text);
  if (page->status == KOHL_OK) page->status = quoted.status;
  kohl_text_free(&quoted);
}

/* Only what a file of the run names is in the command; PICTURES stands for what none does. */
static kohl_status add_reproduce(kohl_report *r) {
  char recipe[KOHL_RUN_PATH];
  const char *data = kohl_report_fact_find(r->input, "data.path");
  kohl_status status = kohl_run_path(r->ctx, r->input->run, "recipe.yaml", recipe);
  if (status != KOHL_OK) return status;
  kohl_page_section(&r->html, "again", "How to reproduce");
  kohl_text_add(&r->html,
                "<p>The recipe above has every key settled, overrides too. The same pictures, recipe and kernels give "
                "the same weights, for any number of threads.</p>\n<pre><code>kohl train ");
  add_word(&r->html, r->ctx, recipe);
  kohl_text_add(&r->html, " --data ");
  add_word(&r->html, r->ctx, data ? data : "PICTURES");
  kohl_text_add(&r->html, " --out AGAIN\nkohl report AGAIN</code></pre>\n");
  if (!data)
    kohl_text_add(
        &r->html,
        "<p>PICTURES is the folder or list that was given to the training; no file of the run names it.</p>\n");
  kohl_text_add(&r->html, "</section>\n");
  return r->html.status;
}

kohl_status kohl_report_cost(kohl_report *r) {
  kohl_page_section(&r->html, "cost", "Time and memory");
  if (r->input->has_facts || r->input->epochs.rows) add_costs(r);
  if (!r->input->has_facts) {
    kohl_page_missing(&r->html, "run.json is missing: memory, machine and the time outside of epochs are not known.");
  }
  kohl_text_add(&r->html, "</section>\n");
  return r->html.status == KOHL_OK ? add_reproduce(r) : r->html.status;
}
