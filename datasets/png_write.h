/* Writing pictures as PNG files. */
#ifndef KOHL_DATASETS_PNG_WRITE_H
#define KOHL_DATASETS_PNG_WRITE_H

#include "kernels/core/context.h"

/* Writes w x h pixels, rgb [h][w][3], 8 bits a channel, as a PNG file: first as PATH.tmp, which is then renamed, so
 * that a file of that name is whole.  What was there is replaced.  Sides are 1 to 32768.  KOHL_BAD_INPUT: the file
 * cannot be made; KOHL_NO_RESOURCE: not written in full, or no memory; both name the path.  Nothing is left behind
 * then. */
kohl_status kohl_png_write(kohl_context *ctx, const char *path, const uint8_t *rgb, int w, int h);

#endif
