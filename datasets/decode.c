/* Which reader a picture's bytes belong to, and what the readers share. */
#include "datasets/decode.h"

#include <string.h>

#include "datasets/decode_exif.h"
#include "datasets/file.h"
#include "kernels/core/alloc.h"

/* First bytes of what people give picture names to; only named, never read. */
static const struct {
  size_t offset, length;
  const char *bytes, *kind;
} others[] = {
    {0, 4, "GIF8", "GIF"},         {8, 4, "WEBP", "WebP"},
    {0, 2, "BM", "BMP"},           {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},       {4, 8, "ftypavif", "AVIF"},
    {4, 8, "ftypheic", "HEIC"},    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"},
    {0, 2, "\xff\x0a", "JPEG XL"}, {0, 4, "8BPS", "Photoshop"},
    {0, 4, "%PDF", "PDF"},         {0, 4, "<svg", "SVG"},
    {0, 5, "<?xml", "XML"},        {0, 5, "<html", "HTML"},
    {0, 5, "<HTML", "HTML"},       {0, 9, "<!DOCTYPE", "HTML"},
    {0, 9, "<!doctype", "HTML"},   {0, 2, "PK", "zip"},
    {0, 2, "\x1f\x8b", "gzip"},
};

static const char *other_kind(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (length >= others[i].offset + others[i].length &&
        memcmp(bytes + others[i].offset, others[i].bytes, others[i].length) == 0) {
      return others[i].kind;
    }
  }
  return NULL;
}

static kohl_status fail_kind(const kohl_decode_job *job) {
  if (job->length == 0) return kohl_fail(job->ctx, KOHL_BAD_INPUT, "%s: empty file, expected a JPEG or PNG", job->name);
  const char *kind = other_kind(job->bytes, job->length);
  if (kind) return kohl_fail(job->ctx, KOHL_BAD_INPUT, "%s: a %s file, expected a JPEG or PNG", job->name, kind);
  char first[16] = "";
  size_t shown = job->length < 4 ? job->length : 4;
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < shown; i++) {
    first[3 * i] = digits[job->bytes[i] >> 4];
    first[3 * i + 1] = digits[job->bytes[i] & 15];
    first[3 * i + 2] = i + 1 < shown ? ' ' : 0;
  }
  return kohl_fail(job->ctx, KOHL_BAD_INPUT, "%s: not a JPEG or PNG: begins with the bytes %s", job->name, first);
}

kohl_status kohl_picture_check(const kohl_decode_job *job, uint32_t w, uint32_t h) {
  if (w < 1 || h < 1 || w > KOHL_PICTURE_SIDE || h > KOHL_PICTURE_SIDE) {
    return kohl_fail(job->ctx, KOHL_BAD_INPUT, "%s: header: size %u x %u, expected sides of 1 to %d pixels", job->name,
                     w, h, KOHL_PICTURE_SIDE);
  }
  if ((uint64_t)w * h > KOHL_PICTURE_PIXELS) {
    return kohl_fail(job->ctx, KOHL_BAD_INPUT, "%s: header: size %u x %u, expected at most %d pixels", job->name, w, h,
                     KOHL_PICTURE_PIXELS);
  }
  return KOHL_OK;
}

kohl_status kohl_picture_allocate(const kohl_decode_job *job, uint32_t w, uint32_t h, kohl_picture *out) {
  out->w = (int)w;
  out->h = (int)h;
  return kohl_alloc(job->ctx, (size_t)w * h, 3, job->name, &out->rgb);
}

static kohl_status decode(kohl_decode_job *job, const kohl_decode_options *options, kohl_picture *out) {
  bool jpeg = job->length >= 3 && memcmp(job->bytes, "\xff\xd8\xff", 3) == 0;
  bool png = job->length >= 8 && memcmp(job->bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
  if (!jpeg && !png) return fail_kind(job);
  int orientation = !options->orient ? 1
                    : jpeg           ? kohl_jpeg_orientation(job->bytes, job->length)
                                     : kohl_png_orientation(job->bytes, job->length);
  if (kohl_orientation_swaps(orientation)) {
    job->want = (kohl_decode_want){job->want.h, job->want.w, job->want.either};
  }
  kohl_status status = jpeg ? kohl_jpeg_decode(job, out) : kohl_png_decode(job, out);
  return status == KOHL_OK ? kohl_picture_orient(job->ctx, job->name, orientation, out) : status;
}

kohl_status kohl_picture_decode_for(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                    const kohl_decode_options *options, const kohl_decode_want *want,
                                    kohl_picture *out) {
  static const kohl_decode_options plain = {.background = {255, 255, 255}};
  if (!options) options = &plain;
  kohl_decode_job job = {ctx, name, bytes, length, options->background, {0, 0, false}};
  if (options->fast && want) job.want = *want;
  memset(out, 0, sizeof *out);
  kohl_status status = decode(&job, options, out);
  if (status != KOHL_OK) kohl_picture_free(ctx, out);
  return status;
}

kohl_status kohl_picture_decode(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                const kohl_decode_options *options, kohl_picture *out) {
  return kohl_picture_decode_for(ctx, name, bytes, length, options, NULL, out);
}

kohl_status kohl_picture_read_for(kohl_context *ctx, const char *path, const kohl_decode_options *options,
                                  const kohl_decode_want *want, kohl_picture *out) {
  uint8_t *bytes;
  size_t length;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_file_load(ctx, path, KOHL_PICTURE_BYTES, &bytes, &length);
  if (status != KOHL_OK) return status;
  status = kohl_picture_decode_for(ctx, path, bytes, length, options, want, out);
  kohl_free(ctx, bytes);
  return status;
}

kohl_status kohl_picture_read(kohl_context *ctx, const char *path, const kohl_decode_options *options,
                              kohl_picture *out) {
  return kohl_picture_read_for(ctx, path, options, NULL, out);
}

void kohl_picture_free(kohl_context *ctx, kohl_picture *picture) {
  kohl_free(ctx, picture->rgb);
  memset(picture, 0, sizeof *picture);
}
