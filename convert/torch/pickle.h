/* Pickles that torch.save writes, as records: a small machine for a closed set of opcodes and globals, which are words
 * to it and nothing else.  It calls nothing and imports nothing.
 *
 * Protocol 2.  What a call would make is recorded as the call (a tensor is "_rebuild_tensor_v2" and its arguments); a
 * persistent id is recorded as a storage.  Any other opcode or global is refused.  Values refer to objects by number,
 * so that a pickle that contains itself is harmless; objects are never freed one by one.  Memory: at most 60 MiB.
 * (Format: CPython, Lib/pickletools.py; the set is that of torch/_weights_only_unpickler.py.) */
#ifndef KOHL_CONVERT_TORCH_PICKLE_H
#define KOHL_CONVERT_TORCH_PICKLE_H

#include "nn/safetensors.h"

typedef enum kohl_torch_kind {
  KOHL_TORCH_NONE,
  KOHL_TORCH_BOOL,
  KOHL_TORCH_INT,
  KOHL_TORCH_REAL,
  KOHL_TORCH_TEXT,
  KOHL_TORCH_GLOBAL, /* number: a kohl_torch_global */
  KOHL_TORCH_TUPLE,  /* from here on with items */
  KOHL_TORCH_LIST,
  KOHL_TORCH_DICT,    /* key, value, key, value, ...; what is unhashable in Python may be a key here */
  KOHL_TORCH_SET,     /* always empty */
  KOHL_TORCH_STORAGE, /* items: those of the persistent id */
  KOHL_TORCH_CALL,    /* detail: the kohl_torch_global called; items: its arguments */
  KOHL_TORCH_MARK     /* never among results */
} kohl_torch_kind;

typedef enum kohl_torch_global {
  KOHL_TORCH_ORDERED_DICT,      /* calls become KOHL_TORCH_DICT */
  KOHL_TORCH_SIZE,              /* calls become KOHL_TORCH_TUPLE */
  KOHL_TORCH_REBUILD,           /* storage, offset, size, stride */
  KOHL_TORCH_REBUILD_V2,        /* storage, offset, size, stride, ... */
  KOHL_TORCH_REBUILD_PARAMETER, /* tensor, requires_grad, hooks */
  KOHL_TORCH_PARAMETER,         /* tensor, ... */
  KOHL_TORCH_STORAGE_TYPE       /* detail: the kohl_safetensors_dtype of an element; cannot be called */
} kohl_torch_global;

typedef struct kohl_torch_value {
  uint8_t kind;    /* kohl_torch_kind */
  uint8_t detail;  /* of GLOBAL and CALL */
  uint32_t length; /* of TEXT, in bytes */
  union {
    int64_t number;      /* BOOL, INT, GLOBAL */
    const uint8_t *text; /* inside the pickle; no zero behind it */
    size_t object;
  };
} kohl_torch_value;

/* Items lie in runs, one for each opcode that added some. */
typedef struct kohl_torch_run {
  uint32_t first, count, next; /* next: number of the next run + 1, or 0 */
} kohl_torch_run;

typedef struct kohl_torch_object {
  uint32_t run, last, count; /* first and last run + 1, or 0; count of items in all of them */
} kohl_torch_object;

enum {
  KOHL_TORCH_ITEMS = 1 << 20,
  KOHL_TORCH_OBJECTS = 1 << 19,
  KOHL_TORCH_STACK = 1 << 18,
  KOHL_TORCH_MEMO = 1 << 19
};

typedef struct kohl_torch_pickle {
  kohl_torch_value root;
  size_t used; /* bytes of the pickle, the final '.' included */
  kohl_torch_value *items;
  kohl_torch_run *runs;
  kohl_torch_object *objects;
  size_t item_count, run_count, object_count;
  size_t item_capacity, run_capacity, object_capacity;
} kohl_torch_pickle;

/* Reads one pickle from the beginning of length bytes (at most 2^32 - 1 are looked at), which must outlive it.  what
 * names file and part for error texts ("net.pth: data.pkl").  *pickle is empty after a failure.  KOHL_BAD_INPUT: says
 * at which byte, and for a global that is refused what to do instead. */
kohl_status kohl_torch_pickle_read(kohl_context *ctx, const char *what, const uint8_t *bytes, size_t length,
                                   kohl_torch_pickle *pickle);
void kohl_torch_pickle_free(kohl_context *ctx, kohl_torch_pickle *pickle);

/* Number of items of a value that has some (TUPLE to CALL). */
size_t kohl_torch_count(const kohl_torch_pickle *pickle, const kohl_torch_value *value);

/* The items of a TUPLE, STORAGE or CALL, which lie together; NULL when there are none. */
const kohl_torch_value *kohl_torch_items(const kohl_torch_pickle *pickle, const kohl_torch_value *value);

/* Walks the items of any value that has some: start with *walk zero; each call gives the next one, NULL at the end. */
typedef struct kohl_torch_walk {
  uint32_t run, at;
  bool begun;
} kohl_torch_walk;
const kohl_torch_value *kohl_torch_next(const kohl_torch_pickle *pickle, const kohl_torch_value *value,
                                        kohl_torch_walk *walk);

/* The value of a key of a DICT, the last one as Python takes it, or NULL. */
const kohl_torch_value *kohl_torch_field(const kohl_torch_pickle *pickle, const kohl_torch_value *dict,
                                         const char *key);

/* Is this TEXT, byte for byte, the word? */
bool kohl_torch_is_word(const kohl_torch_value *value, const char *word);

/* What a value is, for messages: "a list". */
const char *kohl_torch_kind_name(const kohl_torch_value *value);

#endif
