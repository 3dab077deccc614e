/* One side of a resize: which source pixels an output reads, and their weights.  One text for C and CUDA, so that the
 * tables of every device are the same bytes.  The formulas are in resize.h. */
#ifndef KOHL_KERNELS_RESIZE_SIDE_H
#define KOHL_KERNELS_RESIZE_SIDE_H

#include "kernels/core/math.h"
#include "kernels/resize/resize.h"

/* `in` pixels become full, of which out from `start` are wanted. */
typedef struct kohl_resize_side {
  int in, full, out, start;
  kohl_filter filter;
} kohl_resize_side;

KOHL_INLINE kohl_resize_side kohl_resize_across(const kohl_resize_desc *d) {
  const kohl_resize_side side = {d->w, d->q_full, d->q, d->left, d->filter};
  return side;
}

KOHL_INLINE kohl_resize_side kohl_resize_down(const kohl_resize_desc *d) {
  const kohl_resize_side side = {d->h, d->p_full, d->p, d->top, d->filter};
  return side;
}

/* Whether every output is one source pixel. */
KOHL_INLINE bool kohl_resize_copies(const kohl_resize_side *s) {
  return s->in == s->full || s->filter == KOHL_FILTER_NEAREST;
}

KOHL_INLINE double kohl_resize_scale(const kohl_resize_side *s) { return (double)s->in / s->full; }

KOHL_INLINE double kohl_resize_stretch(const kohl_resize_side *s) {
  return kohl_resize_scale(s) < 1.0 ? 1.0 : kohl_resize_scale(s);
}

/* How far the filter reaches from an output's centre. */
KOHL_INLINE double kohl_resize_reach(const kohl_resize_side *s) {
  const double support = s->filter == KOHL_FILTER_LANCZOS    ? 3.0
                         : s->filter == KOHL_FILTER_BICUBIC  ? 2.0
                         : s->filter == KOHL_FILTER_BILINEAR ? 1.0
                                                             : 0.5;
  return support * kohl_resize_stretch(s);
}

/* The most source pixels that an output reads. */
KOHL_INLINE int kohl_resize_taps(const kohl_resize_side *s) {
  if (kohl_resize_copies(s)) return 1;
  const double taps = ceil(kohl_resize_reach(s)) * 2 + 1;
  return taps < s->in ? (int)taps : s->in;
}

KOHL_INLINE double kohl_resize_centre(const kohl_resize_side *s, int x) { return (x + 0.5) * kohl_resize_scale(s); }

/* The source pixels that output x (counted in the whole result) of a side with weights reads. */
KOHL_INLINE void kohl_resize_bounds(const kohl_resize_side *s, int x, int *from, int *count) {
  const double reach = kohl_resize_reach(s), centre = kohl_resize_centre(s, x);
  const int first = (int)(centre - reach + 0.5), end = (int)(centre + reach + 0.5);
  *from = first < 0 ? 0 : first;
  *count = (end > s->in ? s->in : end) - *from;
}

/* Nearest pixels: the centres are a running sum, since that is what Pillow rounds. */
KOHL_INLINE void kohl_resize_nearest(const kohl_resize_side *s, int32_t *from) {
  const double scale = kohl_resize_scale(s);
  double centre = scale * 0.5;
  for (int x = 0; x < s->start + s->out; x++, centre += scale) {
    if (x < s->start) continue;
    const int at = (int)centre;
    from[x - s->start] = at < s->in ? at : s->in - 1;
  }
}

/* An output's weights, one after the other; tap t is at `first` + t * step of the filter.  Lanczos's sine turns by one
 * step at a time: after t steps it is about t * 2^-53 off, which against weights of 22 bits changes nothing, and costs
 * a tenth of a sine. */
typedef struct kohl_resize_weights {
  kohl_filter filter;
  int from;
  double centre, first, step, s, c, turn_s, turn_c;
} kohl_resize_weights;

KOHL_INLINE kohl_resize_weights kohl_resize_weights_of(const kohl_resize_side *side, int x, int from) {
  const double third = 3.14159265358979323846 / 3.0;
  kohl_resize_weights w;
  w.filter = side->filter;
  w.from = from;
  w.centre = kohl_resize_centre(side, x);
  w.step = 1.0 / kohl_resize_stretch(side);
  w.first = (from - w.centre + 0.5) * w.step;
  w.s = w.c = w.turn_s = w.turn_c = 0.0;
  if (w.filter == KOHL_FILTER_LANCZOS) {
    kohl_sincos_double(third * w.first, &w.s, &w.c); /* within 3 and a half steps of 0 */
    kohl_sincos_double(third * w.step, &w.turn_s, &w.turn_c);
  }
  return w;
}

KOHL_INLINE double kohl_resize_bicubic(double x) {
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

/* sinc(x) sinc(x / 3), s being sin(pi x / 3).  sin(pi x) = s (3 - 4 s^2), so that one sine does for both; next to 0,
 * where s / x would magnify the error of s, the series: its next term is below 1e-15. */
KOHL_INLINE double kohl_resize_lanczos(double x, double s) {
  const double angle = 3.14159265358979323846 * x, square = angle * angle;
  if (!(x >= -3.0 && x < 3.0)) return 0.0;
  if (fabs(x) < 1e-4) return 1.0 - square * (10.0 / 54.0);
  return 3.0 * (s * s) * (3.0 - 4.0 * (s * s)) / square;
}

/* The weight of tap t, before it is divided by the sum; the taps are asked for from 0 on, each once. */
KOHL_INLINE double kohl_resize_next(kohl_resize_weights *w, int t) {
  if (w->filter == KOHL_FILTER_LANCZOS) {
    const double weight = kohl_resize_lanczos(w->first + t * w->step, w->s), next = w->s * w->turn_c + w->c * w->turn_s;
    w->c = w->c * w->turn_c - w->s * w->turn_s;
    w->s = next;
    return weight;
  }
  const double x = (t + w->from - w->centre + 0.5) * w->step;
  if (w->filter == KOHL_FILTER_BILINEAR) return fabs(x) < 1.0 ? 1.0 - fabs(x) : 0.0;
  if (w->filter == KOHL_FILTER_BICUBIC) return kohl_resize_bicubic(x);
  return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

/* Rounded half away from zero, without a branch, whose sign lobes would make unpredictable. */
KOHL_INLINE int32_t kohl_resize_fixed(double weight) {
  const double scaled = weight * (1 << KOHL_RESIZE_BITS);
  return (int32_t)(scaled + copysign(0.5, scaled));
}

#endif
