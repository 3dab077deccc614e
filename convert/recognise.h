/* What kind of file is this?  Told from its bytes; names and endings do not count. */
#ifndef KOHL_CONVERT_RECOGNISE_H
#define KOHL_CONVERT_RECOGNISE_H

#include "convert/source.h"

typedef struct kohl_format {
  const char *what, *help;    /* of formats.def; constant */
  kohl_source_reader *reader; /* NULL: recognised, not read */
} kohl_format;

/* KOHL_BAD_INPUT when the path cannot be read or is not a regular file. */
kohl_status kohl_format_recognise(kohl_context *ctx, const char *path, kohl_format *format);

/* The formats that are read, for help texts: "Keras .h5: ...; PyTorch .pth: ...". */
const char *kohl_formats_read(void);

/* CRC32C of the whole file, for provenance. */
kohl_status kohl_format_crc32c(kohl_context *ctx, const char *path, uint32_t *crc);

#endif
