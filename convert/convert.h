/* The one door for weights in foreign formats: a file of others in, a kohl model file out.
 *
 * Formats are told by their bytes (formats.def).  Where a file describes its network (Keras's whole models, ONNX,
 * TensorFlow.js) the graph is built from that; else the architecture is the one that is asked for, or the one whose
 * layers the file's names and shapes fit.  What the numbers mean (input range, channel order, padding of average pools,
 * classes) cannot be read from weights: the preset says it, by default that of the publisher whose names the file has.
 *
 * Memory: one weight as f32, blocks of the file, less than 5 MB; of JavaScript modules and .tgz also their weights.
 * HDF5 is read by a child process (hdf5/hdf5.h) in at most its size and 32 MiB. */
#ifndef KOHL_CONVERT_CONVERT_H
#define KOHL_CONVERT_CONVERT_H

#include "nn/model.h"

typedef struct kohl_convert_options {
  const char *arch;        /* a name of nn/models/models.def; NULL: what the file says or shows */
  const char *preset;      /* a name of presets.def; NULL: the publisher's by its names, else the architecture's first;
                              needed where the file describes its network and no arch is given */
  const char *labels_path; /* class names, one per line; NULL: "0", "1", ... */
  const char *until;       /* the last layer to keep; NULL: all */
  bool no_top;             /* keep what is before the head; not together with until */
  bool averages;           /* take the moving averages of weights where the file has them (TF-Slim) */
  int size;                /* side of the input in pixels; 0: the preset's, or the file's */
} kohl_convert_options;

/* A foreign file that fits: everything but the values is known and checked. */
typedef struct kohl_conversion kohl_conversion;

/* Opens a file; *out is the caller's until kohl_convert_close (NULL is allowed).  in_path and options must outlive it.
 * KOHL_USAGE: options that name what does not exist.  KOHL_BAD_INPUT: another format; a missing, extra, transposed or
 * wrongly typed tensor; labels that do not fit.  The text names the file, the layer, both shapes and what would help.
 */
kohl_status kohl_convert_open(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_conversion **out);
void kohl_convert_close(kohl_context *ctx, kohl_conversion *conversion);

/* The model, whose weights have no values; the conversion's. */
const kohl_model *kohl_convert_model(const kohl_conversion *conversion);

/* Saves the model as out_path, reading one weight after the other; out_path stays as it was on any error.
 * KOHL_BAD_INPUT: also a value that is not finite. */
kohl_status kohl_convert_save(kohl_context *ctx, kohl_conversion *conversion, const char *out_path);

/* Opens, saves and closes. */
kohl_status kohl_convert(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                         const char *out_path);

/* Opens and reads everything into a model of its own, the caller's until kohl_model_destroy. */
kohl_status kohl_convert_read(kohl_context *ctx, const char *in_path, const kohl_convert_options *options,
                              kohl_model **out);

#endif
