/* A problem with data.  Every tensor lies in memory of its own that is exactly as long as it may be touched, most of
 * them off a 64-byte boundary: a kernel may count on alignment only where kernel.h promises it. */
#include "tests/kernelcheck/instance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernelcheck/device_run.h"

const char *check_name(int check) {
  static const char *const names[] = {
#define CHECK(name, text) #name,
      CHECKS
#undef CHECK
  };
  return names[check];
}

static void *copy_of(const void *data, size_t bytes) {
  void *copy = malloc(bytes ? bytes : 1);
  if (!copy) exit(4);
  memcpy(copy, data, bytes);
  return copy;
}

static size_t tensor_bytes(const case_tensor *tensor) {
  return case_tensor_extent(tensor) * case_type_size(tensor->type);
}

void instance_make(case_instance *instance, const case_layout *layout, case_fill fill, uint64_t seed) {
  char text[CASE_TEXT];
  memset(instance, 0, sizeof *instance);
  instance->layout = *layout;
  instance->fill = fill;
  case_print(layout->problem, text);
  uint64_t random = case_seed(seed, text, (uint64_t)layout->direction * CASE_FILLS + (uint64_t)fill);
  instance->shift = case_random(&random) % 2 ? case_random(&random) % 16 * sizeof(float) : 0;
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    const case_tensor *tensor = &layout->in[i];
    if (!tensor->name) continue;
    size_t own = case_type_size(tensor->type); /* an element's own alignment stays */
    instance->in[i] = guarded_make(tensor_bytes(tensor), instance->shift / own * own);
    case_tensor_fill(tensor, instance->in[i].data, fill, layout->integer, &random);
    instance->copy[i] = copy_of(instance->in[i].data, tensor_bytes(tensor));
  }
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &layout->out[i];
    if (!tensor->name || !tensor->updated) continue;
    guarded memory = guarded_make(tensor_bytes(tensor), 0);
    case_tensor_fill(tensor, memory.data, fill, layout->integer, &random);
    instance->initial[i] = copy_of(memory.data, tensor_bytes(tensor));
    guarded_free(&memory);
  }
}

void instance_free(case_instance *instance) {
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    guarded_free(&instance->in[i]);
    free(instance->copy[i]);
  }
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    free(instance->initial[i]);
    for (int t = 0; t < CASE_TRUTHS; t++) free(instance->truths[t].values[i]);
  }
}

kohl_args instance_args(const case_instance *instance) {
  kohl_args args;
  memset(&args, 0, sizeof args);
  for (int i = 0; i < KOHL_ARGS_IN; i++) args.in[i] = instance->in[i].data;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) args.out[i] = instance->initial[i];
  return args;
}

int instance_tile(const kohl_kernel *kernel) {
  return kernel->accuracy == KOHL_ACCURACY_WINOGRAD ? kernel->id[strcspn(kernel->id, "0123456789")] - '0' : 0;
}

const kohl_kernel *instance_reference(const kohl_op *op, const kohl_kernel *kernel) {
  char id[64] = "ref";
  if (kernel->accuracy == KOHL_ACCURACY_WINOGRAD)
    snprintf(id, sizeof id, "%.*s_ref", (int)strcspn(kernel->id, "_"), kernel->id);
  for (size_t i = 0; i < op->count; i++) {
    if (op->kernels[i].direction == kernel->direction && !strcmp(op->kernels[i].id, id)) return &op->kernels[i];
  }
  return NULL;
}

/* One output of a class. */
static case_value *truth_of(const case_instance *instance, int output) {
  const case_layout *layout = &instance->layout;
  const case_op *op = layout->problem->op;
  const size_t rows = layout->out[output].rows, channels = (size_t)layout->out[output].channels;
  const kohl_args args = instance_args(instance);
  case_value *values = calloc(rows * channels + 1, sizeof *values);
  size_t *all = malloc((rows + 1) * sizeof *all);
  if (!values || !all) exit(4);
  for (size_t row = 0; row < rows; row++) {
    op->truth(layout, &args, output, row, values + row * channels);
    all[row] = row;
  }
  if (op->bounds) op->bounds(layout, &args, output, all, rows, values);
  free(all);
  return values;
}

void instance_truth(case_instance *instance, kohl_accuracy accuracy, int tile) {
  int t = 0;
  while (instance->truths[t].made && (instance->truths[t].accuracy != accuracy || instance->truths[t].tile != tile))
    t++;
  case_truth *truth = &instance->truths[t];
  instance->layout.accuracy = truth->accuracy = accuracy;
  instance->layout.tile = truth->tile = tile;
  instance->truth = truth->values;
  if (truth->made) return;
  truth->made = true;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    if (instance->layout.out[i].name) truth->values[i] = truth_of(instance, i);
  }
}

static void fail(case_verdict *verdict, int check, const difference *where) {
  if (!(verdict->failed >> check & 1)) verdict->where[check] = *where;
  verdict->failed |= 1u << check;
}

/* Canaries of one block; a stray write's place goes where the row stands. */
static void watch(const guarded *memory, const char *name, int check, case_verdict *verdict) {
  long offset;
  if (guarded_intact(memory, &offset)) return;
  difference where = {name, 0, 0, (double)offset, 0.0, -1.0};
  fail(verdict, check, &where);
}

/* over: the output that held an input's values before the run, or -1. */
static void watch_all(const case_instance *instance, const outcome *out, uint32_t poison, int over,
                      case_verdict *verdict) {
  difference where;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &instance->layout.out[i];
    if (!tensor->name) continue;
    watch(&out->out[i], tensor->name, CHECK_canary, verdict);
    uint32_t gap = tensor->updated || i == over ? 0x7fc00000u : poison; /* case_tensor_fill's NAN */
    if (!compare_gaps(tensor, out->out[i].data, gap, &where)) fail(verdict, CHECK_gap, &where);
    if (!compare_written(tensor, out->out[i].data, poison, &where)) fail(verdict, CHECK_written, &where);
  }
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    const case_tensor *tensor = &instance->layout.in[i];
    if (!tensor->name) continue;
    watch(&instance->in[i], tensor->name, CHECK_canary, verdict);
    if (!memcmp(instance->in[i].data, instance->copy[i], tensor_bytes(tensor))) continue;
    where = (difference){tensor->name, 0, 0, NAN, NAN, -1.0};
    fail(verdict, CHECK_inputs, &where);
  }
}

/* Weights as the kernel wants them; packed.base is NULL when that is as they are stored. */
static guarded pack(const case_instance *instance, const kohl_kernel *kernel, int slot) {
  guarded packed = {NULL, NULL, 0, 0};
  if (kernel->cuda || !kernel->code->packed_size || !instance->layout.in[slot].weights) return packed;
  packed = guarded_make(kernel->code->packed_size(instance->layout.desc), 0);
  guarded_poison(&packed, false);
  kernel->code->pack(instance->layout.desc, instance->in[slot].data, packed.data);
  return packed;
}

/* A plan may run fewer pictures than it has workspace for. */
static void larger_batches(const case_instance *instance, const kohl_kernel *kernel, size_t workers, size_t bytes,
                           case_verdict *verdict) {
  case_layout more = instance->layout;
  int n;
  for (int by = 1; by < 100; by *= 3) {
    memcpy(&n, instance->layout.desc, sizeof n); /* every desc's first member */
    n += by;
    memcpy(more.desc, &n, sizeof n);
    size_t larger = kohl_kernel_workspace(kernel, more.desc, workers);
    difference where = {"bytes for a larger batch", 0, n, (double)larger, (double)bytes, -1.0};
    if (larger < bytes) fail(verdict, CHECK_workspace, &where);
  }
}

/* in, over: the input that the output `over` is; over -1: none. */
static void run(case_instance *instance, const kohl_kernel *kernel, kohl_threads *threads, bool other_poison, int in,
                int over, outcome *out, case_verdict *verdict) {
  const void *desc = instance->layout.desc;
  kohl_args args = instance_args(instance);
  guarded packed[KOHL_ARGS_IN], ins[KOHL_ARGS_IN];
  memcpy(ins, instance->in, sizeof ins);
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    packed[i] = pack(instance, kernel, i);
    if (packed[i].base) args.in[i] = packed[i].data;
  }
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &instance->layout.out[i];
    out->out[i] = (guarded){NULL, NULL, 0, 0};
    if (!tensor->name) continue;
    out->out[i] = guarded_make(tensor_bytes(tensor), instance->shift);
    guarded_poison(&out->out[i], other_poison);
    if (tensor->updated) memcpy(out->out[i].data, instance->initial[i], tensor_bytes(tensor));
    args.out[i] = out->out[i].data;
  }
  if (over >= 0) {
    memcpy(out->out[over].data, instance->in[in].data, tensor_bytes(&instance->layout.in[in]));
    ins[in] = out->out[over];
    args.in[in] = args.out[over];
  }
  size_t bytes = kohl_kernel_workspace(kernel, desc, kohl_threads_count(threads));
  larger_batches(instance, kernel, kohl_threads_count(threads), bytes, verdict);
  guarded workspace = guarded_make(bytes, 0);
  guarded_poison(&workspace, other_poison);
  args.workspace = bytes ? workspace.data : NULL;
  instance->refusal[0] = 0;
  bool ran = true;
  if (kernel->cuda)
    ran = device_run(instance->ctx, kernel, desc, ins, out->out, &workspace, !other_poison, instance->refusal,
                     sizeof instance->refusal);
  else
    kernel->code->run(desc, &args, threads);
  watch(&workspace, "workspace", CHECK_workspace, verdict);
  guarded_free(&workspace);
  for (int i = 0; i < KOHL_ARGS_IN; i++) {
    watch(&packed[i], "packed weights", CHECK_canary, verdict);
    guarded_free(&packed[i]);
  }
  if (ran) watch_all(instance, out, other_poison ? GUARDED_OTHER_NAN : GUARDED_NAN, over, verdict);
}

void instance_run(case_instance *instance, const kohl_kernel *kernel, kohl_threads *threads, bool other_poison,
                  outcome *out, case_verdict *verdict) {
  run(instance, kernel, threads, other_poison, 0, -1, out, verdict);
}

void outcome_free(outcome *out) {
  for (int i = 0; i < KOHL_ARGS_OUT; i++) guarded_free(&out->out[i]);
}

/* Compares every output of `got` with `other` bit for bit. */
static void same_bits(const case_instance *instance, const outcome *got, const outcome *other, int check,
                      case_verdict *verdict) {
  difference where;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &instance->layout.out[i];
    if (tensor->name && !compare_bits(tensor, got->out[i].data, other->out[i].data, &where)) {
      fail(verdict, check, &where);
    }
  }
}

static void against_truth(const case_instance *instance, const outcome *got, case_verdict *verdict) {
  difference where;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    const case_tensor *tensor = &instance->layout.out[i];
    const void *data = got->out[i].data;
    const case_value *truth = instance->truth[i];
    if (!tensor->name) continue;
    const bool winograd = instance->layout.accuracy == KOHL_ACCURACY_WINOGRAD;
    if (instance->fill == CASE_SPECIAL) {
      bool right = winograd ? compare_spread(tensor, data, truth, &where) : compare_class(tensor, data, truth, &where);
      if (!right) fail(verdict, CHECK_special, &where);
    } else if (instance->fill == CASE_INTEGERS && instance->layout.integer && instance->layout.tile != 4) {
      if (!compare_exact(tensor, data, truth, &where)) fail(verdict, CHECK_exact, &where);
    } else {
      if (!compare_bound(tensor, data, truth, &where)) fail(verdict, CHECK_bound, &where);
      if (!compare_rms(tensor, data, truth, &where)) fail(verdict, CHECK_rms, &where);
    }
  }
}

/* Every output over every input that it may be, one at a time. */
static void in_place(case_instance *instance, const kohl_kernel *kernel, kohl_threads *threads, const outcome *apart,
                     case_verdict *verdict) {
  const case_layout *layout = &instance->layout;
  for (int i = 0; i < KOHL_ARGS_OUT; i++) {
    for (int in = 0; in < KOHL_ARGS_IN; in++) {
      if (!(layout->may_be[i] >> in & 1) || layout->in[in].stride != layout->out[i].stride) continue;
      outcome got;
      run(instance, kernel, threads, false, in, i, &got, verdict);
      same_bits(instance, &got, apart, CHECK_in_place, verdict);
      outcome_free(&got);
    }
  }
}

void instance_judge(case_instance *instance, const kohl_kernel *kernel, const outcome *ref,
                    kohl_threads *const pools[3], case_verdict *verdict) {
  outcome first, second;
  verdict->failed = 0;
  instance_truth(instance, kernel->accuracy, instance_tile(kernel));
  instance_run(instance, kernel, pools[0], false, &first, verdict);
  if (instance->refusal[0]) {
    outcome_free(&first);
    return;
  }
  against_truth(instance, &first, verdict);
  if (ref && (kernel->accuracy == KOHL_ACCURACY_CHAIN || kernel->accuracy == KOHL_ACCURACY_WINOGRAD)) {
    same_bits(instance, &first, ref, instance->fill == CASE_SPECIAL ? CHECK_special : CHECK_chain, verdict);
  }
  /* with floats alone: waking a pool costs more than most of these problems */
  for (int i = 1; i < (kernel->cuda ? 2 : 3) && instance->fill == CASE_FLOATS; i++) {
    instance_run(instance, kernel, pools[i], i == 1, &second, verdict);
    same_bits(instance, &second, &first, CHECK_threads, verdict);
    outcome_free(&second);
  }
  if (instance->fill == CASE_FLOATS) in_place(instance, kernel, pools[1], &first, verdict);
  outcome_free(&first);
}
