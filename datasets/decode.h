/* Pictures out of JPEG and PNG files, always as RGB with 8 bits a channel.
 *
 * The pixels are those of Pillow's Image.open(...).convert("RGB"), except:
 * - Pictures with alpha (a channel, or PNG's tRNS) are laid over a background colour, with the arithmetic of
 *   Pillow's Image.paste(picture, mask=alpha): t = picture * a + background * (255 - a) + 128;
 *   byte = (t + (t >> 8)) >> 8.
 * - 16-bit grey keeps its high byte, as 16-bit RGB does; Pillow clips it to 255, which makes it white.
 * - The transparent colour of a grey or RGB PNG (tRNS) is compared with the samples as they are stored; Pillow compares
 *   its 8-bit values and so misses it at other depths than 8.
 * - Damage is refused where Pillow invents pixels (a bad code or an early end inside a JPEG's scan, a PNG with too few
 *   rows or without its palette) or does not look (a PNG's end, the CRC of its pixels, critical chunks and compression
 *   methods that nobody knows).
 * CMYK and YCCK JPEGs hold inverted inks (Adobe's way), whatever marker they carry: that is Pillow's rule.  Colour
 * profiles, gamma and significant bits are not applied.  An animated PNG gives its default picture, a JPEG with
 * thumbnails or further pictures the first full one.
 * What is passed over, as Pillow does: bytes after the end, stray bytes between JPEG segments, a wrong Adobe transform.
 * What is not read, as in Pillow: JPEG of 12 bits, lossless or hierarchical, without a height (DNL), of 2 or more than
 * 4 channels.
 *
 * `orient` turns the picture as its EXIF orientation (1 to 8) says, like Pillow's ImageOps.exif_transpose: the first
 * Exif segment of a JPEG, the last eXIf chunk before a PNG's pixels, else the last behind them; EXIF that makes no
 * sense counts as none.  XMP is not read.
 *
 * `fast` decodes a JPEG at 1/2, 1/4 or 1/8 of its size, in the transform itself: the smallest of these at which both
 * sides still reach what the caller wants (with `either`: one of them), sides rounded up.  It is Pillow's
 * Image.draft, to the byte.  The scales between are no choice: they have no vector code and take longer than the whole
 * picture does.  PNG is always decoded whole.
 *
 * The type is told by content, not by name.  Sides and pixels are checked in the header, before any memory is asked
 * for.  Decoding takes at most 16 bytes per declared pixel and 16 MiB (rows that a progressive JPEG pads to whole
 * blocks).  A JPEG has at most 100 scans, and 2^31 pixels in all of them (arithmetic-coded: 2^29), which bounds the
 * time: a file of some kilobytes could ask for minutes otherwise. */
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
#define KOHL_PICTURE_SCAN_PIXELS (INT64_C(1) << 31) /* pixels times scans, at most */

typedef struct kohl_picture {
  int w, h;
  uint8_t *rgb;     /* [h][w][3], owned by the picture */
  const char *mode; /* what the file held: "JPEG YCbCr", "PNG palette", ...; a constant */
} kohl_picture;

/* The sides below which a picture is of no use to the caller, after it has been turned; 0 x 0: every pixel is of use.
 * Only `fast` looks at it. */
typedef struct kohl_decode_want {
  int w, h;
  bool either; /* one of the two is enough: the picture will be fitted inside w x h */
} kohl_decode_want;

/* The picture in length bytes; name (a path) begins every error text.  options NULL: white background, exact.
 * On success *out is the caller's until kohl_picture_free; on failure it is empty. */
kohl_status kohl_picture_decode(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                const kohl_decode_options *options, kohl_picture *out);

/* The same from a file, which must be a regular file of at most 256 MiB. */
kohl_status kohl_picture_read(kohl_context *ctx, const char *path, const kohl_decode_options *options,
                              kohl_picture *out);

/* The two for a caller who wants no more than some sides; want NULL: every pixel. */
kohl_status kohl_picture_decode_for(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                    const kohl_decode_options *options, const kohl_decode_want *want,
                                    kohl_picture *out);
kohl_status kohl_picture_read_for(kohl_context *ctx, const char *path, const kohl_decode_options *options,
                                  const kohl_decode_want *want, kohl_picture *out);

void kohl_picture_free(kohl_context *ctx, kohl_picture *picture);

/* What the two readers share; name and bytes as above, nothing is NULL. */
typedef struct kohl_decode_job {
  kohl_context *ctx;
  const char *name;
  const uint8_t *bytes;
  size_t length;
  const uint8_t *background;
  kohl_decode_want want; /* of the picture as it is stored; 0 x 0: every pixel */
} kohl_decode_job;

kohl_status kohl_jpeg_decode(const kohl_decode_job *job, kohl_picture *out);
kohl_status kohl_png_decode(const kohl_decode_job *job, kohl_picture *out);

/* Checks a header's size; errors name it. */
kohl_status kohl_picture_check(const kohl_decode_job *job, uint32_t w, uint32_t h);

/* Allocates out->rgb for a checked size; sets out->w and out->h. */
kohl_status kohl_picture_allocate(const kohl_decode_job *job, uint32_t w, uint32_t h, kohl_picture *out);

/* a * b / 255 rounded, Pillow's way; a, b <= 255. */
static inline unsigned kohl_scale_255(unsigned a, unsigned b) {
  unsigned t = a * b + 128;
  return (t + (t >> 8)) >> 8;
}

#endif
