/* A TF.js model inside a packed archive, as npm has them: nsfwjs-4.4.0.tgz.
 *
 * Models are the members called model.json, model.js or model.min.js; their shards lie beside them.  Where there are
 * several, the one that is read has a network that can be built here; of more such, the one in the fewest folders, then
 * the first by name.  A line of the log says which it is.  Another is read by unpacking the archive and naming it. */
#ifndef KOHL_CONVERT_TFJS_PACKAGE_H
#define KOHL_CONVERT_TFJS_PACKAGE_H

#include "convert/tfjs/shards.h"

enum { KOHL_TFJS_MODELS = 64 /* in an archive */ };

/* Reads the chosen model of an archive of length bytes; manifest and pieces begin as zeros and are the caller's, also
 * after a failure.  Their memory is at most twice the archive's size and 64 MiB. */
kohl_status kohl_tfjs_package_read(kohl_context *ctx, const char *path, const uint8_t *bytes, size_t length,
                                   kohl_tfjs_manifest *manifest, kohl_tfjs_pieces *pieces);

#endif
