/* Python pickles of plain data and numpy arrays, protocols 2 to 5, as CIFAR's batches are stored.
 *
 * Not an unpickler: a closed set of opcodes and of six globals, which are compared as texts; nothing is ever called,
 * imported or built that is not in the list of kinds below.  Memory is bounded (KOHL_PICKLE_VALUES), there is no
 * recursion, and data stay where they lie in the file: a value says where. */
#ifndef KOHL_DATASETS_PICKLE_H
#define KOHL_DATASETS_PICKLE_H

#include "kernels/core/context.h"

enum { KOHL_PICKLE_VALUES = 1 << 18, KOHL_PICKLE_OBJECTS = 1 << 16 }; /* of one file, at most */

typedef enum kohl_pickle_kind {
  KOHL_PICKLE_NONE,   /* and whatever the reader has no use for: floats */
  KOHL_PICKLE_INT,    /* number; bools too */
  KOHL_PICKLE_BYTES,  /* length bytes at `at` */
  KOHL_PICKLE_TEXT,   /* length bytes of UTF-8 at `at`, not checked */
  KOHL_PICKLE_LATIN,  /* bytes as the characters below 256 of a TEXT: what Python 3 writes for bytes in protocol 2 */
  KOHL_PICKLE_GLOBAL, /* number: which */
  KOHL_PICKLE_TUPLE,
  KOHL_PICKLE_LIST,
  KOHL_PICKLE_DICT,  /* items: key, value, key, value */
  KOHL_PICKLE_DTYPE, /* of one byte, unsigned: the only one that is taken */
  KOHL_PICKLE_ARRAY, /* items: shape (a TUPLE), data (BYTES or LATIN), row by row; none before it is filled */
  KOHL_PICKLE_MARK   /* never inside a value */
} kohl_pickle_kind;

typedef struct kohl_pickle_value {
  uint32_t kind;
  uint32_t object; /* of TUPLE to ARRAY */
  union {
    int64_t number;
    uint64_t at; /* offset in the file */
  };
  uint64_t length;
} kohl_pickle_value;

typedef struct kohl_pickle_object {
  kohl_pickle_value *item;
  size_t count, capacity;
} kohl_pickle_object;

typedef struct kohl_pickle {
  const char *name; /* the file's; the caller's */
  const uint8_t *bytes;
  size_t length, at;
  kohl_pickle_object *object;
  size_t objects, object_capacity;
  kohl_pickle_value *stack, *memo;
  size_t depth, stack_capacity, memo_count, memo_capacity, items;
} kohl_pickle;

/* Reads one pickle of length bytes, which must outlive it; *root is its value.  End with kohl_pickle_close, after an
 * error too.  KOHL_BAD_INPUT names the file, the byte and what was expected. */
kohl_status kohl_pickle_read(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                             kohl_pickle *pickle, kohl_pickle_value *root);
void kohl_pickle_close(kohl_context *ctx, kohl_pickle *pickle);

/* The value of a key (bytes or text) of a dict, or NULL. */
const kohl_pickle_value *kohl_pickle_find(const kohl_pickle *pickle, const kohl_pickle_value *dict, const char *key);

static inline const kohl_pickle_object *kohl_pickle_items(const kohl_pickle *pickle, const kohl_pickle_value *value) {
  return &pickle->object[value->object];
}

/* A batch of CIFAR: {data: uint8 array [n][3 * side * side], labels: list of n ints}. */
typedef struct kohl_pickle_batch {
  uint32_t count;
  int side;
  uint64_t begin;       /* of the pixels, in the file */
  uint64_t *text_begin; /* not NULL: pixels are LATIN, records begin here (count + 1); the caller's, kohl_free */
  uint8_t *label;       /* count; the caller's, kohl_free */
} kohl_pickle_batch;

/* keys: label_keys names, of which the first that is there is taken.  out is empty on failure. */
kohl_status kohl_pickle_batch_read(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                   const char *const *keys, size_t key_count, kohl_pickle_batch *out);
void kohl_pickle_batch_free(kohl_context *ctx, kohl_pickle_batch *batch);

#endif
