/* The stack machine; see pickle.h.  Globals are in globals.c, look-ups in the result in values.c. */
#include "convert/torch/pickle.h"

#include <string.h>

#include "convert/torch/globals.h"

/* A pickle being read. */
typedef struct {
  kohl_context *ctx;
  const char *what;
  const uint8_t *bytes;
  size_t length, at, op_at;
  unsigned op;
  kohl_torch_pickle *p;
  kohl_torch_value *stack, *memo;
  size_t depth, stack_capacity, memo_count, memo_capacity;
} machine;

static kohl_status fail(const machine *m, const char *why) {
  return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: byte %zu: opcode 0x%02x: %s", m->what, m->op_at, m->op, why);
}

/* *out = the next n bytes (0 to 8) as a little-endian number. */
static kohl_status take_number(machine *m, size_t n, uint64_t *out) {
  if (n > m->length - m->at) return fail(m, "the pickle ends inside it");
  *out = 0;
  for (size_t i = 0; i < n; i++) *out |= (uint64_t)m->bytes[m->at + i] << 8 * i;
  m->at += n;
  return KOHL_OK;
}

static kohl_status push(machine *m, kohl_torch_value value) {
  if (m->depth == KOHL_TORCH_STACK) return fail(m, "more than 262144 values on the stack");
  kohl_status status = kohl_grow(m->ctx, &m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack, m->what);
  if (status == KOHL_OK) m->stack[m->depth++] = value;
  return status;
}

static kohl_status push_number(machine *m, kohl_torch_kind kind, int64_t number) {
  return push(m, (kohl_torch_value){.kind = (uint8_t)kind, .number = number});
}

/* *out = an object without items. */
static kohl_status make(machine *m, kohl_torch_kind kind, kohl_torch_value *out) {
  kohl_torch_pickle *p = m->p;
  if (p->object_count == KOHL_TORCH_OBJECTS) return fail(m, "more than 524288 tuples, lists and dicts");
  kohl_status status =
      kohl_grow(m->ctx, &p->objects, &p->object_capacity, p->object_count + 1, sizeof *p->objects, m->what);
  if (status == KOHL_OK) *out = (kohl_torch_value){.kind = (uint8_t)kind, .object = p->object_count++};
  return status;
}

static kohl_status push_empty(machine *m, kohl_torch_kind kind) {
  kohl_torch_value value = {0};
  kohl_status status = make(m, kind, &value);
  return status == KOHL_OK ? push(m, value) : status;
}

static kohl_status pop(machine *m, kohl_torch_value *out) {
  if (m->depth == 0 || m->stack[m->depth - 1].kind == KOHL_TORCH_MARK) return fail(m, "the stack is empty");
  *out = m->stack[--m->depth];
  return KOHL_OK;
}

/* One more run of items of an object.  values may not be items themselves, which can move. */
static kohl_status add_items(machine *m, size_t object, const kohl_torch_value *values, size_t count) {
  kohl_torch_pickle *p = m->p;
  if (count == 0) return KOHL_OK; /* a run is never empty */
  if (count > KOHL_TORCH_ITEMS - p->item_count) return fail(m, "more than 1048576 items");
  if (p->run_count == KOHL_TORCH_OBJECTS) return fail(m, "more than 524288 additions to lists and dicts");
  kohl_status status =
      kohl_grow(m->ctx, &p->items, &p->item_capacity, p->item_count + count, sizeof *p->items, m->what);
  if (status == KOHL_OK)
    status = kohl_grow(m->ctx, &p->runs, &p->run_capacity, p->run_count + 1, sizeof *p->runs, m->what);
  if (status != KOHL_OK) return status;
  memcpy(p->items + p->item_count, values, count * sizeof *values);
  p->runs[p->run_count] = (kohl_torch_run){.first = (uint32_t)p->item_count, .count = (uint32_t)count};
  p->item_count += count;
  p->run_count++;
  kohl_torch_object *o = &p->objects[object];
  if (o->last)
    p->runs[o->last - 1].next = (uint32_t)p->run_count;
  else
    o->run = (uint32_t)p->run_count;
  o->last = (uint32_t)p->run_count;
  o->count += (uint32_t)count;
  return KOHL_OK;
}

/* *first = the position behind the last mark. */
static kohl_status find_mark(const machine *m, size_t *first) {
  for (*first = m->depth; *first > 0; (*first)--) {
    if (m->stack[*first - 1].kind == KOHL_TORCH_MARK) return KOHL_OK;
  }
  return fail(m, "no mark on the stack");
}

/* *first = where the n values on top of the stack begin. */
static kohl_status find_top(const machine *m, size_t n, size_t *first) {
  if (m->depth < n) return fail(m, "the stack is empty");
  *first = m->depth - n;
  for (size_t i = *first; i < m->depth; i++) {
    if (m->stack[i].kind == KOHL_TORCH_MARK) return fail(m, "the stack is empty");
  }
  return KOHL_OK;
}

/* The n values on top of the stack become a tuple; with marked those behind the mark, which goes too. */
static kohl_status make_tuple(machine *m, size_t n, bool marked) {
  size_t first = 0;
  kohl_torch_value tuple = {0};
  kohl_status status = marked ? find_mark(m, &first) : find_top(m, n, &first);
  if (status == KOHL_OK) status = make(m, KOHL_TORCH_TUPLE, &tuple);
  if (status == KOHL_OK && first < m->depth) status = add_items(m, tuple.object, m->stack + first, m->depth - first);
  if (status != KOHL_OK) return status;
  m->depth = first - marked;
  return push(m, tuple);
}

/* What lies behind the mark, or the one or two values on top, goes into the list or dict below. */
static kohl_status append(machine *m, kohl_torch_kind kind, bool marked) {
  size_t each = kind == KOHL_TORCH_DICT ? 2 : 1, first = 0;
  kohl_status status = marked ? find_mark(m, &first) : find_top(m, each, &first);
  if (status != KOHL_OK) return status;
  size_t below = first - marked, count = m->depth - first;
  if (below == 0 || m->stack[below - 1].kind != kind || count % each)
    return fail(m, kind == KOHL_TORCH_DICT ? "expected a dict and pairs" : "expected a list and values");
  status = add_items(m, m->stack[below - 1].object, m->stack + first, count);
  m->depth = below;
  return status;
}

/* An OrderedDict of the pairs of a list, as Python 2 wrote it. */
static kohl_status push_pairs(machine *m, const kohl_torch_value *list) {
  kohl_torch_value dict = {0}, pair[2];
  const kohl_torch_value *item;
  kohl_torch_walk walk = {0};
  kohl_status status = make(m, KOHL_TORCH_DICT, &dict);
  while (status == KOHL_OK && (item = kohl_torch_next(m->p, list, &walk)) != NULL) {
    kohl_torch_walk inner = {0};
    if ((item->kind != KOHL_TORCH_LIST && item->kind != KOHL_TORCH_TUPLE) || kohl_torch_count(m->p, item) != 2)
      return fail(m, "an OrderedDict of something else than pairs");
    for (int i = 0; i < 2; i++) pair[i] = *kohl_torch_next(m->p, item, &inner);
    status = add_items(m, dict.object, pair, 2);
  }
  return status == KOHL_OK ? push(m, dict) : status;
}

/* What a call of a global would give.  NEWOBJ and REDUCE differ in nothing that matters here. */
static kohl_status reduce(machine *m) {
  kohl_torch_value arguments, function;
  kohl_status status = pop(m, &arguments);
  if (status == KOHL_OK) status = pop(m, &function);
  if (status != KOHL_OK) return status;
  if (function.kind != KOHL_TORCH_GLOBAL || arguments.kind != KOHL_TORCH_TUPLE ||
      function.number == KOHL_TORCH_STORAGE_TYPE)
    return fail(m, "expected a function and a tuple of its arguments");
  size_t count = kohl_torch_count(m->p, &arguments);
  const kohl_torch_value *first = kohl_torch_items(m->p, &arguments);
  if (function.number == KOHL_TORCH_ORDERED_DICT) {
    if (count == 0) return push_empty(m, KOHL_TORCH_DICT);
    kohl_torch_value list = *first;
    if (count != 1 || list.kind != KOHL_TORCH_LIST) return fail(m, "an OrderedDict of something else than pairs");
    return push_pairs(m, &list);
  }
  if (function.number == KOHL_TORCH_SIZE) {
    if (count != 1 || first->kind != KOHL_TORCH_TUPLE) return fail(m, "a torch.Size of something else than a tuple");
    return push(m, *first);
  }
  arguments.kind = KOHL_TORCH_CALL;
  arguments.detail = (uint8_t)function.number;
  return push(m, arguments);
}

/* The state of an OrderedDict (its _metadata) or of a Parameter is of no interest. */
static kohl_status build(machine *m) {
  kohl_torch_value state;
  kohl_status status = pop(m, &state);
  if (status != KOHL_OK) return status;
  const kohl_torch_value *of = m->depth ? &m->stack[m->depth - 1] : NULL;
  if (!of || (of->kind != KOHL_TORCH_DICT && (of->kind != KOHL_TORCH_CALL || of->detail != KOHL_TORCH_PARAMETER)))
    return fail(m, "expected an OrderedDict or a Parameter, and its state");
  return KOHL_OK;
}

static kohl_status persistent(machine *m) {
  kohl_torch_value id;
  kohl_status status = pop(m, &id);
  if (status != KOHL_OK) return status;
  if (id.kind != KOHL_TORCH_TUPLE) return fail(m, "expected a tuple as a persistent id");
  id.kind = KOHL_TORCH_STORAGE;
  return push(m, id);
}

static kohl_status put(machine *m, uint64_t index) {
  if (m->depth == 0 || m->stack[m->depth - 1].kind == KOHL_TORCH_MARK) return fail(m, "the stack is empty");
  if (index >= KOHL_TORCH_MEMO) return fail(m, "more than 524288 remembered values");
  kohl_status status = kohl_grow(m->ctx, &m->memo, &m->memo_capacity, index + 1, sizeof *m->memo, m->what);
  if (status != KOHL_OK) return status;
  for (; m->memo_count <= index; m->memo_count++) m->memo[m->memo_count].kind = KOHL_TORCH_MARK; /* none yet */
  m->memo[index] = m->stack[m->depth - 1];
  return KOHL_OK;
}

static kohl_status run_memo(machine *m) {
  uint64_t index;
  kohl_status status = take_number(m, m->op == 'q' || m->op == 'h' ? 1 : 4, &index);
  if (status != KOHL_OK) return status;
  if (m->op == 'q' || m->op == 'r') return put(m, index);
  if (index >= m->memo_count || m->memo[index].kind == KOHL_TORCH_MARK)
    return fail(m, "a value that was never remembered");
  return push(m, m->memo[index]);
}

/* A text behind its length. */
static kohl_status push_text(machine *m, size_t length_bytes) {
  uint64_t length;
  kohl_status status = take_number(m, length_bytes, &length);
  if (status != KOHL_OK) return status;
  if (length > m->length - m->at) return fail(m, "the pickle ends inside it");
  const uint8_t *text = m->bytes + m->at;
  m->at += length;
  return push(m, (kohl_torch_value){.kind = KOHL_TORCH_TEXT, .length = (uint32_t)length, .text = text});
}

static kohl_status run_number(machine *m) {
  uint64_t value = 0, bytes = 0;
  kohl_status status = KOHL_OK;
  switch (m->op) {
    case 'J': status = take_number(m, 4, &value); break;
    case 'K': status = take_number(m, 1, &value); break;
    case 'M': status = take_number(m, 2, &value); break;
    default: /* LONG1 */
      status = take_number(m, 1, &bytes);
      if (status == KOHL_OK && bytes > 8) return fail(m, "a number of more than 8 bytes");
      if (status == KOHL_OK) status = take_number(m, bytes, &value);
      if (bytes && bytes < 8 && value >> (8 * bytes - 1) & 1) value |= ~UINT64_C(0) << 8 * bytes;
      break;
  }
  if (m->op == 'J') value = (uint64_t)(int64_t)(int32_t)(uint32_t)value;
  return status == KOHL_OK ? push_number(m, KOHL_TORCH_INT, (int64_t)value) : status;
}

/* One line of text; the line end is taken. */
static kohl_status take_line(machine *m, const uint8_t **text, size_t *length) {
  *text = m->bytes + m->at;
  const uint8_t *end = memchr(*text, '\n', m->length - m->at);
  if (!end) return fail(m, "the pickle ends inside it");
  *length = (size_t)(end - *text);
  m->at += *length + 1;
  return KOHL_OK;
}

static kohl_status run_global(machine *m) {
  const uint8_t *module = NULL, *name = NULL;
  size_t module_length = 0, name_length = 0;
  kohl_torch_value value = {.kind = KOHL_TORCH_GLOBAL};
  kohl_status status = take_line(m, &module, &module_length);
  if (status == KOHL_OK) status = take_line(m, &name, &name_length);
  if (status != KOHL_OK) return status;
  status = kohl_torch_global_find(m->ctx, (const char *)module, module_length, (const char *)name, name_length, &value);
  if (status == KOHL_OK) return push(m, value);
  kohl_fail_prefix(m->ctx, "%s: byte %zu", m->what, m->op_at);
  return status;
}

static kohl_status protocol(machine *m) {
  uint64_t version;
  kohl_status status = take_number(m, 1, &version);
  if (status == KOHL_OK && version != 2)
    return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: pickle protocol %u, expected 2, which torch.save takes by itself",
                     m->what, (unsigned)version);
  return status;
}

static kohl_status step(machine *m) {
  uint64_t ignored;
  kohl_status status;
  switch (m->op) {
    case 0x80: return protocol(m);
    case '(': return push_number(m, KOHL_TORCH_MARK, 0);
    case 'N': return push_number(m, KOHL_TORCH_NONE, 0);
    case 0x88: return push_number(m, KOHL_TORCH_BOOL, 1);
    case 0x89: return push_number(m, KOHL_TORCH_BOOL, 0);
    case 'G': /* no field that matters is one */
      status = take_number(m, 8, &ignored);
      return status == KOHL_OK ? push_number(m, KOHL_TORCH_REAL, 0) : status;
    case 'J':
    case 'K':
    case 'M':
    case 0x8a: return run_number(m);
    case 'U': return push_text(m, 1);
    case 'X': return push_text(m, 4);
    case 'c': return run_global(m);
    case 'Q': return persistent(m);
    case '}': return push_empty(m, KOHL_TORCH_DICT);
    case ']': return push_empty(m, KOHL_TORCH_LIST);
    case 0x8f: return push_empty(m, KOHL_TORCH_SET);
    case ')': return make_tuple(m, 0, false);
    case 't': return make_tuple(m, 0, true);
    case 0x85:
    case 0x86:
    case 0x87: return make_tuple(m, m->op - 0x84, false);
    case 'a':
    case 'e': return append(m, KOHL_TORCH_LIST, m->op == 'e');
    case 's':
    case 'u': return append(m, KOHL_TORCH_DICT, m->op == 'u');
    case 'q':
    case 'r':
    case 'h':
    case 'j': return run_memo(m);
    case 'R':
    case 0x81: return reduce(m);
    case 'b': return build(m);
    default: return fail(m, "not one that torch.save writes for tensors and plain values");
  }
}

static kohl_status run(machine *m) {
  if (m->length < 2 || m->bytes[0] != 0x80)
    return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: is no pickle of protocol 2, expected byte 0x80 first", m->what);
  while (m->at < m->length) {
    m->op_at = m->at;
    m->op = m->bytes[m->at++];
    if (m->op == '.') {
      m->p->used = m->at;
      if (m->depth != 1) return fail(m, "expected one value on the stack at the end");
      return pop(m, &m->p->root);
    }
    kohl_status status = step(m);
    if (status != KOHL_OK) return status;
  }
  return kohl_fail(m->ctx, KOHL_BAD_INPUT, "%s: the pickle has no end, expected opcode '.'", m->what);
}

kohl_status kohl_torch_pickle_read(kohl_context *ctx, const char *what, const uint8_t *bytes, size_t length,
                                   kohl_torch_pickle *pickle) {
  if (length > UINT32_MAX) length = UINT32_MAX;
  machine m = {.ctx = ctx, .what = what, .bytes = bytes, .length = length, .p = pickle};
  *pickle = (kohl_torch_pickle){0};
  kohl_status status = run(&m);
  kohl_free(ctx, m.stack);
  kohl_free(ctx, m.memo);
  if (status != KOHL_OK) kohl_torch_pickle_free(ctx, pickle);
  return status;
}
