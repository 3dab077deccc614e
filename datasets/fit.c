/* The geometry of a fit, worked out into one run of the resize kernel. */
#include "datasets/fit.h"

#include <math.h>
#include <string.h>

#include "datasets/fit_room.h"
#include "kernels/core/alloc.h"

const char *kohl_fit_check(const kohl_fit *fit) {
  if ((int)fit->mode < 0 || fit->mode >= (kohl_fit_mode)KOHL_FIT_MODES) return "no such mode";
  if ((int)fit->filter < 0 || fit->filter >= (kohl_filter)KOHL_FILTERS) return "no such filter";
  if (fit->w < 1 || fit->h < 1 || fit->w > KOHL_PICTURE_SIDE || fit->h > KOHL_PICTURE_SIDE) {
    return "a side is not 1 to 32768";
  }
  if ((int64_t)fit->w * fit->h > KOHL_PICTURE_PIXELS) return "more than 67108864 pixels";
  if (fit->mode == KOHL_FIT_CROP && (fit->resize < fit->w || fit->resize < fit->h || fit->resize > KOHL_PICTURE_SIDE)) {
    return "`resize` is below a side of the crop, or above 32768";
  }
  if (fit->mode == KOHL_FIT_FRACTION && !(fit->fraction > 0.0 && fit->fraction <= 1.0)) {
    return "`fraction` is not more than 0 and at most 1";
  }
  return NULL;
}

/* Halves to even, whatever the processor's rounding mode: the tie is told apart before rounding. */
static int round_even(double x) {
  double down = floor(x), rest = x - down;
  bool up = rest > 0.5 || (rest == 0.5 && fmod(down, 2.0) != 0.0);
  return (int)down + up;
}

static int at_least_one(int x) { return x < 1 ? 1 : x; }

/* One resize: src cut to a window, resized to a whole of which a window is wanted, put into the result. */
typedef struct {
  int src_top, src_left, src_h, src_w;
  int p_full, q_full, top, left;
  int dst_top, dst_left, p, q;
} geometry;

static void letterbox(int h, int w, const kohl_fit *fit, geometry *g) {
  double picture = (double)w / h, wanted = (double)fit->w / fit->h;
  if (picture > wanted) g->p = at_least_one(round_even((double)h / w * fit->w));
  if (picture < wanted) g->q = at_least_one(round_even((double)w / h * fit->h));
  g->p_full = g->p;
  g->q_full = g->q;
  if (g->q != fit->w) {
    g->dst_left = round_even((fit->w - g->q) * 0.5);
  } else {
    g->dst_top = round_even((fit->h - g->p) * 0.5);
  }
}

static void crop(int h, int w, const kohl_fit *fit, geometry *g) {
  double shorter = h < w ? h : w, longer = h < w ? w : h;
  int scaled = (int)((double)fit->resize * longer / shorter);
  g->p_full = h <= w ? fit->resize : scaled;
  g->q_full = h <= w ? scaled : fit->resize;
  g->top = round_even((g->p_full - fit->h) / 2.0);
  g->left = round_even((g->q_full - fit->w) / 2.0);
}

static int fraction_start(int side, double fraction) {
  int start = (int)((side - side * fraction) / 2.0);
  return side - 2 * start < 1 ? (side - 1) / 2 : start;
}

static geometry geometry_of(int h, int w, const kohl_fit *fit) {
  geometry g = {0, 0, h, w, fit->h, fit->w, 0, 0, 0, 0, fit->h, fit->w};
  switch (fit->mode) {
    case KOHL_FIT_STRETCH: break;
    case KOHL_FIT_LETTERBOX: letterbox(h, w, fit, &g); break;
    case KOHL_FIT_CROP: crop(h, w, fit, &g); break;
    case KOHL_FIT_FRACTION:
      g.src_top = fraction_start(h, fit->fraction);
      g.src_left = fraction_start(w, fit->fraction);
      g.src_h = h - 2 * g.src_top;
      g.src_w = w - 2 * g.src_left;
      break;
  }
  return g;
}

kohl_decode_want kohl_fit_want(const kohl_fit *fit) {
  kohl_decode_want want = {fit->w, fit->h, fit->mode == KOHL_FIT_LETTERBOX};
  if (fit->mode == KOHL_FIT_CROP) want.w = want.h = fit->resize;
  if (fit->mode == KOHL_FIT_FRACTION) {
    want.w = (int)fmin(ceil(fit->w / fit->fraction), KOHL_PICTURE_SIDE);
    want.h = (int)fmin(ceil(fit->h / fit->fraction), KOHL_PICTURE_SIDE);
  }
  return want;
}

static void fill(uint8_t *rgb, const kohl_fit *fit) {
  size_t pixels = (size_t)fit->w * (size_t)fit->h;
  for (size_t i = 0; i < pixels; i++) memcpy(rgb + 3 * i, fit->background, 3);
}

/* rgb is the whole result. */
static kohl_status resize(kohl_context *ctx, const kohl_picture *src, const geometry *g, const kohl_fit *fit,
                          kohl_fit_room *room, uint8_t *rgb) {
  kohl_resize_desc d = {1,         g->src_h, g->src_w, 3,          g->p,       g->q,       g->p_full,
                        g->q_full, g->top,   g->left,  src->w * 3, fit->w * 3, fit->filter};
  const kohl_kernel *kernel = kohl_kernel_choose(ctx, &kohl_resize_op, KOHL_FWD, &d);
  if (!kernel) return KOHL_USAGE;
  const kohl_kernel_code *code = kernel->code;
  kohl_args args = {.in = {src->rgb + ((size_t)g->src_top * (size_t)src->w + (size_t)g->src_left) * 3},
                    .out = {rgb + ((size_t)g->dst_top * (size_t)fit->w + (size_t)g->dst_left) * 3}};
  void *weights, *workspace = NULL;
  size_t bytes = code->workspace_size ? code->workspace_size(&d, kohl_threads_count(ctx->threads)) : 0;
  kohl_status status = kohl_fit_room_weights(ctx, room, kernel, &d, &args.in[RESIZE_WEI], &weights);
  if (status == KOHL_OK) status = kohl_fit_room_workspace(ctx, room, bytes, &args.workspace, &workspace);
  if (status == KOHL_OK) code->run(&d, &args, ctx->threads);
  kohl_free(ctx, weights);
  kohl_free(ctx, workspace);
  return status;
}

kohl_status kohl_picture_fit_to(kohl_context *ctx, const kohl_picture *src, const kohl_fit *fit, kohl_fit_room *room,
                                uint8_t *rgb) {
  const char *wrong = kohl_fit_check(fit);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "fit to %d x %d: %s", fit->w, fit->h, wrong);
  geometry g = geometry_of(src->h, src->w, fit);
  if (g.p != fit->h || g.q != fit->w) fill(rgb, fit);
  return resize(ctx, src, &g, fit, room, rgb);
}

kohl_status kohl_picture_fit(kohl_context *ctx, const kohl_picture *src, const kohl_fit *fit, kohl_picture *out) {
  memset(out, 0, sizeof *out);
  const char *wrong = kohl_fit_check(fit); /* before its sides are memory */
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "fit to %d x %d: %s", fit->w, fit->h, wrong);
  *out = (kohl_picture){fit->w, fit->h, NULL, src->mode};
  kohl_status status = kohl_alloc(ctx, (size_t)fit->w * (size_t)fit->h, 3, "a fitted picture", &out->rgb);
  if (status == KOHL_OK) status = kohl_picture_fit_to(ctx, src, fit, NULL, out->rgb);
  if (status != KOHL_OK) kohl_picture_free(ctx, out);
  return status;
}
