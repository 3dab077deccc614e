/* What a model does to its input before the first layer: x * scale + shift for each channel.  PyTorch's Inception takes
 * the channels apart for it (transform_input) and puts them together again. */
#include <math.h>
#include <string.h>

#include "convert/onnx/build.h"

/* The constant operand: one number for all channels, or one for each. */
static kohl_status read_factors(kohl_onnx_build *build, size_t index, const kohl_onnx_value *input, double out[3]) {
  kohl_onnx_tensor *tensor;
  kohl_safetensors_dtype dtype;
  kohl_onnx_cursor cursor = {0};
  float numbers[3];
  int rank = input->gathered ? 3 : 4, axis = input->last ? 3 : 1;
  size_t channels = input->channel >= 0 ? 1 : (size_t)build->graph->nodes[0].params.size[2];
  kohl_status status = kohl_onnx_constant_input(build, index, -1, &tensor);
  if (status) return status;
  bool good = tensor->dims <= rank && kohl_onnx_tensor_dtype(tensor, &dtype) &&
              (tensor->count == 1 || (tensor->count == channels && channels <= 3));
  for (int i = 0; i < tensor->dims; i++) good = good && (tensor->shape[i] == 1 || i + rank - tensor->dims == axis);
  if (!good) return kohl_onnx_refuse(build, "the constant", "of another shape", "one number, or one for each channel");
  status = kohl_onnx_tensor_read(build->ctx, build->model->path, tensor, &cursor, 0, tensor->count, numbers);
  for (size_t i = 0; i < 3; i++) out[i] = (double)numbers[i < tensor->count ? i : 0];
  return status;
}

kohl_status kohl_onnx_arithmetic(kohl_onnx_build *build, char op) {
  double numbers[3];
  const kohl_onnx_value *a = kohl_onnx_input(build, 0), *b = kohl_onnx_input(build, 1);
  bool swapped = a && a->kind == KOHL_ONNX_CONSTANT;
  const kohl_onnx_value *input = swapped ? b : a, *constant = swapped ? a : b;
  bool first = input && input->kind == KOHL_ONNX_PICTURE && input->node == 0 && !input->padded;
  if (!first || !constant || constant->kind != KOHL_ONNX_CONSTANT || constant->transposed ||
      (swapped && (op == '-' || op == '/')) || build->graph->nodes[0].params.size[2] > 3)
    return kohl_onnx_refuse(build, "operands", "others", "the network's input of at most 3 channels and a constant");
  kohl_status status = read_factors(build, swapped ? 0 : 1, input, numbers);
  if (status) return status;
  kohl_onnx_value value = *input;
  for (int i = 0; i < 3; i++) {
    double n = op == '/' ? 1 / numbers[i] : op == '-' ? -numbers[i] : numbers[i];
    if (op == '*' || op == '/') {
      value.scale[i] *= n;
      value.shift[i] *= n;
    } else {
      value.shift[i] += n;
    }
    if (!isfinite(value.scale[i]) || !isfinite(value.shift[i]))
      return kohl_onnx_refuse(build, "the constant", "no number or 0", "finite numbers");
  }
  return kohl_onnx_result(build, &value);
}

kohl_status kohl_onnx_mul(kohl_onnx_build *build) { return kohl_onnx_arithmetic(build, '*'); }
kohl_status kohl_onnx_sub(kohl_onnx_build *build) { return kohl_onnx_arithmetic(build, '-'); }
kohl_status kohl_onnx_div(kohl_onnx_build *build) { return kohl_onnx_arithmetic(build, '/'); }

kohl_status kohl_onnx_join_channels(kohl_onnx_build *build) {
  kohl_onnx_value value = kohl_onnx_value_of(KOHL_ONNX_PICTURE, 0);
  size_t channels = (size_t)build->graph->nodes[0].params.size[2];
  bool good = build->node->inputs == channels && channels <= 3;
  for (size_t i = 0; i < channels && good; i++) {
    const kohl_onnx_value *part = kohl_onnx_input(build, i);
    good = part && part->kind == KOHL_ONNX_PICTURE && part->channel == (int)i && !part->gathered;
    if (!good) break;
    value.scale[i] = part->scale[0];
    value.shift[i] = part->shift[0];
  }
  if (!good) return kohl_onnx_refuse(build, "inputs", "others", "the channels of the input in their order");
  return kohl_onnx_result(build, &value);
}
