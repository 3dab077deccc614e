/* Drawing of figures: a few strokes over Cairo, given once and carried out twice, as SVG and as PNG.
 *
 * Units are points, y grows downwards.  Nothing fails while drawing: what went wrong is known to Cairo and asked for at
 * the end. */
#ifndef KOHL_TRAIN_REPORT_CANVAS_H
#define KOHL_TRAIN_REPORT_CANVAS_H

#include "train/report/cairo_library.h"
#include "train/runfolder.h"

/* Okabe and Ito's colours, which people with any of the common kinds of colour blindness tell apart. */
enum {
  KOHL_INK = 0x222222,
  KOHL_FAINT = 0x595959,
  KOHL_GRID = 0xdddddd,
  KOHL_BLUE = 0x0072b2,
  KOHL_VERMILLION = 0xd55e00,
  KOHL_GREEN = 0x009e73,
  KOHL_PURPLE = 0xcc79a7,
  KOHL_PALE = 0xe8f1f8,
};

/* How a series looks without its colour. */
typedef enum kohl_stroke { KOHL_SOLID, KOHL_DASHED, KOHL_DOTTED, KOHL_STROKES } kohl_stroke;
typedef enum kohl_marker { KOHL_DISC, KOHL_SQUARE, KOHL_TRIANGLE, KOHL_DIAMOND } kohl_marker;

typedef struct kohl_canvas {
  const kohl_cairo_library *cairo;
  kohl_cairo *c;
} kohl_canvas;

typedef struct kohl_figure {
  const char *name; /* of its files, and the id of its parts in the page */
  const char *alt;  /* what it shows, for who cannot see it */
  double w, h;      /* points */
  void (*draw)(kohl_canvas *canvas, const struct kohl_figure *figure);
  const void *what; /* draw's own */
} kohl_figure;

/* Draws the figure into RUN/figures/NAME.svg and NAME.png (two pixels a point) and appends the SVG to `page`, as HTML
 * takes it: no prologue, identifiers with NAME before them, role and alternative text. */
kohl_status kohl_figure_render(kohl_context *ctx, const kohl_cairo_library *cairo, const char *run,
                               const kohl_figure *figure, kohl_text *page);

void kohl_canvas_colour(kohl_canvas *canvas, unsigned rgb);
void kohl_canvas_line(kohl_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                      kohl_stroke stroke);

/* Through count points; a point whose x or y is NaN parts the line. */
void kohl_canvas_path(kohl_canvas *canvas, const double *x, const double *y, size_t count, double width,
                      kohl_stroke stroke);
void kohl_canvas_mark(kohl_canvas *canvas, double x, double y, kohl_marker marker);
void kohl_canvas_box(kohl_canvas *canvas, double x, double y, double w, double h);
void kohl_canvas_frame(kohl_canvas *canvas, double x, double y, double w, double h, double width);

/* Lines from bottom left to top right inside the box. */
void kohl_canvas_hatch(kohl_canvas *canvas, double x, double y, double w, double h);

/* Text on the base line y; anchor 0: x is its left end, 0.5: its middle, 1: its right end.  Text must be UTF-8. */
void kohl_canvas_text(kohl_canvas *canvas, double x, double y, double size, double anchor, const char *text);
void kohl_canvas_bold(kohl_canvas *canvas, double x, double y, double size, double anchor, const char *text);

/* The same upwards: the base line is the vertical x, and y is where the anchor is. */
void kohl_canvas_upright(kohl_canvas *canvas, double x, double y, double size, double anchor, const char *text);
double kohl_canvas_width(kohl_canvas *canvas, double size, const char *text);

enum { KOHL_SHORT = 256 };

/* The text with its middle left out so that it is no wider than `width`; out ends with a zero. */
void kohl_canvas_shorten(kohl_canvas *canvas, double size, double width, const char *text, char out[KOHL_SHORT]);

/* Numbers at round distances within low..high: at most `most` of them; returns how many are in out. */
int kohl_ticks(double low, double high, int most, double *out);

#endif
