/* Values of foreign tensors, block of rows by block of rows, so that the largest tensor (VGG's first dense layer,
 * 411 MB) needs no copy of its own.
 *
 * A tensor is a matrix.  With the outputs last (Keras: r,s,c,k and in,out) its rows are inputs, which are transposed;
 * with the outputs first (PyTorch: k,c,r,s and out,in) its rows are outputs, and within one the channels go behind the
 * pixels. */
#include "convert/values.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 65536 };

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

static size_t row_length(const kohl_values *v) { return v->layout.output_first ? v->channels * v->pixels : v->outputs; }

/* Whole rows and whole steps of the source. */
static size_t unit(const kohl_values *v) {
  size_t step = v->source->tensors[v->index].step, row = row_length(v);
  return step % row == 0 ? step : row % step == 0 ? row : row * step;
}

size_t kohl_values_block(const kohl_values *values) {
  size_t least = unit(values);
  return least > BLOCK ? least : BLOCK;
}

static kohl_status check(kohl_context *ctx, const kohl_values *v, const float *data, size_t count, size_t first) {
  const char *name = v->source->tensors[v->index].info.name;
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(data[i]))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %g, expected a finite number",
                       v->source->path, QUOTE(name), first + i, (double)data[i]);
    if (!(data[i] > v->least))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': value %zu is %g, expected more than %g", v->source->path,
                       QUOTE(name), first + i, (double)data[i], (double)v->least);
  }
  return KOHL_OK;
}

/* Where input number i of an output stands with us: channels behind pixels. */
static size_t place(const kohl_values *v, size_t i) {
  return v->layout.channels_first ? i % v->pixels * v->channels + i / v->pixels : i;
}

/* Rows are inputs; outputs outside, so that a block is written as short runs. */
static void take_inputs(const kohl_values *v, const float *src, size_t first, size_t rows) {
  size_t inputs = v->channels * v->pixels;
  for (size_t k = v->from; k < v->from + v->take; k++) {
    float *dst = v->dst + (k - v->from) * inputs;
    if (v->layout.channels_first)
      for (size_t r = 0; r < rows; r++) dst[place(v, first + r)] = src[r * v->outputs + k];
    else
      for (size_t r = 0; r < rows; r++) dst[first + r] = src[r * v->outputs + k];
  }
}

/* Rows are outputs. */
static void take_outputs(const kohl_values *v, const float *src, size_t first, size_t rows) {
  size_t inputs = v->channels * v->pixels;
  for (size_t r = 0; r < rows; r++) {
    if (first + r < v->from || first + r >= v->from + v->take) continue;
    float *dst = v->dst + (first + r - v->from) * inputs;
    const float *row = src + r * inputs;
    if (!v->layout.channels_first || v->pixels == 1)
      memcpy(dst, row, inputs * sizeof *dst);
    else
      for (size_t c = 0; c < v->channels; c++)
        for (size_t p = 0; p < v->pixels; p++) dst[p * v->channels + c] = row[c * v->pixels + p];
  }
}

static kohl_status check_dtype(kohl_context *ctx, const kohl_values *v) {
  const kohl_source_tensor *tensor = &v->source->tensors[v->index];
  kohl_safetensors_dtype dtype = tensor->info.dtype;
  bool real = dtype == KOHL_SAFETENSORS_F32 || dtype == KOHL_SAFETENSORS_F16 || dtype == KOHL_SAFETENSORS_BF16 ||
              dtype == KOHL_SAFETENSORS_F64;
  if (real || tensor->quantised) return KOHL_OK;
  return kohl_fail(
      ctx, KOHL_BAD_INPUT,
      "%s: tensor '%s': dtype %s, expected F32, F16, BF16, F64, or whole numbers with a scale and a minimum",
      v->source->path, QUOTE(tensor->info.name), kohl_safetensors_dtype_name(dtype));
}

kohl_status kohl_values_read(kohl_context *ctx, const kohl_values *v, float *buffer, size_t buffer_count) {
  const kohl_source_tensor *tensor = &v->source->tensors[v->index];
  size_t row = row_length(v), least = unit(v), all = v->outputs * v->channels * v->pixels;
  size_t block = buffer_count / least * least, begin = 0;
  if (v->layout.output_first) { /* the rows that are wanted, from a whole unit on */
    size_t end = ((v->from + v->take) * row + least - 1) / least * least;
    begin = v->from * row / least * least;
    if (end < all) all = end;
  }
  kohl_status status = check_dtype(ctx, v);
  for (size_t first = begin; first < all && !status; first += block) {
    size_t count = all - first < block ? all - first : block;
    status = v->source->call->read(ctx, v->source, v->index, first, count, buffer);
    for (size_t i = 0; i < count && !status && tensor->quantised; i++)
      buffer[i] = (float)((double)buffer[i] * tensor->scale + tensor->min);
    if (!status) status = check(ctx, v, buffer, count, first);
    if (status) break;
    (v->layout.output_first ? take_outputs : take_inputs)(v, buffer, first / row, count / row);
    status = kohl_check_cancel(ctx);
  }
  return status;
}
