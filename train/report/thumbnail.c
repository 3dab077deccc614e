/* A picture decoded, fitted and written as JPEG into memory.
 *
 * libjpeg reports errors by a jump; what the jump must not lose lives in one struct, outside the function that calls
 * setjmp. */
#include "train/report/thumbnail.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "datasets/fit.h"
#include "train/report/page.h"

typedef struct writer {
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr errors;
  jmp_buf out_of_libjpeg;
  unsigned char *bytes; /* libjpeg's malloc */
  unsigned long length;
} writer;

static void on_error(j_common_ptr info) {
  writer *w = info->client_data;
  longjmp(w->out_of_libjpeg, 1);
}

static void on_message(j_common_ptr info, int level) { (void)info, (void)level; }

static bool compress(writer *w, const kohl_picture *picture) {
  w->info.err = jpeg_std_error(&w->errors);
  w->errors.error_exit = on_error;
  w->errors.emit_message = on_message;
  w->info.client_data = w;
  if (setjmp(w->out_of_libjpeg)) return false;
  jpeg_create_compress(&w->info);
  jpeg_mem_dest(&w->info, &w->bytes, &w->length);
  w->info.image_width = (JDIMENSION)picture->w;
  w->info.image_height = (JDIMENSION)picture->h;
  w->info.input_components = 3;
  w->info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&w->info);
  jpeg_set_quality(&w->info, KOHL_THUMBNAIL_QUALITY, TRUE);
  w->info.optimize_coding = TRUE;
  jpeg_start_compress(&w->info, TRUE);
  while (w->info.next_scanline < w->info.image_height) {
    JSAMPROW row = picture->rgb + (size_t)w->info.next_scanline * (size_t)picture->w * 3;
    jpeg_write_scanlines(&w->info, &row, 1);
  }
  jpeg_finish_compress(&w->info);
  return true;
}

kohl_status kohl_thumbnail_write(kohl_context *ctx, const char *path, kohl_text *page) {
  static const kohl_decode_options options = {.background = {255, 255, 255}, .orient = true, .fast = true};
  static const kohl_fit fit = {.mode = KOHL_FIT_LETTERBOX,
                               .filter = KOHL_FILTER_LANCZOS,
                               .w = KOHL_THUMBNAIL,
                               .h = KOHL_THUMBNAIL,
                               .background = {255, 255, 255}};
  const kohl_decode_want want = kohl_fit_want(&fit);
  kohl_picture whole = {0}, small = {0};
  kohl_status status = kohl_picture_read_for(ctx, path, &options, &want, &whole);
  if (status == KOHL_OK) status = kohl_picture_fit(ctx, &whole, &fit, &small);
  kohl_picture_free(ctx, &whole);
  if (status != KOHL_OK) return status;
  writer w;
  memset(&w, 0, sizeof w);
  if (compress(&w, &small)) {
    kohl_page_data(page, "image/jpeg", w.bytes, w.length);
  } else { /* of valid pixels it refuses nothing but memory */
    status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: memory for the JPEG encoder refused", path);
  }
  jpeg_destroy_compress(&w.info);
  free(w.bytes);
  kohl_picture_free(ctx, &small);
  return status;
}
