/* What kind of file is this?  Told from its bytes; names and endings do not count. */
#ifndef KOHL_CONVERT_FORMAT_H
#define KOHL_CONVERT_FORMAT_H

#include "kernels/core/context.h"

#define KOHL_FORMAT_KERAS_H5 "an HDF5 file"

/* *what is "safetensors" or "an HDF5 file" (and *readable true), "an ONNX model", ...: constant text.  KOHL_BAD_INPUT
 * when the path cannot be read or is not a regular file. */
kohl_status kohl_format_recognise(kohl_context *ctx, const char *path, const char **what, bool *readable);

/* CRC32C of the whole file, for provenance. */
kohl_status kohl_format_crc32c(kohl_context *ctx, const char *path, uint32_t *crc);

#endif
