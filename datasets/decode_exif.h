/* The EXIF orientation: found in a file's bytes, and carried out on its pixels. */
#ifndef KOHL_DATASETS_DECODE_EXIF_H
#define KOHL_DATASETS_DECODE_EXIF_H

#include "datasets/decode.h"

/* The orientation, 1 to 8, that a JPEG, a PNG or a block of EXIF itself (a small TIFF: "II*\0..." or "MM\0*...") holds;
 * 1 where there is none or it makes no sense.  Any bytes are allowed; none beyond length is read, and the time is
 * linear in it. */
int kohl_jpeg_orientation(const uint8_t *bytes, size_t length);
int kohl_png_orientation(const uint8_t *bytes, size_t length);
int kohl_exif_orientation(const uint8_t *bytes, size_t length);

/* Do the sides change places? */
static inline bool kohl_orientation_swaps(int orientation) { return orientation >= 5; }

/* Turns and mirrors the picture so that it stands upright; orientation 1 to 8.  Takes a second picture's memory while
 * it works (so 6 bytes a pixel in all); on failure the picture is as it was. */
kohl_status kohl_picture_orient(kohl_context *ctx, const char *name, int orientation, kohl_picture *picture);

#endif
