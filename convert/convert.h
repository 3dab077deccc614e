/* The one door for weights in foreign formats: a file of others in, a kohl model file out.
 *
 * It reads safetensors with Keras names and, where libhdf5 was found, Keras's legacy .h5; other formats are recognised
 * and named.  What the numbers mean (input range, channel order, padding of average pools, classes) cannot be read from
 * such a file: the preset says it.
 *
 * Memory: the mapped file, the weights as f32 and less than 5 MB.  A .h5 file is read by a child process (hdf5.h) in at
 * most its size and 32 MiB; its weights may be twice its size and 32 MiB. */
#ifndef KOHL_CONVERT_CONVERT_H
#define KOHL_CONVERT_CONVERT_H

#include "nn/model.h"

typedef struct kohl_convert_options {
  const char *arch;        /* a name of nn/models/models.def; NULL: what a whole saved Keras model says itself */
  const char *preset;      /* a name of presets.def; NULL: the architecture's first one; needed without arch */
  const char *labels_path; /* class names, one per line; NULL: "0", "1", ... */
  const char *until;       /* the last layer to keep; NULL: all */
  bool no_top;             /* keep what is before the head; not together with until */
  int size;                /* side of the input in pixels; 0: the preset's */
} kohl_convert_options;

/* Reads in_path into a model, the caller's until kohl_model_destroy.  KOHL_USAGE: options that name what does not
 * exist.  KOHL_BAD_INPUT: another format; a missing, extra, transposed or wrongly typed tensor; a value that is not
 * finite; labels that do not fit.  The text names the file, the layer, both shapes and what would help. */
kohl_status kohl_convert_read(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_model **out);

/* The same, and saves the model as out_path, which stays as it was on any error. */
kohl_status kohl_convert(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                         const char *out_path);

#endif
