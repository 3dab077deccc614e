/* The worst mistakes and the most doubtful pictures, as thumbnails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "train/report/sections.h"
#include "train/report/thumbnail.h"

enum { SHOWN = 24 };

/* What the network said of one picture. */
typedef struct answer {
  size_t i;
  int first, second; /* classes; second -1 with one class */
  double p, q;       /* their probabilities */
} answer;

/* Of equal probabilities the lower class is first, as in the metrics. */
static answer answer_of(const kohl_predictions *p, size_t i) {
  const float *row = p->probabilities + i * (size_t)p->classes;
  answer a = {i, kohl_predictions_best(p, i), -1, 0, 0};
  for (int c = 0; c < p->classes; c++) {
    if (c != a.first && (a.second < 0 || row[c] > row[a.second])) a.second = c;
  }
  a.p = (double)row[a.first];
  a.q = a.second >= 0 ? (double)row[a.second] : 0;
  return a;
}

static int by_place(const answer *a, const answer *b) { return (a->i > b->i) - (a->i < b->i); }

/* Equal ones in the order of the file: qsort alone would leave it open. */
static int compare_sure(const void *x, const void *y) {
  const answer *a = x, *b = y;
  return a->p != b->p ? (a->p < b->p) - (a->p > b->p) : by_place(a, b);
}

static int compare_gap(const void *x, const void *y) {
  const answer *a = x, *b = y;
  double s = a->p - a->q, t = b->p - b->q;
  return s != t ? (s > t) - (s < t) : by_place(a, b);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

/* The file as it is named, else beside the predictions. */
static kohl_status find(kohl_report *r, const char *file, char path[KOHL_RUN_PATH]) {
  const char *predictions = r->options->predictions, *slash = predictions ? strrchr(predictions, '/') : NULL;
  char folder[KOHL_RUN_PATH];
  if (*file == '/' || access(file, R_OK) == 0) {
    snprintf(path, KOHL_RUN_PATH, "%s", file);
    return KOHL_OK;
  }
  if (!predictions) return kohl_run_path(r->ctx, r->input->run, file, path);
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - predictions) : 1, slash ? predictions : ".");
  return kohl_run_path(r->ctx, folder, file, path);
}

/* <img> or, where the picture is gone, a box.  Only memory and Ctrl-C are errors. */
static kohl_status add_thumbnail(kohl_report *r, const char *file, const char *alt) {
  char path[KOHL_RUN_PATH];
  kohl_text image = {.ctx = r->ctx};
  kohl_status status = kohl_check_cancel(r->ctx);
  if (status != KOHL_OK) return status;
  status = find(r, file, path);
  if (status == KOHL_OK) status = kohl_thumbnail_write(r->ctx, path, &image);
  if (status == KOHL_OK) status = image.status;
  if (status == KOHL_OK) {
    kohl_text_add(&r->html, "<img width=\"96\" height=\"96\" alt=\"");
    kohl_page_text(&r->html, alt);
    kohl_text_add(&r->html, "\" src=\"");
    kohl_page_raw(&r->html, image.text, image.length);
    kohl_text_add(&r->html, "\">");
  } else if (status != KOHL_NO_RESOURCE) {
    kohl_log(r->ctx, KOHL_LOG_INFO, "%s", kohl_context_error(r->ctx));
    kohl_text_add(&r->html, "<span class=\"gone\">cannot be read</span>");
    status = KOHL_OK;
  }
  kohl_text_free(&image);
  return status;
}

static void add_answer(kohl_report *r, const char *what, int class, double p) {
  kohl_text_add(&r->html, "%s <b>", what);
  kohl_page_text(&r->html, r->labels[class]);
  kohl_text_add(&r->html, "</b> <span class=\"no\">%.1f %%</span><br>", 100 * p);
}

/* "label", not "is": what stands in the data may be what is wrong. */
static kohl_status add_item(kohl_report *r, const answer *a, bool doubt) {
  const kohl_predictions *p = &r->input->predictions;
  int truth = p->truth[a->i];
  kohl_text alt = {.ctx = r->ctx};
  kohl_text_add(&alt, doubt ? "%s, between %s and %s" : "%s taken for %s", r->labels[truth], r->labels[a->first],
                doubt && a->second >= 0 ? r->labels[a->second] : "");
  kohl_status status = alt.status;
  kohl_text_add(&r->html, "<li>");
  if (status == KOHL_OK) status = add_thumbnail(r, p->file[a->i], alt.text);
  kohl_text_free(&alt);
  kohl_text_add(&r->html, "<span class=\"of\">label</span> <b>");
  kohl_page_text(&r->html, r->labels[truth]);
  kohl_text_add(&r->html, "</b><br>");
  add_answer(r, doubt ? "<span class=\"of\">1st</span>" : "<span class=\"of\">said</span>", a->first, a->p);
  if (doubt && a->second >= 0) add_answer(r, "<span class=\"of\">2nd</span>", a->second, a->q);
  if (doubt) kohl_text_add(&r->html, a->first == truth ? "right<br>" : "wrong<br>");
  kohl_text_add(&r->html, "<span class=\"file\" title=\"");
  kohl_page_text(&r->html, p->file[a->i]);
  kohl_text_add(&r->html, "\">");
  kohl_page_text(&r->html, base_name(p->file[a->i]));
  kohl_text_add(&r->html, "</span></li>\n");
  return status;
}

static kohl_status add_list(kohl_report *r, const answer *answers, size_t count, bool doubt) {
  kohl_status status = KOHL_OK;
  kohl_text_add(&r->html, "<ul class=\"thumbs\">\n");
  for (size_t k = 0; k < count && k < SHOWN && status == KOHL_OK; k++) status = add_item(r, &answers[k], doubt);
  kohl_text_add(&r->html, "</ul>\n");
  return status;
}

/* answers is room for one a picture, used twice. */
static kohl_status add_both(kohl_report *r, answer *answers) {
  const kohl_predictions *p = &r->input->predictions;
  size_t wrong = 0;
  for (size_t i = 0; i < p->count; i++) {
    answer a = answer_of(p, i);
    if (a.first != p->truth[i]) answers[wrong++] = a;
  }
  kohl_text_add(&r->html, "<h3>Worst mistakes</h3>\n");
  kohl_status status = KOHL_OK;
  if (wrong) {
    kohl_text_add(
        &r->html,
        "<p>Of %zu wrong answers the %d with the highest probability. Look here for wrong labels first.</p>\n", wrong,
        wrong < SHOWN ? (int)wrong : SHOWN);
    qsort(answers, wrong, sizeof *answers, compare_sure);
    status = add_list(r, answers, wrong, false);
  } else {
    kohl_text_add(&r->html, "<p>No answer is wrong.</p>\n");
  }
  if (p->classes < 2 || status != KOHL_OK) return status;
  for (size_t i = 0; i < p->count; i++) answers[i] = answer_of(p, i);
  qsort(answers, p->count, sizeof *answers, compare_gap);
  kohl_text_add(&r->html,
                "<h3>Most doubtful pictures</h3>\n<p>Those whose first and second probability are closest. (Another "
                "measure of doubt is a small standard deviation of all probabilities; it asks the same of more "
                "than two classes.)</p>\n");
  return add_list(r, answers, p->count, true);
}

kohl_status kohl_report_pictures(kohl_report *r) {
  const kohl_predictions *p = &r->input->predictions;
  answer *answers;
  kohl_page_section(&r->html, "pictures", "Pictures to look at");
  if (!r->input->has_predictions || p->marks) {
    kohl_page_missing(&r->html, r->input->has_predictions
                                    ? "Pictures have several labels here: mistakes and doubts are of single labels."
                                    : "There are no predictions, hence no mistakes and doubts to show.");
    kohl_text_add(&r->html, "</section>\n");
    return r->html.status;
  }
  kohl_status status = kohl_alloc(r->ctx, p->count, sizeof *answers, "answers", &answers);
  if (status != KOHL_OK) return status;
  status = add_both(r, answers);
  kohl_text_add(&r->html, "</section>\n");
  kohl_free(r->ctx, answers);
  return status == KOHL_OK ? r->html.status : status;
}
