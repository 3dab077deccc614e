/* The globals that a pickle of tensors may name. */
#ifndef KOHL_CONVERT_TORCH_GLOBALS_H
#define KOHL_CONVERT_TORCH_GLOBALS_H

#include "convert/torch/pickle.h"

/* Sets number and detail of *value, a KOHL_TORCH_GLOBAL.  KOHL_BAD_INPUT for any other: says what it stands for and
 * what to do instead, without naming the file. */
kohl_status kohl_torch_global_find(kohl_context *ctx, const char *module, size_t module_length, const char *name,
                                   size_t name_length, kohl_torch_value *value);

#endif
