/* The list of ops, and the choice of a kernel. */
#include "kernels/core/kernel.h"
#include "kernels/core/record.h"

#include <stdio.h>
#include <string.h>

#define OP(name, idea) extern const kohl_op kohl_##name##_op;
#include "kernels/ops.def"
#undef OP

const kohl_op *const kohl_ops[] = {
#define OP(name, idea) &kohl_##name##_op,
#include "kernels/ops.def"
#undef OP
};
const size_t kohl_op_count = sizeof kohl_ops / sizeof *kohl_ops;

const kohl_op *kohl_op_find(const char *name) {
  for (size_t i = 0; i < kohl_op_count; i++) {
    if (!strcmp(kohl_ops[i]->name, name)) return kohl_ops[i];
  }
  return NULL;
}

const char *kohl_direction_name(kohl_direction direction) {
  static const char *const names[] = {"fwd", "dgrad", "wgrad"};
  return names[direction];
}

const char *kohl_accuracy_name(kohl_accuracy accuracy) {
  static const char *const names[] = {"CHAIN", "F32", "WINOGRAD", "TF32", "BF16"};
  return names[accuracy];
}

const char *kohl_dtype_name(kohl_dtype dtype) { return dtype == KOHL_U8 ? "u8" : "f32"; }

const char *kohl_kind_name(kohl_kind kind) {
  static const char *const names[] = {"kernel", "step", "baseline"};
  return names[kind];
}

const char *kohl_kernel_refusal(const kohl_context *ctx, const kohl_kernel *kernel, const void *desc) {
  if (kernel->needs & KOHL_CAP_CUDA && !kernel->cuda) return "this build has no CUDA";
  if (kernel->needs & ~ctx->caps) {
    return kernel->cuda ? "no CUDA device was asked for" : "this CPU level has not got what it needs";
  }
  if (ctx->exact && kernel->accuracy != KOHL_ACCURACY_CHAIN)
    return "not of accuracy class CHAIN, which --exact asks for";
  if (!kernel->cuda) return kernel->code->accepts(desc);
  const char *refusal = kernel->cuda->accepts(desc);
  if (refusal || !kernel->cuda->available) return refusal;
  if (!ctx->device) return "this thread has no device";
  return kernel->cuda->available(ctx, kohl_device_stream(ctx->device), desc);
}

size_t kohl_kernel_workspace(const kohl_kernel *kernel, const void *desc, size_t workers) {
  if (kernel->cuda) return kernel->cuda->workspace_size ? kernel->cuda->workspace_size(desc) : 0;
  return kernel->code->workspace_size ? kernel->code->workspace_size(desc, workers) : 0;
}

/* Finds "op_direction=id" in the context's impl list; true and the id's extent when it is there. */
static bool impl_named(const kohl_context *ctx, const kohl_op *op, kohl_direction direction, const char **id,
                       size_t *length) {
  char key[64];
  int n = snprintf(key, sizeof key, "%s_%s=", op->name, kohl_direction_name(direction));
  for (const char *at = ctx->impl; n > 0 && *at;) {
    size_t entry = strcspn(at, ",");
    if (entry > (size_t)n && !strncmp(at, key, (size_t)n)) {
      *id = at + n;
      *length = entry - (size_t)n;
      return true;
    }
    at += entry + (at[entry] == ',');
  }
  return false;
}

const char *kohl_kernel_passed_over(const kohl_context *ctx, const kohl_op *op, const kohl_kernel *kernel,
                                    const void *desc) {
  const char *refusal = kohl_kernel_refusal(ctx, kernel, desc);
  return refusal || !op->advise ? refusal : op->advise(kernel, desc);
}

/* The first recorded kernel that is allowed and accepts; NULL: none is. */
static const kohl_kernel *choose_again(const kohl_context *ctx, const kohl_op *op, kohl_direction direction,
                                       const void *desc, bool cuda) {
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *kernel = &op->kernels[i];
    if (kernel->direction != direction || cuda != ((kernel->needs & KOHL_CAP_CUDA) != 0)) continue;
    if (!kohl_record_has(ctx->again, kernel)) continue;
    if (!kohl_kernel_passed_over(ctx, op, kernel, desc)) return kernel;
  }
  return NULL;
}

/* Takes down a choice. */
static const kohl_kernel *note(const kohl_context *ctx, const kohl_op *op, const kohl_kernel *kernel) {
  if (ctx->chosen) kohl_record_add(ctx->chosen, kernel);
  if (ctx->again && kohl_record_names(ctx->again, op->name, kernel->direction) &&
      !kohl_record_has(ctx->again, kernel)) {
    kohl_record_replace(ctx->again, op, kernel);
  }
  return kernel;
}

/* Among the kernels that need CUDA, or among the others. */
static const kohl_kernel *choose(kohl_context *ctx, const kohl_op *op, kohl_direction direction, const void *desc,
                                 bool cuda) {
  const char *id = NULL;
  size_t length = 0, used = 0;
  bool named = impl_named(ctx, op, direction, &id, &length);
  char why[KOHL_ERROR_TEXT / 2] = "";
  const kohl_kernel *again = ctx->again && !named ? choose_again(ctx, op, direction, desc, cuda) : NULL;
  if (again) return note(ctx, op, again);
  for (size_t i = 0; i < op->count; i++) {
    const kohl_kernel *kernel = &op->kernels[i];
    if (kernel->direction != direction || cuda != ((kernel->needs & KOHL_CAP_CUDA) != 0)) continue;
    if (named ? strlen(kernel->id) != length || strncmp(kernel->id, id, length) : kernel->kind != KOHL_KIND_KERNEL)
      continue;
    const char *refusal =
        named ? kohl_kernel_refusal(ctx, kernel, desc) : kohl_kernel_passed_over(ctx, op, kernel, desc);
    if (!refusal) return note(ctx, op, kernel);
    if (used < sizeof why)
      used += (size_t)snprintf(why + used, sizeof why - used, "%s%s: %s", used ? "; " : "", kernel->id, refusal);
  }
  if (!used) snprintf(why, sizeof why, named ? "no kernel has that name" : "the list has no kernel for this direction");
  kohl_fail(ctx, KOHL_USAGE, "%s %s%s%.*s: %s", op->name, kohl_direction_name(direction), named ? " " : "", (int)length,
            named ? id : "", why);
  return NULL;
}

const kohl_kernel *kohl_kernel_choose(kohl_context *ctx, const kohl_op *op, kohl_direction direction,
                                      const void *desc) {
  return choose(ctx, op, direction, desc, false);
}

const kohl_kernel *kohl_kernel_choose_on_device(kohl_context *ctx, const kohl_op *op, kohl_direction direction,
                                                const void *desc) {
  return choose(ctx, op, direction, desc, ctx->device != NULL);
}

const kohl_kernel *kohl_kernel_next(const kohl_context *ctx, const kohl_op *op, const kohl_kernel *kernel,
                                    const void *desc) {
  const char *id;
  size_t length;
  if (impl_named(ctx, op, kernel->direction, &id, &length)) return NULL;
  for (const kohl_kernel *next = kernel + 1; next < op->kernels + op->count; next++) {
    if (next->direction == kernel->direction && next->kind == KOHL_KIND_KERNEL && next->needs == kernel->needs &&
        !kohl_kernel_refusal(ctx, next, desc))
      return next;
  }
  return NULL;
}
