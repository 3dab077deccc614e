/* HDF5 files of strangers: text attributes and arrays of floats by path, read through libhdf5 in a process of its own,
 * and nothing else.
 *
 * libhdf5 was not written for hostile files: damage makes 1.10 loop for ever, crash or ask for all memory.  So
 * kohl_hdf5_open forks a child that loads the library (dlopen), gives up everything but reading (sandbox.h), and
 * answers one request after the other through a pipe; whatever becomes of it is one error line here.  A clock or a
 * signal handler in the caller's process could not do that: it cannot leave a loop in the library without leaking its
 * state, and limits and handlers are the process's, not ours.  The child has
 *
 *   processor time   KOHL_HDF5_SECONDS and one second for every 8 MiB of the file
 *   memory           32 MiB and the size of the file
 *
 * Nothing of the caller's process is changed; it needs a malloc that works after fork, as glibc's does, and no wait for
 * any child (waitpid(-1)) in other threads, which would only hide why the child ended.
 *
 * Every step of a path must be a hard link; soft and external links, external and virtual storage, filters but gzip,
 * plugins, and sizes that the file cannot hold are refused.  Paths are absolute: "/conv2d/conv2d/kernel:0".
 * One thread at a time per file. */
#ifndef KOHL_CONVERT_HDF5_HDF5_H
#define KOHL_CONVERT_HDF5_HDF5_H

#include "nn/safetensors.h"

enum {
  KOHL_HDF5_SECONDS = 3,
  KOHL_HDF5_PATH = 3 * KOHL_SAFETENSORS_NAME + 64, /* bytes of a path with its zero */
  KOHL_HDF5_TEXTS = 65536                          /* of an attribute */
};

typedef struct kohl_hdf5 kohl_hdf5;

typedef enum kohl_hdf5_kind { KOHL_HDF5_NOTHING, KOHL_HDF5_GROUP, KOHL_HDF5_DATASET } kohl_hdf5_kind;

/* Opens a file for reading; *out is the caller's until kohl_hdf5_close (NULL is allowed), NULL on failure.
 * KOHL_BAD_INPUT: libhdf5 refuses the file, or this build has none.  KOHL_NO_RESOURCE: no process or pipe to be had.
 * path is copied. */
kohl_status kohl_hdf5_open(kohl_context *ctx, const char *path, kohl_hdf5 **out);
void kohl_hdf5_close(kohl_context *ctx, kohl_hdf5 *h5);

/* The same for a file that lies in memory, as an archive's member does; the child shares the bytes, which must live and
 * stay as they are until kohl_hdf5_close.  path is for texts. */
kohl_status kohl_hdf5_open_memory(kohl_context *ctx, const char *path, const void *bytes, size_t length,
                                  kohl_hdf5 **out);

/* Bytes of the file. */
uint64_t kohl_hdf5_bytes(const kohl_hdf5 *h5);

/* What stands at a path; "" is the root.  KOHL_BAD_INPUT: a link that is not a hard one, a malformed path. */
kohl_status kohl_hdf5_find(kohl_context *ctx, kohl_hdf5 *h5, const char *path, kohl_hdf5_kind *kind);

/* Texts of an attribute of a group: one, or a list; fixed-length (padded by zeros or blanks) and variable ones. */
typedef struct kohl_hdf5_texts {
  bool found;  /* there is such an attribute */
  char **text; /* count texts that end with a zero, owned until kohl_hdf5_texts_free */
  size_t count, capacity;
} kohl_hdf5_texts;

/* Appends to *texts, which begins as zeros.  An attribute that is not there leaves found as it was; an empty array of
 * any type (Keras writes float64) is an empty list.  KOHL_BAD_INPUT: other types, more than KOHL_HDF5_TEXTS texts, one
 * longer than most bytes, all together longer than the file.  The caller frees *texts, after a failure too. */
kohl_status kohl_hdf5_texts_read(kohl_context *ctx, kohl_hdf5 *h5, const char *group, const char *attribute,
                                 size_t most, kohl_hdf5_texts *texts);
void kohl_hdf5_texts_free(kohl_context *ctx, kohl_hdf5_texts *texts);

/* Appends the names of a group's links to *texts, in the file's order, as kohl_hdf5_texts_read does; a path where no
 * group is leaves found as it was.  KOHL_BAD_INPUT: a link that is not a hard one, more than KOHL_HDF5_TEXTS of them, a
 * name longer than most bytes, all together longer than the file. */
kohl_status kohl_hdf5_list(kohl_context *ctx, kohl_hdf5 *h5, const char *group, size_t most, kohl_hdf5_texts *texts);

/* Type, shape and bytes of a dataset, checked as above; info->data is NULL and info->name is left alone.
 * KOHL_BAD_INPUT names the dataset and what is wrong. */
kohl_status kohl_hdf5_tensor(kohl_context *ctx, kohl_hdf5 *h5, const char *path, kohl_tensor_info *info);

/* The axis along which a dataset is read in slices: the first of more than one element, else the last; 0 of none. */
int kohl_hdf5_axis(const kohl_tensor_info *info);

/* Slices first..first+slices-1 along that axis of a dataset that kohl_hdf5_tensor described, as f32 in C order; of a
 * single number first is 0 and slices 1.  f64 is rounded to nearest, and to infinity beyond the largest float. */
kohl_status kohl_hdf5_read(kohl_context *ctx, kohl_hdf5 *h5, const char *path, const kohl_tensor_info *info,
                           size_t first, size_t slices, float *out);

#endif
