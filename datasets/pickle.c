/* The stack machine of pickles, cut down to data. */
#include "datasets/pickle.h"

#include <string.h>

#include "kernels/core/alloc.h"

/* The globals; the number is the answer to `which`. */
enum { NDARRAY, RECONSTRUCT, FROM_BUFFER, DTYPE, ENCODE, BYTES };
static const struct {
  const char *module, *name;
  int which;
} globals[] = {
    {"numpy", "ndarray", NDARRAY},
    {"numpy.core.multiarray", "_reconstruct", RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", RECONSTRUCT},
    {"numpy.core.numeric", "_frombuffer", FROM_BUFFER},
    {"numpy._core.numeric", "_frombuffer", FROM_BUFFER},
    {"numpy", "dtype", DTYPE},
    {"_codecs", "encode", ENCODE},
    {"__builtin__", "bytes", BYTES},
    {"builtins", "bytes", BYTES},
};

/* A pickle being read: everything below ends with a status. */
typedef struct {
  kohl_context *ctx;
  kohl_pickle *p;
  size_t op_at;
  unsigned op;
} machine;

static kohl_status fail(const machine *m, const char *why) {
  return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: byte %zu: opcode 0x%02x: %s", m->p->name, m->op_at, m->op, why);
}

/* *out = the next n bytes (1 to 8) as a little-endian number. */
static kohl_status take_number(machine *m, size_t n, uint64_t *out) {
  kohl_pickle *p = m->p;
  if (n > p->length - p->at) return fail(m, "the file ends inside it");
  *out = 0;
  for (size_t i = 0; i < n; i++) *out |= (uint64_t)p->bytes[p->at + i] << 8 * i;
  p->at += n;
  return KOHL_OK;
}

static kohl_status push(machine *m, kohl_pickle_value value) {
  kohl_pickle *p = m->p;
  if (p->depth == KOHL_PICKLE_VALUES) return fail(m, "more than 262144 values on the stack");
  kohl_status status = kohl_grow(m->ctx, &p->stack, &p->stack_capacity, p->depth + 1, sizeof *p->stack, p->name);
  if (status == KOHL_OK) p->stack[p->depth++] = value;
  return status;
}

static kohl_status push_number(machine *m, uint32_t kind, int64_t number) {
  return push(m, (kohl_pickle_value){.kind = kind, .number = number});
}

static kohl_status push_object(machine *m, uint32_t kind) {
  kohl_pickle *p = m->p;
  if (p->objects == KOHL_PICKLE_OBJECTS) return fail(m, "more than 65536 tuples, lists and dicts");
  kohl_status status = kohl_grow(m->ctx, &p->object, &p->object_capacity, p->objects + 1, sizeof *p->object, p->name);
  if (status != KOHL_OK) return status;
  return push(m, (kohl_pickle_value){.kind = kind, .object = (uint32_t)p->objects++});
}

/* Pops a value that must not be a mark. */
static kohl_status pop(machine *m, kohl_pickle_value *out) {
  kohl_pickle *p = m->p;
  if (p->depth == 0 || p->stack[p->depth - 1].kind == KOHL_PICKLE_MARK) return fail(m, "the stack is empty");
  *out = p->stack[--p->depth];
  return KOHL_OK;
}

static kohl_status add_items(machine *m, uint32_t object, const kohl_pickle_value *values, size_t count) {
  kohl_pickle *p = m->p;
  kohl_pickle_object *o = &p->object[object];
  if (count > KOHL_PICKLE_VALUES - p->items) return fail(m, "more than 262144 items");
  kohl_status status = kohl_grow(m->ctx, &o->item, &o->capacity, o->count + count, sizeof *o->item, p->name);
  if (status != KOHL_OK) return status;
  if (count) memcpy(o->item + o->count, values, count * sizeof *values);
  o->count += count;
  p->items += count;
  return KOHL_OK;
}

/* *first = the position behind the last mark. */
static kohl_status find_mark(const machine *m, size_t *first) {
  for (*first = m->p->depth; *first > 0; (*first)--) {
    if (m->p->stack[*first - 1].kind == KOHL_PICKLE_MARK) return KOHL_OK;
  }
  return fail(m, "no mark on the stack");
}

/* The n values on top of the stack become a tuple; n < 0: those behind the mark, which goes too. */
static kohl_status make_tuple(machine *m, int n) {
  kohl_pickle *p = m->p;
  size_t first, count;
  kohl_status status = KOHL_OK;
  if (n < 0) {
    status = find_mark(m, &first);
  } else {
    first = p->depth < (size_t)n ? 0 : p->depth - (size_t)n;
    for (size_t i = first; i < p->depth; i++) {
      if (p->stack[i].kind == KOHL_PICKLE_MARK) return fail(m, "the stack is empty");
    }
    if (p->depth < (size_t)n) return fail(m, "the stack is empty");
  }
  if (status != KOHL_OK) return status;
  count = p->depth - first;
  status = push_object(m, KOHL_PICKLE_TUPLE);
  if (status != KOHL_OK) return status;
  kohl_pickle_value tuple = p->stack[--p->depth];
  status = add_items(m, tuple.object, p->stack + first, count);
  p->depth = first - (n < 0);
  return status == KOHL_OK ? push(m, tuple) : status;
}

/* What lies behind the mark, or the one or two values on top, goes into the list or dict below. */
static kohl_status append(machine *m, uint32_t kind, bool marked) {
  kohl_pickle *p = m->p;
  size_t each = kind == KOHL_PICKLE_DICT ? 2 : 1, first = p->depth < each ? 0 : p->depth - each;
  if (marked) {
    kohl_status status = find_mark(m, &first);
    if (status != KOHL_OK) return status;
  }
  size_t below = first - (marked && first), count = p->depth - first;
  if (below == 0 || p->stack[below - 1].kind != kind || count % each || (!marked && count < each)) {
    return fail(m, kind == KOHL_PICKLE_DICT ? "expected a dict and pairs" : "expected a list and values");
  }
  for (size_t i = first; i < p->depth; i++) {
    if (p->stack[i].kind == KOHL_PICKLE_MARK) return fail(m, "a mark among the values");
  }
  kohl_status status = add_items(m, p->stack[below - 1].object, p->stack + first, count);
  p->depth = below;
  return status;
}

static bool is_text(const machine *m, const kohl_pickle_value *v, const char *text) {
  size_t n = strlen(text);
  return (v->kind == KOHL_PICKLE_TEXT || v->kind == KOHL_PICKLE_BYTES) && v->length == n &&
         memcmp(m->p->bytes + v->at, text, n) == 0;
}

static kohl_status push_global(machine *m, const kohl_pickle_value *module, const kohl_pickle_value *name) {
  for (size_t i = 0; i < sizeof globals / sizeof *globals; i++) {
    if (is_text(m, module, globals[i].module) && is_text(m, name, globals[i].name)) {
      return push_number(m, KOHL_PICKLE_GLOBAL, globals[i].which);
    }
  }
  char shown[2][48];
  const kohl_pickle_value *const parts[2] = {module, name};
  for (int i = 0; i < 2; i++) {
    bool text = parts[i]->kind == KOHL_PICKLE_TEXT || parts[i]->kind == KOHL_PICKLE_BYTES;
    size_t n = text ? parts[i]->length < 47 ? parts[i]->length : 47 : 0;
    for (size_t j = 0; j < n; j++) {
      uint8_t c = m->p->bytes[parts[i]->at + j];
      shown[i][j] = c < ' ' || c > '~' ? '?' : (char)c;
    }
    shown[i][n] = 0;
  }
  return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: byte %zu: global '%s.%s', expected numpy's array or dtype", m->p->name,
                   m->op_at, shown[0], shown[1]);
}

/* One line of text as a value; the line end is taken. */
static kohl_status take_line(machine *m, kohl_pickle_value *out) {
  kohl_pickle *p = m->p;
  const uint8_t *end = memchr(p->bytes + p->at, '\n', p->length - p->at);
  if (!end) return fail(m, "the file ends inside it");
  *out = (kohl_pickle_value){.kind = KOHL_PICKLE_TEXT, .at = p->at, .length = (size_t)(end - p->bytes) - p->at};
  p->at += out->length + 1;
  return KOHL_OK;
}

static const kohl_pickle_value *item(const machine *m, const kohl_pickle_value *tuple, size_t i) {
  return &m->p->object[tuple->object].item[i];
}

/* An array of shape and data becomes the value on top of the stack. */
static kohl_status push_array(machine *m, const kohl_pickle_value *shape, const kohl_pickle_value *data) {
  kohl_pickle_value parts[2] = {*shape, *data}; /* copied: the items may move */
  kohl_status status = push_object(m, KOHL_PICKLE_ARRAY);
  return status == KOHL_OK ? add_items(m, m->p->stack[m->p->depth - 1].object, parts, 2) : status;
}

static bool is_data(const kohl_pickle_value *v) { return v->kind == KOHL_PICKLE_BYTES || v->kind == KOHL_PICKLE_LATIN; }

/* What a call of one of the globals would give. */
static kohl_status reduce(machine *m) {
  kohl_pickle_value arguments, function;
  kohl_status status = pop(m, &arguments);
  if (status == KOHL_OK) status = pop(m, &function);
  if (status != KOHL_OK) return status;
  if (function.kind != KOHL_PICKLE_GLOBAL || arguments.kind != KOHL_PICKLE_TUPLE) {
    return fail(m, "expected a global and a tuple");
  }
  size_t n = m->p->object[arguments.object].count;
  if (function.number == RECONSTRUCT && n == 3) return push_object(m, KOHL_PICKLE_ARRAY);
  if (function.number == BYTES && n == 0) return push(m, (kohl_pickle_value){.kind = KOHL_PICKLE_BYTES});
  if (function.number == DTYPE && n >= 1) {
    if (is_text(m, item(m, &arguments, 0), "u1") || is_text(m, item(m, &arguments, 0), "|u1")) {
      return push_number(m, KOHL_PICKLE_DTYPE, 0);
    }
    return fail(m, "an array of another type, expected uint8");
  }
  if (function.number == ENCODE && n == 2 && item(m, &arguments, 0)->kind == KOHL_PICKLE_TEXT &&
      (is_text(m, item(m, &arguments, 1), "latin1") || is_text(m, item(m, &arguments, 1), "latin-1"))) {
    kohl_pickle_value text = *item(m, &arguments, 0);
    text.kind = KOHL_PICKLE_LATIN;
    return push(m, text);
  }
  if (function.number == FROM_BUFFER && n == 4 && is_data(item(m, &arguments, 0)) &&
      item(m, &arguments, 1)->kind == KOHL_PICKLE_DTYPE && item(m, &arguments, 2)->kind == KOHL_PICKLE_TUPLE) {
    if (!is_text(m, item(m, &arguments, 3), "C")) return fail(m, "an array stored by columns, expected rows");
    return push_array(m, item(m, &arguments, 2), item(m, &arguments, 0));
  }
  return fail(m, "not the arguments that numpy writes");
}

/* The state of an array: (version, shape, dtype, by columns, data); that of a dtype is of no interest. */
static kohl_status build(machine *m) {
  kohl_pickle_value state;
  kohl_status status = pop(m, &state);
  if (status != KOHL_OK) return status;
  kohl_pickle *p = m->p;
  const kohl_pickle_value *of = p->depth ? &p->stack[p->depth - 1] : NULL;
  if (of && of->kind == KOHL_PICKLE_DTYPE) return KOHL_OK;
  if (!of || of->kind != KOHL_PICKLE_ARRAY || state.kind != KOHL_PICKLE_TUPLE || p->object[state.object].count != 5) {
    return fail(m, "expected an array and its state");
  }
  if (p->object[of->object].count) return fail(m, "the array is filled already");
  const kohl_pickle_value *shape = item(m, &state, 1), *columns = item(m, &state, 3), *data = item(m, &state, 4);
  if (shape->kind != KOHL_PICKLE_TUPLE || item(m, &state, 2)->kind != KOHL_PICKLE_DTYPE || !is_data(data)) {
    return fail(m, "not the state that numpy writes for an array of uint8");
  }
  if (columns->kind != KOHL_PICKLE_INT || columns->number) return fail(m, "an array stored by columns, expected rows");
  kohl_pickle_value parts[2] = {*shape, *data};
  return add_items(m, of->object, parts, 2);
}

static kohl_status put(machine *m, uint64_t index) {
  kohl_pickle *p = m->p;
  if (p->depth == 0 || p->stack[p->depth - 1].kind == KOHL_PICKLE_MARK) return fail(m, "the stack is empty");
  if (index >= KOHL_PICKLE_VALUES) return fail(m, "more than 262144 remembered values");
  kohl_status status = kohl_grow(m->ctx, &p->memo, &p->memo_capacity, index + 1, sizeof *p->memo, p->name);
  if (status != KOHL_OK) return status;
  p->memo[index] = p->stack[p->depth - 1];
  if (index >= p->memo_count) p->memo_count = index + 1;
  return KOHL_OK;
}

static kohl_status get(machine *m, uint64_t index) {
  if (index >= m->p->memo_count) return fail(m, "a value that was never remembered");
  return push(m, m->p->memo[index]);
}

/* A text or bytes behind its length. */
static kohl_status push_data(machine *m, uint32_t kind, size_t length_bytes) {
  uint64_t length;
  kohl_pickle *p = m->p;
  kohl_status status = take_number(m, length_bytes, &length);
  if (status != KOHL_OK) return status;
  if (length > p->length - p->at) return fail(m, "the file ends inside it");
  kohl_pickle_value value = {.kind = kind, .at = p->at, .length = length};
  p->at += length;
  return push(m, value);
}

static kohl_status run_number(machine *m) {
  uint64_t value = 0, bytes = 0;
  kohl_status status = KOHL_OK;
  switch (m->op) {
    case 'J': status = take_number(m, 4, &value); break;
    case 'K': status = take_number(m, 1, &value); break;
    case 'M': status = take_number(m, 2, &value); break;
    case 'G':
      status = take_number(m, 8, &value);
      return status == KOHL_OK ? push_number(m, KOHL_PICKLE_NONE, 0) : status;
    default: /* LONG1 */
      status = take_number(m, 1, &bytes);
      if (status == KOHL_OK && bytes > 8) return fail(m, "a number of more than 8 bytes");
      if (status == KOHL_OK && bytes) status = take_number(m, bytes, &value);
      if (bytes && bytes < 8 && value >> (8 * bytes - 1)) value |= ~UINT64_C(0) << 8 * bytes;
      break;
  }
  if (m->op == 'J') value = (uint64_t)(int64_t)(int32_t)(uint32_t)value;
  return status == KOHL_OK ? push_number(m, KOHL_PICKLE_INT, (int64_t)value) : status;
}

static kohl_status run_global(machine *m) {
  kohl_pickle_value module, name;
  kohl_status status = m->op == 'c' ? take_line(m, &module) : pop(m, &name);
  if (status == KOHL_OK) status = m->op == 'c' ? take_line(m, &name) : pop(m, &module);
  return status == KOHL_OK ? push_global(m, &module, &name) : status;
}

static kohl_status run_memo(machine *m) {
  uint64_t index;
  kohl_status status = take_number(m, m->op == 'q' || m->op == 'h' ? 1 : 4, &index);
  if (status != KOHL_OK) return status;
  return m->op == 'q' || m->op == 'r' ? put(m, index) : get(m, index);
}

static kohl_status step(machine *m) {
  uint64_t ignored;
  switch (m->op) {
    case 0x80: return take_number(m, 1, &ignored); /* protocol: its opcodes say more */
    case 0x95: return take_number(m, 8, &ignored); /* frame: a hint for reading ahead */
    case '(': return push_number(m, KOHL_PICKLE_MARK, 0);
    case 'N': return push_number(m, KOHL_PICKLE_NONE, 0);
    case 0x88: return push_number(m, KOHL_PICKLE_INT, 1);
    case 0x89: return push_number(m, KOHL_PICKLE_INT, 0);
    case 'J':
    case 'K':
    case 'M':
    case 'G':
    case 0x8a: return run_number(m);
    case 'U':
    case 'C': return push_data(m, KOHL_PICKLE_BYTES, 1);
    case 'T':
    case 'B': return push_data(m, KOHL_PICKLE_BYTES, 4);
    case 0x8e:
    case 0x96: return push_data(m, KOHL_PICKLE_BYTES, 8);
    case 0x8c: return push_data(m, KOHL_PICKLE_TEXT, 1);
    case 'X': return push_data(m, KOHL_PICKLE_TEXT, 4);
    case 0x8d: return push_data(m, KOHL_PICKLE_TEXT, 8);
    case 'c':
    case 0x93: return run_global(m);
    case '}': return push_object(m, KOHL_PICKLE_DICT);
    case ']': return push_object(m, KOHL_PICKLE_LIST);
    case ')': return make_tuple(m, 0);
    case 't': return make_tuple(m, -1);
    case 0x85:
    case 0x86:
    case 0x87: return make_tuple(m, (int)m->op - 0x84);
    case 'a':
    case 'e': return append(m, KOHL_PICKLE_LIST, m->op == 'e');
    case 's':
    case 'u': return append(m, KOHL_PICKLE_DICT, m->op == 'u');
    case 'q':
    case 'r':
    case 'h':
    case 'j': return run_memo(m);
    case 0x94: return put(m, m->p->memo_count);
    case 'R': return reduce(m);
    case 'b': return build(m);
    default: return fail(m, "not one that plain data and numpy arrays need");
  }
}

kohl_status kohl_pickle_read(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                             kohl_pickle *pickle, kohl_pickle_value *root) {
  memset(pickle, 0, sizeof *pickle);
  pickle->name = name;
  pickle->bytes = bytes;
  pickle->length = length;
  machine m = {ctx, pickle, 0, 0};
  if (length < 2 || bytes[0] != 0x80 || bytes[1] < 2 || bytes[1] > 5) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: not a Python pickle of protocol 2 to 5", name);
  }
  for (;;) {
    if (pickle->at == length) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the pickle does not end", name);
    m.op_at = pickle->at;
    m.op = bytes[pickle->at++];
    if (m.op == '.') break;
    kohl_status status = step(&m);
    if (status != KOHL_OK) return status;
  }
  if (pickle->depth != 1) return fail(&m, "expected one value at the end");
  return pop(&m, root);
}

void kohl_pickle_close(kohl_context *ctx, kohl_pickle *pickle) {
  for (size_t i = 0; i < pickle->objects; i++) kohl_free(ctx, pickle->object[i].item);
  kohl_free(ctx, pickle->object);
  kohl_free(ctx, pickle->stack);
  kohl_free(ctx, pickle->memo);
  memset(pickle, 0, sizeof *pickle);
}
