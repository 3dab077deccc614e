/* The text that describes a TF.js model, in either notation: model.json, or the same as a JavaScript module. */
#ifndef KOHL_CONVERT_TFJS_MODEL_H
#define KOHL_CONVERT_TFJS_MODEL_H

#include "convert/tfjs/manifest.h"

/* Reads it into a manifest, which begins as zeros and stays so after a failure.  *ending is what the names of its
 * shards end in besides what the manifest says: "" for JSON, ".min.js" for a module of that name, else ".js". */
kohl_status kohl_tfjs_model_read(kohl_context *ctx, const char *path, const char *text, size_t length,
                                 kohl_tfjs_manifest *manifest, const char **ending);

#endif
