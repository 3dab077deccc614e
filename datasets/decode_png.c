/* PNG through libpng: every colour type and depth to RGB, text and colour profiles left compressed.
 *
 * libpng reports errors by a jump.  Everything that the jump must not lose lives in one struct, outside the
 * function that calls setjmp. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "datasets/decode.h"
#include "kernels/core/alloc.h"

typedef struct {
  png_structp png;
  png_infop info;
  jmp_buf out_of_libpng;
  const kohl_decode_job *job;
  kohl_picture *picture;
  size_t at;     /* bytes read */
  uint8_t *rgba; /* one row, or the whole picture where it is interlaced; owned; NULL without alpha */
  kohl_status status;
} reader;

static _Noreturn void stop(reader *r, kohl_status status) {
  r->status = status;
  longjmp(r->out_of_libpng, 1);
}

static _Noreturn void on_error(png_structp png, png_const_charp text) {
  reader *r = png_get_error_ptr(png);
  stop(r, kohl_fail(r->job->ctx, KOHL_BAD_INPUT, "%s: damaged PNG: %s", r->job->name, text));
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void on_read(png_structp png, png_bytep data, size_t bytes) {
  reader *r = png_get_io_ptr(png);
  if (bytes > r->job->length - r->at) {
    stop(r, kohl_fail(r->job->ctx, KOHL_BAD_INPUT, "%s: truncated PNG: the picture goes on after its %zu bytes",
                      r->job->name, r->job->length));
  }
  memcpy(data, r->job->bytes + r->at, bytes);
  r->at += bytes;
}

static png_voidp on_allocate(png_structp png, png_alloc_size_t bytes) {
  reader *r = png_get_mem_ptr(png);
  void *memory;
  if (kohl_alloc(r->job->ctx, bytes, 1, r->job->name, &memory) == KOHL_OK) return memory;
  /* Inside png_create_read_struct_2 libpng sets up a jump of its own and NULL is what it expects. */
  if (r->png) stop(r, KOHL_NO_RESOURCE);
  return NULL;
}

static void on_free(png_structp png, png_voidp memory) {
  reader *r = png_get_mem_ptr(png);
  kohl_free(r->job->ctx, memory);
}

static const char *mode_of(int type) {
  switch (type) {
    case PNG_COLOR_TYPE_GRAY: return "PNG grey";
    case PNG_COLOR_TYPE_GRAY_ALPHA: return "PNG grey+alpha";
    case PNG_COLOR_TYPE_PALETTE: return "PNG palette";
    case PNG_COLOR_TYPE_RGB: return "PNG RGB";
    default: return "PNG RGBA";
  }
}

/* Unknown chunks and every known one that pixels do not depend on are passed over, so that no compressed text
 * or profile is unpacked; sides were limited before, so that the limits here only guard the memory. */
static void limit(reader *r) {
  png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_cache_max(r->png, 16);
  png_set_chunk_malloc_max(r->png, 8 << 20);
}

/* Pixels may name colours beyond the palette: Pillow's are then the shades of grey that its empty palette holds. */
static void complete_palette(reader *r) {
  png_color whole[PNG_MAX_PALETTE_LENGTH], *stored;
  int count, room = 1 << png_get_bit_depth(r->png, r->info);
  if (!png_get_PLTE(r->png, r->info, &stored, &count) || count >= room) return;
  memcpy(whole, stored, (size_t)count * sizeof *whole);
  for (int i = count; i < room; i++) whole[i] = (png_color){(png_byte)i, (png_byte)i, (png_byte)i};
  png_set_PLTE(r->png, r->info, whole, room);
}

static void lay_over(const uint8_t *rgba, uint8_t *rgb, size_t pixels, const uint8_t *background) {
  for (size_t x = 0; x < pixels; x++, rgba += 4) {
    unsigned a = rgba[3];
    for (int c = 0; c < 3; c++) {
      unsigned t = rgba[c] * a + background[c] * (255 - a) + 128;
      *rgb++ = (uint8_t)((t + (t >> 8)) >> 8);
    }
  }
}

/* Rows come in several passes where the picture is interlaced; libpng then needs the rows of the pass before. */
static void read_rows(reader *r, int passes, bool alpha) {
  size_t w = (size_t)r->picture->w, h = (size_t)r->picture->h;
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < h; y++) {
      uint8_t *rgb = r->picture->rgb + y * w * 3;
      uint8_t *row = !alpha ? rgb : passes > 1 ? r->rgba + y * w * 4 : r->rgba;
      png_read_row(r->png, row, NULL);
      if (alpha && pass + 1 == passes) lay_over(row, rgb, w, r->job->background);
    }
  }
}

static void decode(reader *r) {
  const kohl_decode_job *job = r->job;
  limit(r);
  png_set_read_fn(r->png, r, on_read);
  png_read_info(r->png, r->info);
  int type = png_get_color_type(r->png, r->info);
  bool alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(r->png, r->info, PNG_INFO_tRNS);
  r->picture->mode = mode_of(type);
  uint32_t w = png_get_image_width(r->png, r->info), h = png_get_image_height(r->png, r->info);
  kohl_status status = kohl_picture_check(job, w, h);
  if (status == KOHL_OK) status = kohl_picture_allocate(job, w, h, r->picture);
  if (status != KOHL_OK) stop(r, status);
  if (type == PNG_COLOR_TYPE_PALETTE) complete_palette(r);
  png_set_expand(r->png);
  png_set_strip_16(r->png);
  png_set_gray_to_rgb(r->png);
  int passes = png_set_interlace_handling(r->png);
  png_read_update_info(r->png, r->info);
  size_t rows = passes > 1 ? (size_t)r->picture->h : 1;
  if (png_get_rowbytes(r->png, r->info) != (size_t)r->picture->w * (alpha ? 4 : 3)) {
    png_error(r->png, "unexpected row size");
  }
  if (alpha) status = kohl_alloc(job->ctx, rows * (size_t)r->picture->w, 4, job->name, &r->rgba);
  if (status != KOHL_OK) stop(r, status);
  read_rows(r, passes, alpha);
  png_read_end(r->png, NULL);
}

kohl_status kohl_png_decode(const kohl_decode_job *job, kohl_picture *out) {
  reader *r;
  kohl_status status = kohl_alloc(job->ctx, 1, sizeof *r, job->name, &r);
  if (status != KOHL_OK) return status;
  r->job = job;
  r->picture = out;
  r->status = KOHL_NO_RESOURCE;
  r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, r, on_allocate, on_free);
  if (r->png && setjmp(r->out_of_libpng) == 0) {
    r->info = png_create_info_struct(r->png);
    if (r->info) {
      r->status = KOHL_OK;
      decode(r);
    }
  }
  status = r->status;
  if (r->png) png_destroy_read_struct(&r->png, &r->info, NULL);
  kohl_free(job->ctx, r->rgba);
  kohl_free(job->ctx, r);
  return status;
}
