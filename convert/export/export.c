/* The door of the writers for others; see export.h. */
#include "convert/export/export.h"

#include <sys/stat.h>

const char *kohl_export_word(kohl_export_format format) {
  static const char *const names[KOHL_EXPORT_FORMATS] = {"keras", "torchvision", "onnx"};
  return names[format];
}

/* A path that does not exist is no file's. */
static bool same_file(const char *a, const char *b) {
  struct stat one, other;
  return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

kohl_status kohl_export(kohl_context *ctx, const kohl_model *model, const kohl_export_options *options,
                        const char *path) {
  if (options->preprocessing && options->format != KOHL_EXPORT_ONNX) {
    return kohl_fail(ctx, KOHL_USAGE, "preprocessing as part of the network: for onnx only, not for %s",
                     kohl_export_word(options->format));
  }
  if (same_file(path, model->path)) {
    return kohl_fail(ctx, KOHL_USAGE, "%s: is the model itself, expected another file to write", path);
  }
  kohl_status status = KOHL_OK;
  if (model->more_count) { /* the others know one list of labels */
    kohl_model *first;
    status = kohl_model_first_head(ctx, model, &first);
    if (status == KOHL_OK) status = kohl_export(ctx, first, options, path);
    kohl_model_destroy(ctx, first);
    return status;
  }
  for (size_t i = 0; i < model->weight_count && status == KOHL_OK; i++) {
    status = kohl_weight_verify(ctx, model, &model->weights[i]);
    if (status == KOHL_OK) status = kohl_check_cancel(ctx);
  }
  if (status != KOHL_OK) return status;
  return options->format == KOHL_EXPORT_ONNX ? kohl_export_onnx(ctx, model, options->preprocessing, path)
                                             : kohl_export_safetensors(ctx, model, options->format, path);
}
