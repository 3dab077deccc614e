/* Problems as text, random numbers, and filling of tensors.  Knows no op. */
#include "tests/kernelcheck/case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CASES(name) extern const case_op case_##name;
#include "tests/kernelcheck/cases.def"
#undef CASES

const case_op *case_op_find(const char *name) {
  static const case_op *const ops[] = {
#define CASES(name) &case_##name,
#include "tests/kernelcheck/cases.def"
#undef CASES
  };
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
    if (!strcmp(ops[i]->name, name)) return ops[i];
  }
  return NULL;
}

bool case_parse(const case_op *op, const char *text, case_problem *problem, const char **why) {
  memset(problem, 0, sizeof *problem);
  problem->op = op;
  for (int i = 0; op->fields[i].key; i++) problem->v[i] = op->fields[i].fallback;
  for (const char *at = text + strspn(text, " \t"); *at;) {
    size_t key = strcspn(at, "= \t"), word = strcspn(at, " \t");
    int field = 0;
    *why = at;
    while (op->fields[field].key &&
           (strlen(op->fields[field].key) != key || strncmp(op->fields[field].key, at, key) != 0)) {
      field++;
    }
    if (!op->fields[field].key || at[key] != '=') return false;
    char *end;
    double value = strtod(at + key + 1, &end);
    if (end != at + word || end == at + key + 1) return false;
    if (!(value >= op->fields[field].low && value <= op->fields[field].high)) return false;
    problem->v[field] = value;
    at += word;
    at += strspn(at, " \t");
  }
  *why = "";
  return true;
}

void case_print(const case_problem *problem, char text[CASE_TEXT]) {
  size_t used = 0;
  text[0] = 0;
  for (int i = 0; problem->op->fields[i].key && used < CASE_TEXT; i++) {
    const case_field *field = &problem->op->fields[i];
    if (problem->v[i] == field->fallback) continue;
    int n = snprintf(text + used, CASE_TEXT - used, "%s%s=%.9g", used ? " " : "", field->key, problem->v[i]);
    used += (size_t)n;
  }
}

uint64_t case_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

int case_between(uint64_t *state, int low, int high) {
  return low + (int)(case_random(state) % (uint64_t)(high - low + 1));
}

int case_pick(uint64_t *state, const int *list, size_t count) { return list[case_random(state) % count]; }

uint64_t case_seed(uint64_t seed, const char *text, uint64_t index) {
  uint64_t state = seed * UINT64_C(0x100000001b3) + index;
  for (; *text; text++) {
    state ^= (unsigned char)*text;
    state = case_random(&state);
  }
  return state;
}

case_tensor case_tensor_make(const char *name, size_t rows, int channels, int stride) {
  case_tensor tensor = {name,  rows, channels,   stride ? stride : channels, CASE_F32, CASE_SIGNED, 0, false, false,
                        false, 1,    {0, 0, {0}}};
  return tensor;
}

void case_tensor_give(case_tensor *tensor, size_t element, const void *data, size_t bytes) {
  tensor->given.element = element;
  tensor->given.bytes = bytes;
  memcpy(tensor->given.data, data, bytes);
}

size_t case_type_size(case_type type) { return type == CASE_U8 ? 1 : type == CASE_U64 ? 8 : 4; }

size_t case_tensor_extent(const case_tensor *tensor) {
  return tensor->rows ? (tensor->rows - 1) * (size_t)tensor->stride + (size_t)tensor->channels : 0;
}

const char *case_fill_name(case_fill fill) {
  static const char *const names[] = {"integers", "floats", "special values"};
  return names[fill];
}

/* One float.  Floats have all 24 bits of significand in use, so that roundings happen. */
static float draw_float(const case_tensor *tensor, case_fill fill, int integer, uint64_t *random) {
  static const float special[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-40f, 1e-38f};
  if (fill == CASE_INTEGERS) {
    return (float)(tensor->step * case_between(random, tensor->values == CASE_POSITIVE ? 1 : -integer, integer));
  }
  uint64_t bits = case_random(random);
  if (fill == CASE_SPECIAL && bits % 61 == 0) return special[bits / 61 % 6];
  float unit = (float)(int32_t)(bits >> 40) * 0x1p-24f - 0.5f; /* steps of 2^-24 */
  /* odd multiples of 2^-24: none is 0, and what sums of them lose in rounding is on neither side */
  return tensor->values == CASE_POSITIVE ? 0.625f + 0.75f * unit : 2.0f * unit + 0x1p-24f;
}

/* Number `place` of a matrix: coefficients of 1 and 0 with up to 1/4 more or less, or -1, 0, 1; offsets to 16. */
static uint64_t draw_matrix(size_t place, case_fill fill, uint64_t *random) {
  bool offset = place % 3 == 2, whole = fill == CASE_INTEGERS;
  if (fill == CASE_SPECIAL) return case_random(random) >> case_between(random, 0, 63);
  if (whole) return (uint64_t)(offset ? case_between(random, -16, 16) : case_between(random, -1, 1)) << 32;
  uint64_t rest = (uint64_t)case_between(random, -(1 << 29), 1 << 29) * 2;
  return offset ? rest * 64 : (place % 4 ? 0 : UINT64_C(1) << 32) + rest;
}

void case_tensor_fill(const case_tensor *tensor, void *data, case_fill fill, int integer, uint64_t *random) {
  size_t extent = case_tensor_extent(tensor), size = case_type_size(tensor->type);
  const float nan = NAN;
  for (size_t i = 0; i < extent; i++) {
    unsigned char *at = (unsigned char *)data + i * size;
    bool hole = tensor->holes && i / (size_t)tensor->stride % 3 == 0;
    bool gap = i % (size_t)tensor->stride >= (size_t)tensor->channels;
    if (tensor->type == CASE_U8) {
      *at = gap ? 0xA5 : (unsigned char)(case_random(random) >> 56);
    } else if (tensor->type == CASE_U64) {
      bool matrix = tensor->values == CASE_MATRICES;
      uint64_t value = matrix ? draw_matrix(i % 6, fill, random) : case_random(random) >> case_between(random, 0, 63);
      memcpy(at, &value, sizeof value);
    } else if (tensor->values == CASE_LABELS) {
      int32_t label = gap ? 0 : hole ? -1 : case_between(random, 0, tensor->labels - 1);
      memcpy(at, &label, sizeof label);
    } else {
      float value = gap ? nan : hole ? 0.0f : draw_float(tensor, fill, integer, random);
      memcpy(at, &value, sizeof value);
    }
  }
  if (tensor->given.bytes)
    memcpy((unsigned char *)data + tensor->given.element * size, tensor->given.data, tensor->given.bytes);
}
