/* Strokes and text on Cairo; figure.c makes files of them. */
#include "train/report/canvas.h"

#include <math.h>
#include <string.h>

#include "nn/json.h"

#define CAIRO(call, ...) (canvas->cairo->cairo_##call(canvas->c, ##__VA_ARGS__))

static const double tau = 6.283185307179586;

void kohl_canvas_colour(kohl_canvas *canvas, unsigned rgb) {
  CAIRO(set_source_rgb, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0);
}

static void set_stroke(kohl_canvas *canvas, double width, kohl_stroke stroke) {
  static const double dashes[KOHL_STROKES][2] = {{0, 0}, {6, 3}, {1.6, 2.6}};
  CAIRO(set_line_width, width);
  CAIRO(set_line_join, KOHL_CAIRO_ROUND);
  CAIRO(set_dash, dashes[stroke], stroke == KOHL_SOLID ? 0 : 2, 0);
}

void kohl_canvas_line(kohl_canvas *canvas, double x0, double y0, double x1, double y1, double width,
                      kohl_stroke stroke) {
  set_stroke(canvas, width, stroke);
  CAIRO(move_to, x0, y0);
  CAIRO(line_to, x1, y1);
  CAIRO(stroke);
}

void kohl_canvas_path(kohl_canvas *canvas, const double *x, const double *y, size_t count, double width,
                      kohl_stroke stroke) {
  bool open = false;
  set_stroke(canvas, width, stroke);
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(x[i]) || !isfinite(y[i])) {
      open = false;
    } else if (open) {
      CAIRO(line_to, x[i], y[i]);
    } else {
      CAIRO(move_to, x[i], y[i]);
      open = true;
    }
  }
  CAIRO(stroke);
}

/* Shapes of about the same area, so that none looks more important. */
void kohl_canvas_mark(kohl_canvas *canvas, double x, double y, kohl_marker marker) {
  const double r = 3.2;
  CAIRO(new_path);
  if (marker == KOHL_DISC) {
    CAIRO(arc, x, y, r * 0.95, 0, tau);
  } else if (marker == KOHL_SQUARE) {
    CAIRO(rectangle, x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7);
  } else if (marker == KOHL_TRIANGLE) {
    CAIRO(move_to, x, y - r * 1.2);
    CAIRO(line_to, x + r * 1.1, y + r * 0.8);
    CAIRO(line_to, x - r * 1.1, y + r * 0.8);
  } else {
    CAIRO(move_to, x, y - r * 1.3);
    CAIRO(line_to, x + r * 1.3, y);
    CAIRO(line_to, x, y + r * 1.3);
    CAIRO(line_to, x - r * 1.3, y);
  }
  CAIRO(close_path);
  CAIRO(fill);
}

void kohl_canvas_box(kohl_canvas *canvas, double x, double y, double w, double h) {
  CAIRO(rectangle, x, y, w, h);
  CAIRO(fill);
}

void kohl_canvas_frame(kohl_canvas *canvas, double x, double y, double w, double h, double width) {
  set_stroke(canvas, width, KOHL_SOLID);
  CAIRO(rectangle, x, y, w, h);
  CAIRO(stroke);
}

/* Lines of a slope of 1 that begin along the upper side and its prolongation to the right: all that cross the box. */
void kohl_canvas_hatch(kohl_canvas *canvas, double x, double y, double w, double h) {
  if (!(w > 0) || !(h > 0)) return;
  CAIRO(save);
  CAIRO(rectangle, x, y, w, h);
  CAIRO(clip);
  set_stroke(canvas, 0.8, KOHL_SOLID);
  for (double at = 0; at < w + h; at += 5) {
    CAIRO(move_to, x + at, y);
    CAIRO(line_to, x + at - h, y + h);
  }
  CAIRO(stroke);
  CAIRO(restore);
}

/* "sans-serif" is whatever the system holds for it; without any font Cairo draws its own, of strokes. */
static void set_font(kohl_canvas *canvas, double size, int weight) {
  CAIRO(select_font_face, "sans-serif", 0, weight);
  CAIRO(set_font_size, size);
}

double kohl_canvas_width(kohl_canvas *canvas, double size, const char *text) {
  kohl_cairo_extents extents = {0};
  set_font(canvas, size, 0);
  CAIRO(text_extents, text, &extents);
  return extents.x_advance;
}

/* new_path: show_text leaves a current point behind, from which the next line would begin. */
static void show(kohl_canvas *canvas, double x, double y, double size, double anchor, int weight, const char *text) {
  kohl_cairo_extents extents = {0};
  set_font(canvas, size, weight);
  CAIRO(text_extents, text, &extents);
  CAIRO(move_to, x - anchor * extents.x_advance, y);
  CAIRO(show_text, text);
  CAIRO(new_path);
}

void kohl_canvas_text(kohl_canvas *canvas, double x, double y, double size, double anchor, const char *text) {
  show(canvas, x, y, size, anchor, 0, text);
}

void kohl_canvas_bold(kohl_canvas *canvas, double x, double y, double size, double anchor, const char *text) {
  show(canvas, x, y, size, anchor, KOHL_CAIRO_BOLD, text);
}

void kohl_canvas_upright(kohl_canvas *canvas, double x, double y, double size, double anchor, const char *text) {
  CAIRO(save);
  CAIRO(translate, x, y);
  CAIRO(rotate, -tau / 4);
  show(canvas, 0, 0, size, anchor, 0, text);
  CAIRO(restore);
}

/* The first `head` and last `tail` characters with an ellipsis between them; head and tail are at most 30. */
static void join(const char *text, size_t length, size_t head, size_t tail, char out[KOHL_SHORT]) {
  static const char ellipsis[] = "\xe2\x80\xa6";
  size_t begin = 0, end = length;
  while (head-- > 0 && begin < length) {
    size_t n = kohl_utf8_character(text + begin, length - begin);
    begin += n ? n : 1;
  }
  while (tail-- > 0 && end > begin) {
    size_t n = 1;
    while (n < 4 && n < end - begin && ((unsigned char)text[end - n] & 0xc0) == 0x80) n++;
    end -= n;
  }
  memcpy(out, text, begin);
  memcpy(out + begin, ellipsis, sizeof ellipsis - 1);
  memcpy(out + begin + sizeof ellipsis - 1, text + end, length - end);
  out[begin + sizeof ellipsis - 1 + length - end] = 0;
}

void kohl_canvas_shorten(kohl_canvas *canvas, double size, double width, const char *text, char out[KOHL_SHORT]) {
  size_t length = strlen(text);
  if (length < KOHL_SHORT && kohl_canvas_width(canvas, size, text) <= width) {
    memcpy(out, text, length + 1);
    return;
  }
  /* 60 characters of 4 bytes fit into out; names differ at their ends more often than in the middle */
  for (size_t characters = 60; characters > 1; characters--) {
    join(text, length, (characters + 1) / 2, characters / 2, out);
    if (kohl_canvas_width(canvas, size, out) <= width) return;
  }
  join(text, length, 1, 0, out);
}

/* The finest of 1, 2, 5, 10 times a power of ten that gives no more than `most`.  1e-9 of a step forgives the rounding
 * of low / wide, by which a tick on the very edge would be lost. */
int kohl_ticks(double low, double high, int most, double *out) {
  double span = high - low;
  if (!(span > 0) || !isfinite(span) || most < 1) return 0;
  double step = pow(10, floor(log10(span / most)));
  static const double factors[] = {1, 2, 5, 10};
  for (int f = 0; f < 4; f++) {
    double wide = step * factors[f], first = ceil(low / wide - 1e-9);
    int count = (int)floor(high / wide + 1e-9) - (int)first + 1;
    if (count > most) continue;
    for (int i = 0; i < count; i++) out[i] = (first + i) * wide;
    return count;
  }
  return 0;
}
