/* PNG through libpng, with the same care about its jump as in decode_png.c: what must survive it is in one struct. */
#include "datasets/png_write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "datasets/decode.h"
#include "kernels/core/alloc.h"

typedef struct {
  png_structp png;
  png_infop info;
  jmp_buf out_of_libpng;
  kohl_context *ctx;
  const char *path;
  char *temporary;
  FILE *file;
  const uint8_t *rgb;
  int w, h;
  kohl_status status;
} writer;

static _Noreturn void on_error(png_structp png, png_const_charp text) {
  writer *w = png_get_error_ptr(png);
  if (w->status == KOHL_OK) w->status = kohl_fail(w->ctx, KOHL_NO_RESOURCE, "%s: cannot be written: %s", w->path, text);
  longjmp(w->out_of_libpng, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void on_write(png_structp png, png_bytep data, size_t bytes) {
  writer *w = png_get_io_ptr(png);
  if (fwrite(data, 1, bytes, w->file) != bytes) png_error(png, strerror(errno));
}

static void on_flush(png_structp png) { (void)png; }

static png_voidp on_allocate(png_structp png, png_alloc_size_t bytes) {
  writer *w = png_get_mem_ptr(png);
  void *memory = NULL;
  if (kohl_alloc(w->ctx, bytes, 1, w->path, &memory) != KOHL_OK) w->status = KOHL_NO_RESOURCE; /* the text is made */
  return memory;
}

static void on_free(png_structp png, png_voidp memory) {
  writer *w = png_get_mem_ptr(png);
  kohl_free(w->ctx, memory);
}

static void encode(writer *w) {
  png_set_write_fn(w->png, w, on_write, on_flush);
  png_set_IHDR(w->png, w->info, (png_uint_32)w->w, (png_uint_32)w->h, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(w->png, w->info);
  for (int y = 0; y < w->h; y++) png_write_row(w->png, w->rgb + (size_t)y * (size_t)w->w * 3);
  png_write_end(w->png, w->info);
}

static void run_libpng(writer *w) {
  w->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, w, on_error, on_warning, w, on_allocate, on_free);
  if (w->png && setjmp(w->out_of_libpng) == 0) {
    w->info = png_create_info_struct(w->png);
    if (w->info) {
      encode(w);
    } else if (w->status == KOHL_OK) {
      w->status = kohl_fail(w->ctx, KOHL_NO_RESOURCE, "%s: memory for libpng refused", w->path);
    }
  }
  if (!w->png && w->status == KOHL_OK) {
    w->status = kohl_fail(w->ctx, KOHL_NO_RESOURCE, "%s: memory for libpng refused", w->path);
  }
  if (w->png) png_destroy_write_struct(&w->png, &w->info);
}

static kohl_status write_file(writer *w) {
  w->file = fopen(w->temporary, "we");
  if (!w->file) return kohl_fail(w->ctx, KOHL_BAD_INPUT, "%s: cannot be written: %s", w->path, strerror(errno));
  run_libpng(w);
  int error = fclose(w->file) == 0 ? 0 : errno;
  if (w->status == KOHL_OK && error) {
    w->status = kohl_fail(w->ctx, KOHL_NO_RESOURCE, "%s: cannot be written: %s", w->path, strerror(error));
  }
  if (w->status == KOHL_OK && rename(w->temporary, w->path) != 0) {
    w->status = kohl_fail(w->ctx, KOHL_BAD_INPUT, "%s: cannot be written: %s", w->path, strerror(errno));
  }
  if (w->status != KOHL_OK) unlink(w->temporary);
  return w->status;
}

kohl_status kohl_png_write(kohl_context *ctx, const char *path, const uint8_t *rgb, int w, int h) {
  if (w < 1 || h < 1 || w > KOHL_PICTURE_SIDE || h > KOHL_PICTURE_SIDE) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: %d x %d pixels, expected sides of 1 to %d", path, w, h, KOHL_PICTURE_SIDE);
  }
  static const char ending[] = ".tmp";
  writer *job;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *job, path, &job);
  if (status != KOHL_OK) return status;
  size_t length = strlen(path);
  status = kohl_alloc(ctx, length + sizeof ending, 1, path, &job->temporary);
  if (status == KOHL_OK) {
    memcpy(job->temporary, path, length);
    memcpy(job->temporary + length, ending, sizeof ending);
    job->ctx = ctx;
    job->path = path;
    job->rgb = rgb;
    job->w = w;
    job->h = h;
    status = write_file(job);
  }
  kohl_free(ctx, job->temporary);
  kohl_free(ctx, job);
  return status;
}
