/* A TensorFlow checkpoint of either version: both are a table whose first key is empty.  What that key's value begins
 * with tells them apart: field 1 is a message in version 1, a number in version 2. */
#include "convert/tensorflow/bundle.h"
#include "convert/tensorflow/slices.h"

static kohl_status read_file(kohl_context *ctx, kohl_tensorflow *file) {
  bool more;
  kohl_status status = kohl_map_open(ctx, file->path, &file->map);
  if (!status) status = kohl_sstable_open(ctx, file->path, &file->map, &file->table);
  if (!status) status = kohl_sstable_next(ctx, &file->table, &more);
  if (status) return status;
  kohl_proto header = kohl_proto_open(file->table.value);
  if (more && file->table.key.length == 0 && kohl_proto_next(&header)) {
    if (kohl_proto_is(&header, 1, KOHL_PROTO_BYTES)) return kohl_slices_read(ctx, file);
    if (kohl_proto_is(&header, 1, KOHL_PROTO_VARINT)) return kohl_bundle_read(ctx, file);
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "%s: is a table of keys and values, expected one that begins with the header of a TensorFlow "
                   "checkpoint",
                   file->path);
}

kohl_status kohl_tensorflow_source(kohl_context *ctx, const char *path, kohl_source *source) {
  kohl_tensorflow *file;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *file, "a TensorFlow checkpoint", &file);
  if (status) return status;
  file->path = path;
  status = read_file(ctx, file);
  if (!status) status = kohl_tensorflow_finish(ctx, file, source);
  if (status) kohl_tensorflow_destroy(ctx, file);
  return status;
}
