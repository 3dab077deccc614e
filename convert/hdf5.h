/* HDF5 files of strangers: text attributes and arrays of floats by path, read through libhdf5, and nothing else.
 *
 * libhdf5 is opened at run time (dlopen) when the first such file is, so that no other use of kohl needs or loads it.
 * Every step of a path must be a hard link; soft and external links, external and virtual storage, filters but gzip,
 * plugins, and sizes that the file cannot hold are refused.  Paths are absolute: "/conv2d/conv2d/kernel:0".
 * libhdf5 keeps state of the whole process: one thread at a time, one open file at a time. */
#ifndef KOHL_CONVERT_HDF5_H
#define KOHL_CONVERT_HDF5_H

#include "nn/safetensors.h"

typedef struct kohl_hdf5 kohl_hdf5;

typedef enum kohl_hdf5_kind { KOHL_HDF5_NOTHING, KOHL_HDF5_GROUP, KOHL_HDF5_DATASET } kohl_hdf5_kind;

/* Opens a file for reading; *out is the caller's until kohl_hdf5_close (NULL is allowed), NULL on failure.
 * KOHL_BAD_INPUT: libhdf5 refuses the file, or this build has none.  path is copied. */
kohl_status kohl_hdf5_open(kohl_context *ctx, const char *path, kohl_hdf5 **out);
void kohl_hdf5_close(kohl_context *ctx, kohl_hdf5 *h5);

/* What stands at a path; "" is the root.  KOHL_BAD_INPUT: a link that is not a hard one, a malformed path. */
kohl_status kohl_hdf5_find(kohl_context *ctx, kohl_hdf5 *h5, const char *path, kohl_hdf5_kind *kind);

/* Texts of an attribute of a group: one, or a list; fixed-length (padded by zeros or blanks) and variable ones. */
typedef struct kohl_hdf5_texts {
  bool found;  /* there is such an attribute */
  char **text; /* count texts that end with a zero, owned until kohl_hdf5_texts_free */
  size_t count, capacity;
} kohl_hdf5_texts;

/* Appends to *texts, which begins as zeros.  An attribute that is not there leaves found as it was; an empty array of
 * any type (Keras writes float64) is an empty list.  KOHL_BAD_INPUT: other types, more than 65,536 texts, one longer
 * than most bytes.  The caller frees *texts, after a failure too. */
kohl_status kohl_hdf5_texts_read(kohl_context *ctx, kohl_hdf5 *h5, const char *group, const char *attribute,
                                 size_t most, kohl_hdf5_texts *texts);
void kohl_hdf5_texts_free(kohl_context *ctx, kohl_hdf5_texts *texts);

/* Type, shape and bytes of a dataset, checked as above; info->data is NULL and info->name is left alone.
 * KOHL_BAD_INPUT names the dataset and what is wrong. */
kohl_status kohl_hdf5_tensor(kohl_context *ctx, kohl_hdf5 *h5, const char *path, kohl_tensor_info *info);

/* Slices first..first+slices-1 along the first axis of a dataset that kohl_hdf5_tensor described, as f32 in C order;
 * of a single number first is 0 and slices 1.  f64 is rounded to nearest, and to infinity beyond the largest float. */
kohl_status kohl_hdf5_read(kohl_context *ctx, kohl_hdf5 *h5, const char *path, const kohl_tensor_info *info,
                           size_t first, size_t slices, float *out);

#endif
