/* The values of one tensor of a foreign file, as a weight of ours: dequantised, transposed, checked. */
#ifndef KOHL_CONVERT_VALUES_H
#define KOHL_CONVERT_VALUES_H

#include "convert/source.h"

typedef struct kohl_values {
  const char *path; /* for error texts */
  const kohl_source *source;
  const kohl_tensor_info *info; /* [rows.., columns] in the file: Keras puts the output channel last */
  size_t drop;                  /* leading columns that are not taken */
  float *dst;                   /* (columns - drop) x rows floats: the output channel first */
  float least;                  /* every value must be greater; -INFINITY for none */
} kohl_values;

/* Reads F32, F16, BF16, F64, and U8 with metadata "q:<tensor>" = "scale min": (float)(q * scale + min), worked out in
 * double.  buffer has room for at least KOHL_VALUES_BUFFER floats and for one step (kohl_source_step).  A value that is
 * not finite is KOHL_BAD_INPUT naming the tensor, its index and the value. */
enum { KOHL_VALUES_BUFFER = 65536 };
kohl_status kohl_values_read(kohl_context *ctx, const kohl_values *values, float *buffer, size_t buffer_count);

#endif
