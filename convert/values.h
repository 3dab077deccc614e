/* The values of one tensor of a foreign file, as a weight of ours: dequantised, put into our order, checked. */
#ifndef KOHL_CONVERT_VALUES_H
#define KOHL_CONVERT_VALUES_H

#include "convert/source.h"

typedef struct kohl_values {
  kohl_source *source;
  size_t index;            /* of the tensor in the source */
  kohl_layout layout;      /* how its numbers lie there */
  size_t outputs;          /* in the file */
  size_t channels, pixels; /* one output has channels * pixels inputs; 1 and 1 for a row of numbers */
  size_t from, take;       /* which outputs are wanted */
  float *dst;              /* [take][pixels][channels] floats */
  float least;             /* every value must be greater; -INFINITY for none */
} kohl_values;

/* Floats the buffer needs at least. */
size_t kohl_values_block(const kohl_values *values);

/* Reads the values block by block; with the outputs last all of the tensor is read, whatever is wanted of it.  buffer has room for kohl_values_block floats or more.  A value that is not finite,
 * and whole numbers that are no quantised weights, are KOHL_BAD_INPUT naming the tensor. */
kohl_status kohl_values_read(kohl_context *ctx, const kohl_values *values, float *buffer, size_t buffer_count);

#endif
