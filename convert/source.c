/* One of two containers; see source.h. */
#include "convert/source.h"

#include <string.h>

#include "convert/format.h"
#include "convert/hdf5/hdf5.h"

kohl_status kohl_source_open(kohl_context *ctx, const char *path, kohl_source *source) {
  const char *what;
  bool readable;
  kohl_status status = kohl_format_recognise(ctx, path, &what, &readable);
  if (status) return status;
  if (strcmp(what, KOHL_FORMAT_KERAS_H5) == 0) return kohl_keras_h5_open(ctx, path, &source->h5);
  if (!readable)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is %s; this build reads .h5 and safetensors with Keras names", path,
                     what);
  return kohl_safetensors_open(ctx, path, &source->safetensors);
}

void kohl_source_close(kohl_context *ctx, kohl_source *source) {
  kohl_safetensors_close(ctx, source->safetensors);
  kohl_keras_h5_close(ctx, source->h5);
  *source = (kohl_source){0};
}

size_t kohl_source_count(const kohl_source *source) {
  return source->h5 ? kohl_keras_h5_count(source->h5) : kohl_safetensors_count(source->safetensors);
}

const kohl_tensor_info *kohl_source_tensor(const kohl_source *source, size_t index) {
  return source->h5 ? &kohl_keras_h5_tensor_at(source->h5, index)->info
                    : kohl_safetensors_tensor(source->safetensors, index);
}

/* Values of a slice of a tensor of a .h5 file. */
static size_t slice_values(const kohl_tensor_info *info) {
  size_t values = 1;
  for (int i = kohl_hdf5_axis(info) + 1; i < info->dims; i++) values *= (size_t)info->shape[i]; /* info->bytes fits */
  return values;
}

size_t kohl_source_step(const kohl_source *source, const kohl_tensor_info *info) {
  if (info->dims == 0) return 1;
  bool rows = !source->h5 || kohl_hdf5_axis(info) == info->dims - 1;
  return rows ? (size_t)info->shape[info->dims - 1] : slice_values(info);
}

static kohl_status read_safetensors(kohl_context *ctx, const kohl_safetensors *file, const kohl_tensor_info *info,
                                    size_t first, size_t count, float *out) {
  size_t element = kohl_safetensors_dtype_bytes(info->dtype);
  kohl_tensor_info part = *info;
  part.dims = 1;
  part.shape[0] = (int64_t)count;
  part.data = (const char *)info->data + first * element;
  part.bytes = count * element;
  return info->dtype == KOHL_SAFETENSORS_U8 ? kohl_safetensors_read_integers(ctx, file, &part, out, count)
                                            : kohl_safetensors_read_f32(ctx, file, &part, out, count);
}

kohl_status kohl_source_read(kohl_context *ctx, const kohl_source *source, const kohl_tensor_info *info, size_t first,
                             size_t count, float *out) {
  if (!source->h5) return read_safetensors(ctx, source->safetensors, info, first, count, out);
  size_t slice = slice_values(info);
  return kohl_keras_h5_read(ctx, source->h5, info, first / slice, count / slice, out);
}
