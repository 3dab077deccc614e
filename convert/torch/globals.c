/* Globals of pickles, and what is said of those that are refused. */
#include "convert/torch/globals.h"

#include <string.h>

#include "nn/json.h"

static const struct {
  const char *module, *name;
  uint8_t global, detail;
} known[] = {
    {"collections", "OrderedDict", KOHL_TORCH_ORDERED_DICT, 0},
    {"torch", "Size", KOHL_TORCH_SIZE, 0},
    {"torch._utils", "_rebuild_tensor", KOHL_TORCH_REBUILD, 0},
    {"torch._utils", "_rebuild_tensor_v2", KOHL_TORCH_REBUILD_V2, 0},
    {"torch._utils", "_rebuild_parameter", KOHL_TORCH_REBUILD_PARAMETER, 0},
    {"torch.nn.parameter", "Parameter", KOHL_TORCH_PARAMETER, 0},
    {"torch", "FloatStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_F32},
    {"torch", "DoubleStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_F64},
    {"torch", "HalfStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_F16},
    {"torch", "BFloat16Storage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_BF16},
    {"torch", "LongStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_I64},
    {"torch", "IntStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_I32},
    {"torch", "ShortStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_I16},
    {"torch", "CharStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_I8},
    {"torch", "ByteStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_U8},
    {"torch", "BoolStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_BOOL},
    {"torch.storage", "UntypedStorage", KOHL_TORCH_STORAGE_TYPE, KOHL_SAFETENSORS_U8},
};

/* Tensors of kinds that are not read; a name ending in '*' stands for all that begin so. */
static const struct {
  const char *module, *name, *what;
} refused[] = {
    {"torch._utils", "_rebuild_qtensor", "a quantised tensor, expected one of floats; save it after dequantize()"},
    {"torch", "QInt8Storage", "a quantised tensor, expected one of floats; save it after dequantize()"},
    {"torch", "QUInt8Storage", "a quantised tensor, expected one of floats; save it after dequantize()"},
    {"torch", "QInt32Storage", "a quantised tensor, expected one of floats; save it after dequantize()"},
    {"torch._utils", "_rebuild_sparse*", "a sparse tensor, expected a dense one; save it after to_dense()"},
    {"torch", "ComplexFloatStorage", "a tensor of complex numbers, expected real ones"},
    {"torch", "ComplexDoubleStorage", "a tensor of complex numbers, expected real ones"},
    {"torch._utils", "_rebuild_tensor_v3",
     "a tensor of one of PyTorch's newer types, expected floats of 16 to 64 bits"},
    {"torch._utils", "_rebuild_meta*", "a tensor without numbers, on the 'meta' device"},
    {"torch.jit._pickle", "*", "a part of a TorchScript archive, expected a state dict"},
    {"numpy*", "*", "an array or a number of NumPy beside the tensors, expected tensors and plain values alone"},
};

static bool same(const char *text, size_t length, const char *word) {
  return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool matches(const char *text, size_t length, const char *pattern) {
  size_t n = strlen(pattern);
  if (pattern[n - 1] != '*') return same(text, length, pattern);
  return length >= n - 1 && memcmp(text, pattern, n - 1) == 0;
}

kohl_status kohl_torch_global_find(kohl_context *ctx, const char *module, size_t module_length, const char *name,
                                   size_t name_length, kohl_torch_value *value) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (!same(module, module_length, known[i].module) || !same(name, name_length, known[i].name)) continue;
    value->number = known[i].global;
    value->detail = known[i].detail;
    return KOHL_OK;
  }
  kohl_quoted a = kohl_quote(module, module_length), b = kohl_quote(name, name_length);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    if (matches(module, module_length, refused[i].module) && matches(name, name_length, refused[i].name))
      return kohl_fail(ctx, KOHL_BAD_INPUT, "'%s.%s': %s", a.text, b.text, refused[i].what);
  }
  bool class = name_length && name[0] >= 'A' && name[0] <= 'Z';
  return kohl_fail(ctx, KOHL_BAD_INPUT,
                   "'%s.%s': %s, expected tensors and plain values alone; save the weights with "
                   "torch.save(model.state_dict(), 'FILE')",
                   a.text, b.text,
                   class ? "an object of this class is in the file, maybe a whole pickled module"
                         : "a call of this function is in the file");
}
