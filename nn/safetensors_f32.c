/* Tensors of other number formats as floats.  Data may lie at any address, so elements are copied out by memcpy. */
#include <math.h>
#include <string.h>

#include "nn/json.h"
#include "nn/safetensors_file.h"

/* IEEE half: 1 sign, 5 exponent (bias 15), 10 fraction bits.  Every half is a float. */
static float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
  if (exponent == 0) {
    float value = (float)fraction * 0x1p-24f; /* zero and subnormals */
    return sign ? -value : value;
  }
  if (exponent == 31) {
    bits = sign | 0x7F800000u | fraction << 13; /* infinity and NaN */
  } else {
    bits = sign | (exponent + 112) << 23 | fraction << 13;
  }
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static float bfloat_to_float(uint16_t upper) {
  uint32_t bits = (uint32_t)upper << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static kohl_status check_count(kohl_context *ctx, const char *path, const kohl_tensor_info *info, size_t count) {
  size_t elements = info->bytes / kohl_safetensors_dtype_bytes(info->dtype);
  if (elements == count) return KOHL_OK;
  return kohl_fail(ctx, KOHL_USAGE, "%s: tensor '%s' has %zu elements, asked for %zu", path,
                   kohl_quote(info->name, strlen(info->name)).text, elements, count);
}

static kohl_status dtype_refused(kohl_context *ctx, const char *path, const kohl_tensor_info *info,
                                 const char *expected) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': dtype %s, expected %s", path,
                   kohl_quote(info->name, strlen(info->name)).text, kohl_safetensors_dtype_name(info->dtype), expected);
}

static kohl_status read_f64(kohl_context *ctx, const char *path, const kohl_tensor_info *info, float *out,
                            size_t count) {
  const char *data = info->data;
  for (size_t i = 0; i < count; i++) {
    double value;
    memcpy(&value, data + 8 * i, 8);
    out[i] = (float)value;
    if (isinf(out[i]) && !isinf(value)) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': element %zu is %g, expected at most 3.4e38", path,
                       kohl_quote(info->name, strlen(info->name)).text, i, value);
    }
  }
  return KOHL_OK;
}

static kohl_status read_bool(kohl_context *ctx, const char *path, const kohl_tensor_info *info, float *out,
                             size_t count) {
  const unsigned char *data = info->data;
  for (size_t i = 0; i < count; i++) {
    out[i] = data[i];
    if (data[i] > 1) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: tensor '%s': element %zu is %d, expected 0 or 1", path,
                       kohl_quote(info->name, strlen(info->name)).text, i, data[i]);
    }
  }
  return KOHL_OK;
}

kohl_status kohl_tensor_read(kohl_context *ctx, const char *path, const kohl_tensor_info *info, float *out,
                             size_t count) {
  kohl_status status = check_count(ctx, path, info, count);
  if (status != KOHL_OK || count == 0) return status;
  const unsigned char *data = info->data;
  uint16_t word;
  switch (info->dtype) {
    case KOHL_SAFETENSORS_F32: memcpy(out, data, count * sizeof *out); return KOHL_OK;
    case KOHL_SAFETENSORS_F64: return read_f64(ctx, path, info, out, count);
    case KOHL_SAFETENSORS_F16:
      for (size_t i = 0; i < count; i++) memcpy(&word, data + 2 * i, 2), out[i] = half_to_float(word);
      return KOHL_OK;
    case KOHL_SAFETENSORS_BF16:
      for (size_t i = 0; i < count; i++) memcpy(&word, data + 2 * i, 2), out[i] = bfloat_to_float(word);
      return KOHL_OK;
    case KOHL_SAFETENSORS_BOOL: return read_bool(ctx, path, info, out, count);
    case KOHL_SAFETENSORS_U8:
      for (size_t i = 0; i < count; i++) out[i] = data[i];
      return KOHL_OK;
    case KOHL_SAFETENSORS_I8:
      for (size_t i = 0; i < count; i++) out[i] = (float)(data[i] < 128 ? data[i] : data[i] - 256);
      return KOHL_OK;
    case KOHL_SAFETENSORS_U16:
      for (size_t i = 0; i < count; i++) memcpy(&word, data + 2 * i, 2), out[i] = word;
      return KOHL_OK;
    case KOHL_SAFETENSORS_I16:
      for (size_t i = 0; i < count; i++)
        memcpy(&word, data + 2 * i, 2), out[i] = (float)(word < 32768 ? word : word - 65536);
      return KOHL_OK;
    default: return dtype_refused(ctx, path, info, "a float, or a whole number of at most 16 bits");
  }
}

kohl_status kohl_safetensors_read_f32(kohl_context *ctx, const kohl_safetensors *file, const kohl_tensor_info *info,
                                      float *out, size_t count) {
  bool real = info->dtype == KOHL_SAFETENSORS_F32 || info->dtype == KOHL_SAFETENSORS_F16 ||
              info->dtype == KOHL_SAFETENSORS_BF16 || info->dtype == KOHL_SAFETENSORS_F64;
  kohl_status status = check_count(ctx, file->name, info, count);
  if (!status && !real) status = dtype_refused(ctx, file->name, info, "F32, F16, BF16 or F64");
  return status ? status : kohl_tensor_read(ctx, file->name, info, out, count);
}
