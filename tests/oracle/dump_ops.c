/* dump_ops: runs one picture op on raw bytes, at a CPU level, for tests/oracle/pillow_resize.py and keras/augment.py.
 *
 *   dump_ops < REQUESTS
 *
 * A request is a line and h * w * 3 bytes of RGB:
 *   resize LEVEL FILTER H W P Q
 *   augment LEVEL FILL R G B H W P Q ROTATION HEIGHT_SHIFT WIDTH_SHIFT SHEAR ZOOM_H ZOOM_W FLIP_H FLIP_V
 *           BRIGHTNESS CONTRAST SATURATION CROP_TOP CROP_LEFT
 * LEVEL is ref, avx2 or avx512.  The answer is "ok BYTES\n" and the bytes (resize: u8, augment: f32), or
 * "error TEXT\n". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datasets/augment.h"
#include "kernels/core/alloc.h"
#include "kernels/resize/resize.h"

enum { SIDE = 8192 };

static void answer(kohl_context *ctx, kohl_status status, const void *data, size_t bytes) {
  if (status == KOHL_OK) {
    printf("ok %zu\n", bytes);
    fwrite(data, 1, bytes, stdout);
  } else {
    printf("error %s\n", kohl_context_error(ctx));
  }
}

/* *out = the h * w * 3 bytes behind the request's line. */
static bool take(kohl_context *ctx, int h, int w, uint8_t **out) {
  if (h < 1 || w < 1 || h > SIDE || w > SIDE) return false;
  size_t bytes = (size_t)h * (size_t)w * 3;
  if (kohl_alloc(ctx, bytes, 1, "the picture", out) != KOHL_OK) return false;
  return fread(*out, 1, bytes, stdin) == bytes;
}

static bool resize(kohl_context *ctx, const char *line) {
  char name[16];
  int h, w, p, q;
  kohl_filter filter;
  uint8_t *src = NULL;
  if (sscanf(line, "%15s %d %d %d %d", name, &h, &w, &p, &q) != 5 || !kohl_filter_find(name, &filter)) return false;
  bool right = take(ctx, h, w, &src);
  kohl_resize_desc d = kohl_resize_whole(h, w, 3, p, q, filter);
  const kohl_kernel *kernel = kohl_kernel_choose(ctx, &kohl_resize_op, KOHL_FWD, &d);
  kohl_args args = {.in = {src}};
  void *packed = NULL;
  kohl_status status = kernel ? KOHL_OK : KOHL_USAGE;
  size_t bytes = kernel ? (size_t)p * (size_t)q * 3 : 0;
  if (kernel) status = kohl_alloc(ctx, bytes, 1, "the result", &args.out[RESIZE_DST]);
  if (status == KOHL_OK) {
    size_t size = kernel->code->workspace_size(&d, kohl_threads_count(ctx->threads));
    status = kohl_alloc(ctx, size, 1, "the workspace", &args.workspace);
  }
  if (status == KOHL_OK) status = kohl_alloc(ctx, kernel->code->packed_size(&d), 1, "the weights", &packed);
  if (status == KOHL_OK && right) {
    kernel->code->pack(&d, NULL, packed);
    args.in[RESIZE_WEI] = packed;
    kernel->code->run(&d, &args, ctx->threads);
  }
  if (right) answer(ctx, status, args.out[RESIZE_DST], bytes);
  kohl_free(ctx, packed);
  kohl_free(ctx, args.workspace);
  kohl_free(ctx, args.out[RESIZE_DST]);
  kohl_free(ctx, src);
  return right;
}

static bool augment(kohl_context *ctx, const char *line) {
  char name[16];
  int h, w, p, q, flips[2];
  kohl_augmentation a = kohl_augmentation_none();
  kohl_augment_params k = kohl_augment_params_none();
  uint8_t *src = NULL;
  float *dst = NULL;
  void *workspace = NULL;
  if (sscanf(line, "%15s %f %f %f %d %d %d %d %lf %lf %lf %lf %lf %lf %d %d %f %f %f %lf %lf", name, &a.colour[0],
             &a.colour[1], &a.colour[2], &h, &w, &p, &q, &k.rotation, &k.height_shift, &k.width_shift, &k.shear,
             &k.zoom_height, &k.zoom_width, &flips[0], &flips[1], &k.brightness, &k.contrast, &k.saturation,
             &k.crop_top, &k.crop_left) != 21 ||
      !kohl_fill_find(name, &a.fill) || p < 1 || q < 1 || p > SIDE || q > SIDE) {
    return false;
  }
  k.horizontal_flip = flips[0] != 0;
  k.vertical_flip = flips[1] != 0;
  bool right = take(ctx, h, w, &src);
  size_t bytes = (size_t)p * (size_t)q * 3 * sizeof *dst;
  kohl_status status = kohl_alloc(ctx, bytes, 1, "the result", &dst);
  if (status == KOHL_OK) status = kohl_alloc(ctx, kohl_augment_workspace(ctx, p, q), 1, "the workspace", &workspace);
  kohl_augment_picture picture = {src, h, w, dst, p, q};
  if (status == KOHL_OK && right) status = kohl_augment_apply(ctx, &a, &k, &picture, workspace);
  if (right) answer(ctx, status, dst, bytes);
  kohl_free(ctx, workspace);
  kohl_free(ctx, dst);
  kohl_free(ctx, src);
  return right;
}

/* One request at its level; false when it makes no sense, for what follows it cannot be told apart then. */
static bool serve(const char *line) {
  char op[16], level[16];
  int used = 0;
  if (sscanf(line, "%15s %15s %n", op, level, &used) != 2) return false;
  kohl_context *ctx;
  kohl_context_options options = kohl_context_options_default();
  options.threads = 1;
  options.cpu = level;
  if (kohl_context_create(&options, &ctx) != KOHL_OK) return false;
  bool right = false;
  if (strcmp(op, "resize") == 0) right = resize(ctx, line + used);
  if (strcmp(op, "augment") == 0) right = augment(ctx, line + used);
  kohl_context_destroy(ctx);
  return right;
}

int main(void) {
  static char line[1024];
  while (fgets(line, sizeof line, stdin)) {
    if (!serve(line)) {
      fprintf(stderr, "dump_ops: cannot serve: %s", line);
      return EXIT_FAILURE;
    }
  }
  return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
