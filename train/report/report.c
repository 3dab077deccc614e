/* The page, from its parts. */
#include "train/report/report.h"

#include <string.h>

#include "kernels/core/alloc.h"
#include "kernels/core/place.h"
#include "train/report/sections.h"

kohl_status kohl_report_figure(kohl_report *r, const kohl_figure *figure, const char *caption) {
  kohl_text_add(&r->html, "<figure>\n");
  if (!r->cairo) return r->html.status;
  kohl_status status = kohl_check_cancel(r->ctx);
  if (status == KOHL_OK) status = kohl_figure_render(r->ctx, r->cairo, r->input->run, figure, &r->html);
  if (status == KOHL_OK && *caption) {
    kohl_text_add(&r->html, "<figcaption>");
    kohl_page_text(&r->html, caption);
    kohl_text_add(&r->html, "</figcaption>\n");
  }
  return status == KOHL_OK ? r->html.status : status;
}

void kohl_report_numbers(kohl_report *r, const char *summary) {
  if (r->cairo) kohl_page_fold(&r->html, summary);
}

void kohl_report_figure_end(kohl_report *r) { kohl_text_add(&r->html, "</figure>\n"); }

/* The name of the folder: what is behind the last '/' that something follows; "." and ".." name nothing. */
static kohl_status make_title(kohl_context *ctx, const kohl_report_options *options, char **out) {
  if (options->title) return kohl_page_clean(ctx, options->title, strlen(options->title), out);
  const char *end = options->run + strlen(options->run), *begin;
  while (end > options->run && end[-1] == '/') end--;
  for (begin = end; begin > options->run && begin[-1] != '/'; begin--) {
  }
  size_t length = (size_t)(end - begin);
  if (strspn(begin, ".") >= length) return kohl_strdup(ctx, "Training run", out);
  return kohl_page_clean(ctx, begin, length, out);
}

/* Once for all figures: Cairo stops at the first byte that is not UTF-8. */
static kohl_status clean_labels(kohl_report *r) {
  const kohl_predictions *p = &r->input->predictions;
  if (!r->input->has_predictions) return KOHL_OK;
  kohl_status status = kohl_alloc(r->ctx, (size_t)p->classes, sizeof *r->labels, "labels", &r->labels);
  for (int c = 0; c < p->classes && status == KOHL_OK; c++) {
    status = kohl_page_clean(r->ctx, p->labels[c], strlen(p->labels[c]), &r->labels[c]);
  }
  return status;
}

static kohl_status make_page(kohl_report *r, const char *title, const char *no_figures) {
  static kohl_status (*const sections[])(kohl_report *) = {
      kohl_report_heads,    kohl_report_curves, kohl_report_confusion, kohl_report_classes, kohl_report_reliability,
      kohl_report_pictures, kohl_report_data,   kohl_report_recipe,    kohl_report_cost};
  kohl_page_begin(&r->html, title);
  kohl_status status = kohl_report_headline(r, title);
  if (!r->cairo) {
    kohl_log(r->ctx, KOHL_LOG_WARNING, "%s: %s", r->input->run, no_figures);
    kohl_page_missing(&r->html, no_figures);
  }
  for (size_t i = 0; i < sizeof sections / sizeof *sections && status == KOHL_OK; i++) status = sections[i](r);
  kohl_text_add(&r->html, "</main>\n");
  kohl_page_end(&r->html);
  return status == KOHL_OK ? r->html.status : status;
}

/* A reader of the old page sees it whole until the new one is there. */
static kohl_status save(kohl_context *ctx, const char *path, const kohl_text *page) {
  kohl_file_place place;
  kohl_status status = kohl_place_begin(ctx, path, &place);
  if (status != KOHL_OK) return status;
  status = kohl_place_create(ctx, &place);
  if (status == KOHL_OK) status = kohl_place_append(ctx, &place, page->text, page->length);
  if (status == KOHL_OK) status = kohl_place_commit(ctx, &place);
  kohl_place_end(ctx, &place);
  return status;
}

kohl_status kohl_report_write(kohl_context *ctx, const kohl_report_options *options) {
  kohl_report_input input;
  kohl_cairo_library cairo;
  char why[256], path[KOHL_RUN_PATH];
  char *title = NULL;
  kohl_report r = {.ctx = ctx, .options = options, .input = &input, .html = {.ctx = ctx}};
  kohl_status status = kohl_report_input_read(ctx, options, &input);
  if (kohl_cairo_library_open(options->cairo ? options->cairo : KOHL_CAIRO, &cairo, why, sizeof why)) r.cairo = &cairo;
  if (status == KOHL_OK) status = make_title(ctx, options, &title);
  if (status == KOHL_OK) status = clean_labels(&r);
  if (status == KOHL_OK) status = make_page(&r, title, why);
  if (status == KOHL_OK) status = kohl_run_path(ctx, options->run, "report.html", path);
  if (status == KOHL_OK) status = save(ctx, options->output ? options->output : path, &r.html);
  for (int c = 0; r.labels && c < input.predictions.classes; c++) kohl_free(ctx, r.labels[c]);
  kohl_free(ctx, r.labels);
  kohl_free(ctx, title);
  kohl_text_free(&r.html);
  kohl_report_input_free(&input);
  return status;
}
