/* dump_picture: decodes a picture, fits it and writes the raw RGB bytes, for tests/oracle/pillow.py to compare.
 *
 *   dump_picture < LIST
 *
 * One line of LIST: MODE FILTER W H RESIZE FRACTION R G B ORIENT FAST PATH, where MODE is none (decode only), stretch,
 * letterbox, crop or fraction, R G B the background, ORIENT and FAST 0 or 1.  FAST with mode none wants W x H.
 * For each line stdout gets "ok W H BYTES MODE\n" and the bytes, or "error TEXT\n". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/fit.h"

typedef struct {
  char mode[16], filter[16], path[4096];
  kohl_fit fit;
  bool orient, fast;
} request;

static bool parse(const char *line, request *r) {
  int rgb[3], orient, fast;
  memset(r, 0, sizeof *r);
  if (sscanf(line, "%15s %15s %d %d %d %lf %d %d %d %d %d %4095[^\n]", r->mode, r->filter, &r->fit.w, &r->fit.h,
             &r->fit.resize, &r->fit.fraction, &rgb[0], &rgb[1], &rgb[2], &orient, &fast, r->path) != 12) {
    return false;
  }
  for (int c = 0; c < 3; c++) r->fit.background[c] = (uint8_t)rgb[c];
  r->orient = orient;
  r->fast = fast;
  bool mode = strcmp(r->mode, "none") == 0 || kohl_fit_mode_find(r->mode, &r->fit.mode);
  return mode && kohl_filter_find(r->filter, &r->fit.filter);
}

static void answer(kohl_context *ctx, const request *r) {
  kohl_decode_options options = {.orient = r->orient, .fast = r->fast};
  memcpy(options.background, r->fit.background, 3);
  kohl_decode_want want = kohl_fit_want(&r->fit);
  kohl_picture picture, fitted = {0};
  kohl_status status = kohl_picture_read_for(ctx, r->path, &options, &want, &picture);
  bool fit = strcmp(r->mode, "none") != 0;
  if (status == KOHL_OK && fit) status = kohl_picture_fit(ctx, &picture, &r->fit, &fitted);
  if (status == KOHL_OK) {
    const kohl_picture *result = fit ? &fitted : &picture;
    size_t bytes = (size_t)result->w * (size_t)result->h * 3;
    printf("ok %d %d %zu %s\n", result->w, result->h, bytes, result->mode);
    fwrite(result->rgb, 1, bytes, stdout);
  } else {
    printf("error %s\n", kohl_context_error(ctx));
  }
  kohl_picture_free(ctx, &picture);
  kohl_picture_free(ctx, &fitted);
}

int main(void) {
  kohl_context *ctx;
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return EXIT_FAILURE;
  static char line[8192];
  static request r;
  while (fgets(line, sizeof line, stdin)) {
    if (parse(line, &r)) {
      answer(ctx, &r);
    } else {
      printf("error dump_picture: cannot read the line\n");
    }
  }
  kohl_context_destroy(ctx);
  return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
