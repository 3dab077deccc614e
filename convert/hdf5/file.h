/* An HDF5 file through libhdf5, in the process that calls: what the child of hdf5.h does with it.  Paths, texts and
 * tensors are those of hdf5.h. */
#ifndef KOHL_CONVERT_HDF5_FILE_H
#define KOHL_CONVERT_HDF5_FILE_H

#ifdef KOHL_HDF5
#include "convert/hdf5/hdf5.h"
#include "convert/hdf5/library.h"

typedef struct kohl_hdf5_file {
  kohl_hdf5_library call;
  const char *path;  /* the caller's */
  const void *image; /* the file in memory, or NULL */
  uint64_t bytes;    /* of the file */
  hid_t file;
  hid_t half; /* the type of IEEE's 16-bit floats, which the library has no name for */
} kohl_hdf5_file;

/* Loads the library; nothing of the file is touched.  There is no way back: the process is to end. */
kohl_status kohl_hdf5_file_prepare(kohl_context *ctx, const char *path, const void *image, uint64_t bytes,
                                   kohl_hdf5_file *h5);
kohl_status kohl_hdf5_file_open(kohl_context *ctx, kohl_hdf5_file *h5);

kohl_status kohl_hdf5_file_find(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, kohl_hdf5_kind *kind);
kohl_status kohl_hdf5_file_texts(kohl_context *ctx, kohl_hdf5_file *h5, const char *group, const char *attribute,
                                 size_t most, kohl_hdf5_texts *texts);
kohl_status kohl_hdf5_file_list(kohl_context *ctx, kohl_hdf5_file *h5, const char *group, size_t most,
                                kohl_hdf5_texts *texts);
kohl_status kohl_hdf5_file_tensor(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, kohl_tensor_info *info);
kohl_status kohl_hdf5_file_read(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, const kohl_tensor_info *info,
                                size_t first, size_t slices, float *out);

/* Opens what stands at a path of hard links; *out is -1 where nothing does.  The caller closes it with H5Oclose. */
kohl_status kohl_hdf5_file_object(kohl_context *ctx, kohl_hdf5_file *h5, const char *path, hid_t *out);

#endif
#endif
