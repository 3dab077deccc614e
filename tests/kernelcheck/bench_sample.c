/* Some rows of a problem's outputs in double. */
#include "tests/kernelcheck/bench_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row costs its share of the problem's FLOPs, about a nanosecond each in double: as many rows as take a few tenths of
 * a second, at least one. */
static const double most_flops = 2e8;

void bench_samples_free(bench_samples *samples) {
  for (int i = 0; i < KOHL_ARGS_OUT; i++) free(samples->values[i]);
  memset(samples, 0, sizeof *samples);
}

void bench_samples_make(bench_samples *samples, case_instance *instance, const kohl_kernel *kernel) {
  const int tile = instance_tile(kernel);
  if (samples->made && samples->accuracy == kernel->accuracy && samples->tile == tile) return;
  bench_samples_free(samples);
  samples->made = true;
  samples->accuracy = instance->layout.accuracy = kernel->accuracy;
  samples->tile = instance->layout.tile = tile;
  const case_op *op = instance->layout.problem->op;
  kohl_args args = instance_args(instance);
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &instance->layout.out[i];
    if (!tensor->name || !tensor->rows) continue;
    double affordable = most_flops / fmax(instance->layout.flops / (double)tensor->rows, 1.0);
    size_t count = affordable < 1.0 ? 1 : affordable < BENCH_SAMPLES ? (size_t)affordable : BENCH_SAMPLES;
    if (count > tensor->rows) count = tensor->rows;
    samples->count[i] = count;
    samples->values[i] = calloc(count * (size_t)tensor->channels + 1, sizeof(case_value));
    if (!samples->values[i]) exit(4);
    for (size_t s = 0; s < count; s++) {
      size_t row = count > 1 ? s * (tensor->rows - 1) / (count - 1) : tensor->rows - 1;
      samples->rows[i][s] = row;
      op->truth(&instance->layout, &args, i, row, samples->values[i] + s * (size_t)tensor->channels);
    }
    if (op->bounds) op->bounds(&instance->layout, &args, i, samples->rows[i], count, samples->values[i]);
  }
}

bool bench_samples_check(const bench_samples *samples, const case_layout *layout, void *const out[KOHL_ARGS_OUT],
                         double *max_rel, double *rms, difference *where) {
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    case_tensor tensor = layout->out[i];
    if (!tensor.name) continue;
    if (!compare_written(&tensor, out[i], GUARDED_NAN, where)) return false;
    tensor.rows = 1;
    for (size_t s = 0; s < samples->count[i]; s++) {
      size_t row = samples->rows[i][s];
      const case_value *values = samples->values[i] + s * (size_t)tensor.channels;
      const unsigned char *data = out[i];
      double largest, spread;
      data += row * (size_t)tensor.stride * case_type_size(tensor.type);
      bool right = compare_bound(&tensor, data, values, where);
      compare_errors(&tensor, data, values, &largest, &spread);
      *max_rel = fmax(*max_rel, largest);
      *rms = fmax(*rms, spread);
      where->row = row;
      if (!right) return false;
    }
  }
  return true;
}
