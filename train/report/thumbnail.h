/* Small pictures for a page. */
#ifndef KOHL_TRAIN_REPORT_THUMBNAIL_H
#define KOHL_TRAIN_REPORT_THUMBNAIL_H

#include "train/runfolder.h"

enum { KOHL_THUMBNAIL = 96 /* pixels a side */, KOHL_THUMBNAIL_QUALITY = 85 };

/* Appends the picture as data:image/jpeg;base64,...: fitted whole into a white square, turned as its EXIF says.
 * KOHL_BAD_INPUT, and nothing appended, where the file is no good picture. */
kohl_status kohl_thumbnail_write(kohl_context *ctx, const char *path, kohl_text *page);

#endif
