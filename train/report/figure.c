/* A figure as files and in the page: drawn once on a surface that writes SVG, once on pixels. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernels/core/alloc.h"
#include "train/report/canvas.h"
#include "train/report/page.h"

enum { PIXELS = 2 /* a point, in the PNG */ };

static int take(void *user, const unsigned char *bytes, unsigned length) {
  kohl_text *text = user;
  kohl_page_raw(text, bytes, length);
  return text->status == KOHL_OK ? KOHL_CAIRO_OK : KOHL_CAIRO_WRITE_ERROR;
}

/* Draws on a surface and gives it back; Cairo's error, if there was one. */
static int draw(const kohl_cairo_library *cairo, kohl_cairo_surface *surface, double scale, const kohl_figure *figure) {
  kohl_canvas canvas = {cairo, cairo->cairo_create(surface)};
  cairo->cairo_scale(canvas.c, scale, scale);
  kohl_canvas_colour(&canvas, 0xffffff);
  kohl_canvas_box(&canvas, 0, 0, figure->w, figure->h);
  figure->draw(&canvas, figure);
  int error = cairo->cairo_status(canvas.c);
  cairo->cairo_destroy(canvas.c);
  return error;
}

static kohl_status check(kohl_context *ctx, const kohl_cairo_library *cairo, const kohl_figure *figure, int error,
                         const kohl_text *text) {
  if (text->status != KOHL_OK) return text->status; /* the context has the reason of our own writer */
  if (error == KOHL_CAIRO_OK) return KOHL_OK;
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "figure '%s': Cairo: %s", figure->name, cairo->cairo_status_to_string(error));
}

static kohl_status make_svg(kohl_context *ctx, const kohl_cairo_library *cairo, const kohl_figure *figure,
                            kohl_text *out) {
  kohl_cairo_surface *surface = cairo->cairo_svg_surface_create_for_stream(take, out, figure->w, figure->h);
  int error = draw(cairo, surface, 1, figure);
  cairo->cairo_surface_finish(surface); /* writes it */
  if (error == KOHL_CAIRO_OK) error = cairo->cairo_surface_status(surface);
  cairo->cairo_surface_destroy(surface);
  return check(ctx, cairo, figure, error, out);
}

static kohl_status make_png(kohl_context *ctx, const kohl_cairo_library *cairo, const kohl_figure *figure,
                            kohl_text *out) {
  kohl_cairo_surface *surface = cairo->cairo_image_surface_create(KOHL_CAIRO_RGB24, (int)(figure->w * PIXELS + 0.5),
                                                                  (int)(figure->h * PIXELS + 0.5));
  int error = draw(cairo, surface, PIXELS, figure);
  if (error == KOHL_CAIRO_OK) error = cairo->cairo_surface_write_to_png_stream(surface, take, out);
  cairo->cairo_surface_destroy(surface);
  return check(ctx, cairo, figure, error, out);
}

/* The SVG as a part of a page that has several: its identifiers get the figure's name, so that no two are alike. */
static void inline_svg(const kohl_figure *figure, const char *svg, kohl_text *page) {
  static const char *const marks[] = {" id=\"", "href=\"#", "url(#", "url('#"};
  const char *at = strstr(svg, "<svg");
  if (!at) return;
  kohl_text_add(page, "<svg role=\"img\" aria-label=\"");
  kohl_page_text(page, figure->alt);
  kohl_text_add(page, "\"");
  at += 4;
  const char *plain = at;
  for (; *at; at++) {
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
      size_t length = strlen(marks[i]);
      if (strncmp(at, marks[i], length) != 0) continue;
      kohl_page_raw(page, plain, (size_t)(at + length - plain));
      kohl_text_add(page, "%s-", figure->name);
      plain = at + length;
    }
  }
  kohl_page_raw(page, plain, (size_t)(at - plain));
}

kohl_status kohl_figure_render(kohl_context *ctx, const kohl_cairo_library *cairo, const char *run,
                               const kohl_figure *figure, kohl_text *page) {
  char folder[KOHL_RUN_PATH], name[128];
  kohl_text svg = {.ctx = ctx}, png = {.ctx = ctx};
  kohl_status status = kohl_run_path(ctx, run, "figures", folder);
  if (status == KOHL_OK && mkdir(folder, 0777) != 0 && errno != EEXIST) {
    status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: cannot make the folder: %s", folder, strerror(errno));
  }
  if (status == KOHL_OK) status = make_svg(ctx, cairo, figure, &svg);
  if (status == KOHL_OK) status = make_png(ctx, cairo, figure, &png);
  snprintf(name, sizeof name, "figures/%s.svg", figure->name);
  if (status == KOHL_OK) status = kohl_run_write(ctx, run, name, &svg);
  snprintf(name, sizeof name, "figures/%s.png", figure->name);
  if (status == KOHL_OK) status = kohl_run_write(ctx, run, name, &png);
  if (status == KOHL_OK) inline_svg(figure, svg.text ? svg.text : "", page);
  kohl_text_free(&svg);
  kohl_text_free(&png);
  return status == KOHL_OK ? page->status : status;
}
