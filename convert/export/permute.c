/* A weight's numbers in another order, in pieces.  A piece is some rows of the first dimension; it is filled with the
 * source's longest steps outermost, so that reading goes forward and the writing, which jumps, stays in the cache. */
#include "convert/export/permute.h"

#include <string.h>

enum { PIECE = 1 << 18 /* floats */ };

static void axis(kohl_export_view *view, size_t size, size_t step) {
  view->size[view->dims] = size;
  view->step[view->dims++] = step;
}

static void state(kohl_export_view *view, int64_t size) { view->shape[view->shape_dims++] = size; }

/* krsc as k,c,r,s or r,s,c,k. */
static void filters(kohl_export_view *view, const int64_t krsc[4], kohl_layout layout) {
  size_t k = (size_t)krsc[0], r = (size_t)krsc[1], s = (size_t)krsc[2], c = (size_t)krsc[3];
  if (layout.output_first) {
    axis(view, k, r * s * c);
    if (layout.channels_first) axis(view, c, 1);
  }
  axis(view, r, s * c);
  axis(view, s, c);
  if (!layout.output_first || !layout.channels_first) axis(view, c, 1);
  if (!layout.output_first) axis(view, k, r * s * c);
  for (int d = 0; d < 4; d++) state(view, (int64_t)view->size[d]);
}

/* A row of n numbers, or of a picture's. */
static void row(kohl_export_view *view, size_t n, kohl_layout layout, kohl_shape picture) {
  size_t h = (size_t)picture.h, w = (size_t)picture.w, c = (size_t)picture.c;
  state(view, (int64_t)n);
  if (h * w <= 1 || !layout.channels_first) {
    axis(view, n, 1);
    return;
  }
  axis(view, c, 1);
  axis(view, h, w * c);
  axis(view, w, c);
}

kohl_export_view kohl_export_view_of(const kohl_weight *weight, kohl_layout layout, kohl_shape picture) {
  const kohl_weight_spec *spec = &weight->spec;
  kohl_export_view view = {.data = weight->data};
  if (spec->dims == 4) {
    filters(&view, spec->shape, layout);
  } else if (spec->dims == 2) {
    size_t out = (size_t)spec->shape[0], in = (size_t)spec->shape[1];
    if (layout.output_first) {
      axis(&view, out, in);
      state(&view, spec->shape[0]);
    }
    row(&view, in, layout, picture);
    if (!layout.output_first) {
      axis(&view, out, in);
      state(&view, spec->shape[0]);
    }
  } else {
    bool of_outputs = !strcmp(spec->suffix, "bias"); /* the others are batch-norm's, one for each input */
    row(&view, spec->count, layout, of_outputs ? (kohl_shape){0, 0, 0} : picture);
  }
  return view;
}

kohl_export_view kohl_export_view_row(const float *data, size_t count) {
  kohl_export_view view = {.data = data};
  axis(&view, count, 1);
  state(&view, (int64_t)count);
  return view;
}

/* One loop of four: how many times, and how far both sides go each time. */
typedef struct loop {
  size_t times, from, to;
} loop;

/* The loops of `rows` rows, longest step of the source first. */
static void arrange(const kohl_export_view *view, size_t rows, loop loops[KOHL_EXPORT_DIMS]) {
  size_t to = 1;
  for (int d = KOHL_EXPORT_DIMS - 1; d >= 0; d--) {
    bool real = d < view->dims;
    loops[d] = (loop){real ? (d ? view->size[d] : rows) : 1, real ? view->step[d] : SIZE_MAX, to};
    if (real) to *= view->size[d];
  }
  for (int i = 1; i < KOHL_EXPORT_DIMS; i++) {
    loop moved = loops[i];
    int at = i;
    for (; at > 0 && loops[at - 1].from < moved.from; at--) loops[at] = loops[at - 1];
    loops[at] = moved;
  }
  for (int i = 0; i < KOHL_EXPORT_DIMS; i++) {
    if (loops[i].times == 1) loops[i].from = loops[i].to = 0;
  }
}

static void fill(const loop l[KOHL_EXPORT_DIMS], const float *from, float *to) {
  for (size_t a = 0; a < l[0].times; a++) {
    for (size_t b = 0; b < l[1].times; b++) {
      for (size_t c = 0; c < l[2].times; c++) {
        const float *src = from + a * l[0].from + b * l[1].from + c * l[2].from;
        float *dst = to + a * l[0].to + b * l[1].to + c * l[2].to;
        for (size_t d = 0; d < l[3].times; d++) dst[d * l[3].to] = src[d * l[3].from];
      }
    }
  }
}

static bool in_order(const kohl_export_view *view) {
  size_t step = 1;
  for (int d = view->dims - 1; d >= 0; d--) {
    if (view->size[d] > 1 && view->step[d] != step) return false;
    step *= view->size[d];
  }
  return true;
}

kohl_status kohl_export_stream(kohl_context *ctx, const kohl_export_view *view, kohl_export_sink *sink, void *user) {
  size_t row_floats = 1;
  for (int d = 1; d < view->dims; d++) row_floats *= view->size[d];
  size_t most = row_floats < PIECE ? PIECE / row_floats : 1;
  bool plain = in_order(view);
  float *piece = NULL;
  kohl_status status = KOHL_OK;
  if (most > view->size[0]) most = view->size[0];
  if (!plain) status = kohl_alloc(ctx, most * row_floats, sizeof *piece, "a piece of a tensor", &piece);
  for (size_t done = 0; done < view->size[0] && status == KOHL_OK;) {
    size_t rows = view->size[0] - done < most ? view->size[0] - done : most;
    const float *from = view->data + done * view->step[0];
    if (!plain) {
      loop loops[KOHL_EXPORT_DIMS];
      arrange(view, rows, loops);
      fill(loops, from, piece);
    }
    status = kohl_check_cancel(ctx);
    if (status == KOHL_OK) status = sink(user, plain ? from : piece, rows * row_floats * sizeof *from);
    done += rows;
  }
  kohl_free(ctx, piece);
  return status;
}
