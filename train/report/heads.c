/* The table of a run with several heads: each one's figures in the epoch that was kept, by the columns of metrics.csv.
 */
#include <stdio.h>
#include <string.h>

#include "train/report/sections.h"

/* "val_HEAD_balanced_accuracy" to HEAD; false for any other column, the first head's without a name too. */
static bool head_of(const char *column, const char **name, size_t *length) {
  static const char begin[] = "val_", end[] = "_balanced_accuracy";
  const size_t n = strlen(column), around = sizeof begin - 1 + sizeof end - 1;
  if (n <= around || strncmp(column, begin, sizeof begin - 1) != 0) return false;
  if (strcmp(column + n - (sizeof end - 1), end) != 0) return false;
  *name = column + sizeof begin - 1;
  *length = n - around;
  return true;
}

static void add_figure(kohl_report *r, size_t row, const char *begin, const char *name, size_t length,
                       const char *figure) {
  const kohl_report_epochs *e = &r->input->epochs;
  char column[256];
  snprintf(column, sizeof column, "%s%.*s_%s", begin, (int)length, name, figure);
  const double value = kohl_report_cell(e, row, kohl_report_column(e, column));
  if (value == value) {
    kohl_text_add(&r->html, "<td>%.4f</td>", value);
  } else {
    kohl_text_add(&r->html, "<td></td>");
  }
}

kohl_status kohl_report_heads(kohl_report *r) {
  const kohl_report_epochs *e = &r->input->epochs;
  const long best = kohl_report_best(r->input);
  bool begun = false;
  for (size_t i = 0; i < e->columns && best >= 0; i++) {
    const char *name;
    size_t length;
    char text[128];
    if (!head_of(e->name[i], &name, &length) || length >= sizeof text) continue;
    if (!begun) {
      kohl_page_section(&r->html, "heads", "Heads");
      kohl_page_table(&r->html, "Every head in the epoch that was kept, by the pictures that have a label for it",
                      "head|>loss|>validation loss|>accuracy|>balanced accuracy|>macro F1");
      begun = true;
    }
    memcpy(text, name, length);
    text[length] = 0;
    kohl_page_row_head(&r->html, text);
    add_figure(r, (size_t)best, "", name, length, "loss");
    add_figure(r, (size_t)best, "val_", name, length, "loss");
    add_figure(r, (size_t)best, "val_", name, length, "accuracy");
    add_figure(r, (size_t)best, "val_", name, length, "balanced_accuracy");
    add_figure(r, (size_t)best, "val_", name, length, "macro_f1");
    kohl_text_add(&r->html, "</tr>\n");
  }
  if (!begun) return r->html.status;
  kohl_page_table_end(&r->html);
  kohl_text_add(&r->html, "<p>What follows is of the first head.</p>\n</section>\n");
  return r->html.status;
}
