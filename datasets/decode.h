/* Pictures out of JPEG and PNG files, always as RGB with 8 bits a channel.
 *
 * The pixels are those of Pillow's Image.open(...).convert("RGB"), with two differences:
 * - Pictures with alpha (a channel, or PNG's tRNS) are laid over a background colour, with the arithmetic of
 *   Pillow's Image.paste(picture, mask=alpha): t = picture * a + background * (255 - a) + 128;
 *   byte = (t + (t >> 8)) >> 8.
 * - 16-bit grey keeps its high byte, as 16-bit RGB does; Pillow clips it to 255, which makes it white.
 * CMYK and YCCK JPEGs hold inverted inks (Adobe's way), whatever marker they carry.  Colour profiles, gamma and the
 * EXIF orientation are not applied.  An animated PNG gives its default picture.
 *
 * The type is told by content, not by name.  Sides and pixels are checked in the header, before any memory is asked
 * for; decoding takes at most 16 bytes per declared pixel. */
#ifndef KOHL_DATASETS_DECODE_H
#define KOHL_DATASETS_DECODE_H

#include "kernels/core/context.h"
#include "kernels/picture/preprocessing.h"

enum {
  KOHL_PICTURE_SIDE = 32768,      /* pixels a side, at most */
  KOHL_PICTURE_PIXELS = 64 << 20, /* pixels, at most */
  KOHL_PICTURE_BYTES = 256 << 20, /* of a file, at most */
  KOHL_PICTURE_SCANS = 100,       /* of a progressive JPEG, at most */
};

typedef struct kohl_picture {
  int w, h;
  uint8_t *rgb;     /* [h][w][3], owned by the picture */
  const char *mode; /* what the file held: "JPEG YCbCr", "PNG palette", ...; a constant */
} kohl_picture;

/* The picture in length bytes; name (a path) begins every error text.  options NULL: white background.
 * On success *out is the caller's until kohl_picture_free; on failure it is empty. */
kohl_status kohl_picture_decode(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                const kohl_decode_options *options, kohl_picture *out);

/* The same from a file, which must be a regular file of at most 256 MiB. */
kohl_status kohl_picture_read(kohl_context *ctx, const char *path, const kohl_decode_options *options,
                              kohl_picture *out);

void kohl_picture_free(kohl_context *ctx, kohl_picture *picture);

/* What the two readers share; name and bytes as above, the background is not NULL. */
typedef struct kohl_decode_job {
  kohl_context *ctx;
  const char *name;
  const uint8_t *bytes;
  size_t length;
  const uint8_t *background;
} kohl_decode_job;

kohl_status kohl_jpeg_decode(const kohl_decode_job *job, kohl_picture *out);
kohl_status kohl_png_decode(const kohl_decode_job *job, kohl_picture *out);

/* Checks a header's size and allocates out->rgb; sets out->w and out->h. */
kohl_status kohl_picture_allocate(const kohl_decode_job *job, uint32_t w, uint32_t h, kohl_picture *out);

/* a * b / 255 rounded, Pillow's way; a, b <= 255. */
static inline unsigned kohl_scale_255(unsigned a, unsigned b) {
  unsigned t = a * b + 128;
  return (t + (t >> 8)) >> 8;
}

#endif
