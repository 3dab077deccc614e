/* A weight's numbers in the order in which others store them, in pieces. */
#ifndef KOHL_CONVERT_EXPORT_PERMUTE_H
#define KOHL_CONVERT_EXPORT_PERMUTE_H

#include "convert/source.h"
#include "nn/model.h"

enum { KOHL_EXPORT_DIMS = 4 };

/* Numbers of data, visited with the last index fastest: index i of dimension d is i * step[d] floats from the first. */
typedef struct kohl_export_view {
  const float *data;
  int dims;
  size_t size[KOHL_EXPORT_DIMS], step[KOHL_EXPORT_DIMS];
  int shape_dims; /* as the file states it: dimensions of a flattened picture are one there */
  int64_t shape[KOHL_EXPORT_DIMS];
} kohl_export_view;

/* A weight in this layout.  picture: its inputs (dense) or channels (batch-norm) are the flattened pixels of such a
 * picture, which lie c,h,w where layout.channels_first; zeros: they are not. */
kohl_export_view kohl_export_view_of(const kohl_weight *weight, kohl_layout layout, kohl_shape picture);

/* count numbers as they lie, one dimension. */
kohl_export_view kohl_export_view_row(const float *data, size_t count);

typedef kohl_status kohl_export_sink(void *user, const void *bytes, size_t n);

/* Gives all numbers to the sink, bits unchanged.  KOHL_INTERRUPTED where the context says so. */
kohl_status kohl_export_stream(kohl_context *ctx, const kohl_export_view *view, kohl_export_sink *sink, void *user);

#endif
