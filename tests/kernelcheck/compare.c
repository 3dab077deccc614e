/* Comparisons.  `truth` is dense, rows x channels; tensors have their stride. */
#include "tests/kernelcheck/compare.h"

#include <math.h>
#include <string.h>

double compare_limit(double roundings, double magnitude) {
  double nu = roundings * COMPARE_U;
  return 2.0 * nu / (1.0 - nu) * magnitude + roundings * 0x1p-149;
}

double compare_variance(double sum_of_squared_partials) {
  return COMPARE_U * COMPARE_U / 3.0 * sum_of_squared_partials;
}

case_value compare_chain_value(const compare_chain *chain, bool relu) {
  double value = relu && chain->value < 0.0 ? 0.0 : chain->value;
  return (case_value){value, compare_limit(chain->roundings, chain->magnitude), compare_variance(chain->partials)};
}

case_value compare_sum_value(const compare_chain *chain, kohl_accuracy accuracy, bool relu) {
  case_value out = compare_chain_value(chain, relu);
  if (accuracy == KOHL_ACCURACY_CHAIN) return out;
  const double e = 0x1p-10, off = 2.0 * e + e * e, n = chain->roundings, sum = chain->value * chain->value;
  out.variance = compare_variance((n + 1.0) / 6.0 * (2.0 * sum + chain->squares));
  if (accuracy != KOHL_ACCURACY_TF32) return out;
  out.limit = off * chain->magnitude + compare_limit(2.0 * n, (1.0 + off) * chain->magnitude);
  out.variance *= 4.0 + 3.0 * n;
  out.variance += 4.0 * e * e * (sum + chain->squares);
  return out;
}

case_value compare_rounded(double value, double roundings) {
  return (case_value){value, compare_limit(roundings, fabs(value)), compare_variance(roundings * value * value)};
}

double compare_get(const case_tensor *tensor, const void *data, size_t i) {
  if (tensor->type == CASE_U8) return ((const unsigned char *)data)[i];
  if (tensor->type == CASE_I32) return ((const int32_t *)data)[i];
  return ((const float *)data)[i];
}

static uint32_t word(const case_tensor *tensor, const void *data, size_t i) {
  uint32_t bits = 0;
  size_t size = case_type_size(tensor->type);
  memcpy(&bits, (const unsigned char *)data + i * size, size);
  return bits;
}

static bool differ(const case_tensor *tensor, size_t row, int channel, double got, double expected, double allowed,
                   difference *where) {
  *where = (difference){tensor->name, row, channel, got, expected, allowed};
  return false;
}

bool compare_exact(const case_tensor *tensor, const void *data, const case_value *truth, difference *where) {
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++, truth++) {
      double got = compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c);
      double expected = tensor->type == CASE_F32 ? (double)(float)truth->value : truth->value;
      if (!(got == expected)) return differ(tensor, row, c, got, expected, -1.0, where);
    }
  }
  return true;
}

/* Whether both are NaN, the same infinity, or numbers. */
static bool same_class(double got, double expected) {
  return isnan(expected) ? isnan(got) : isinf(expected) ? got == expected : isfinite(got);
}

bool compare_bound(const case_tensor *tensor, const void *data, const case_value *truth, difference *where) {
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++, truth++) {
      double got = compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c);
      if (!isfinite(truth->value) ? !same_class(got, truth->value) : !(fabs(got - truth->value) <= truth->limit)) {
        return differ(tensor, row, c, got, truth->value, truth->limit, where);
      }
    }
  }
  return true;
}

bool compare_rms(const case_tensor *tensor, const void *data, const case_value *truth, difference *where) {
  double count = (double)tensor->rows * tensor->channels, squares = 0.0, variance = 0.0, worst = -1.0;
  if (count < 64.0) return true;
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++, truth++) {
      double got = compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c), error = got - truth->value;
      squares += error * error;
      variance += truth->variance;
      if (fabs(error) > worst) {
        worst = fabs(error);
        differ(tensor, row, c, got, truth->value, 0.0, where);
      }
    }
  }
  where->allowed = sqrt(variance / count * (1.0 + 8.0 * sqrt(2.0 / count)));
  return sqrt(squares / count) <= where->allowed;
}

bool compare_bits(const case_tensor *tensor, const void *data, const void *expected, difference *where) {
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++) {
      size_t i = row * (size_t)tensor->stride + (size_t)c;
      double got = compare_get(tensor, data, i), other = compare_get(tensor, expected, i);
      if (isnan(got) && isnan(other)) continue;
      if (word(tensor, data, i) != word(tensor, expected, i)) return differ(tensor, row, c, got, other, -1.0, where);
    }
  }
  return true;
}

bool compare_written(const case_tensor *tensor, const void *data, uint32_t poison, difference *where) {
  if (tensor->type == CASE_U8 || tensor->updated) return true; /* any byte may be right; an update may be of nothing */
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++) {
      size_t i = row * (size_t)tensor->stride + (size_t)c;
      if (word(tensor, data, i) == poison) return differ(tensor, row, c, NAN, 0.0, -1.0, where);
    }
  }
  return true;
}

bool compare_gaps(const case_tensor *tensor, const void *data, uint32_t poison, difference *where) {
  unsigned char bytes[sizeof poison];
  memcpy(bytes, &poison, sizeof poison);
  for (size_t row = 0; row + 1 < tensor->rows; row++) {
    for (int c = tensor->channels; c < tensor->stride; c++) {
      size_t i = row * (size_t)tensor->stride + (size_t)c;
      uint32_t expected = tensor->type == CASE_U8 ? bytes[i % sizeof poison] : poison;
      if (word(tensor, data, i) != expected) {
        return differ(tensor, row, c, compare_get(tensor, data, i), NAN, -1.0, where);
      }
    }
  }
  return true;
}

bool compare_class(const case_tensor *tensor, const void *data, const case_value *truth, difference *where) {
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++, truth++) {
      double got = compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c);
      if (!same_class(got, truth->value)) return differ(tensor, row, c, got, truth->value, -1.0, where);
    }
  }
  return true;
}

bool compare_spread(const case_tensor *tensor, const void *data, const case_value *truth, difference *where) {
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++, truth++) {
      double got = compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c);
      bool right = !isfinite(truth->value)   ? !isfinite(got)
                   : !isfinite(truth->limit) ? true
                                             : fabs(got - truth->value) <= truth->limit;
      if (!right) return differ(tensor, row, c, got, truth->value, truth->limit, where);
    }
  }
  return true;
}

void compare_errors(const case_tensor *tensor, const void *data, const case_value *truth, double *max_rel,
                    double *rms) {
  double count = (double)tensor->rows * tensor->channels, squares = 0.0, size = 0.0, worst = 0.0;
  for (size_t row = 0; row < tensor->rows; row++) {
    for (int c = 0; c < tensor->channels; c++, truth++) {
      double error = compare_get(tensor, data, row * (size_t)tensor->stride + (size_t)c) - truth->value;
      squares += error * error;
      size += truth->value * truth->value;
      if (!(fabs(error) <= worst)) worst = fabs(error);
    }
  }
  double scale = size > 0.0 ? sqrt(size / count) : 1.0;
  *rms = count > 0.0 ? sqrt(squares / count) / scale : 0.0;
  *max_rel = worst / scale;
}
