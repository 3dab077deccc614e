/* Memory for the texts of a list of samples, and tables of distinct ones.
 *
 * Texts lie one behind the other in blocks of 64 KiB and are named by 32-bit handles, so that a picture of a list
 * costs its name and four bytes, and no block ever moves: a pointer to a text is good as long as its store. */
#ifndef KOHL_DATASETS_SAMPLES_TEXTS_H
#define KOHL_DATASETS_SAMPLES_TEXTS_H

#include "kernels/core/context.h"

enum { KOHL_TEXT_BYTES = 1 << 16 }; /* of one text with its NUL, at most */

/* All zero is an empty store. */
typedef struct kohl_text_store {
  char **block;
  size_t blocks, capacity, used; /* used: bytes of the last block */
} kohl_text_store;

/* Copies length bytes and a NUL into the store; *handle names them from then on.  KOHL_BAD_INPUT for a text that is
 * too long, KOHL_NO_RESOURCE where memory is refused or the store holds 4 GiB. */
kohl_status kohl_text_store_add(kohl_context *ctx, kohl_text_store *store, const char *text, size_t length,
                                uint32_t *handle);
void kohl_text_store_free(kohl_context *ctx, kohl_text_store *store);

static inline const char *kohl_text_at(const kohl_text_store *store, uint32_t handle) {
  return store->block[handle >> 16] + (handle & 0xffff);
}

/* Distinct texts, numbered in the order of their coming.  All zero is an empty table. */
typedef struct kohl_text_table {
  const char **text; /* count of them; the texts are the store's */
  size_t count, capacity;
  uint32_t *slot; /* hash table: number + 1, 0 is free; a power of two of them, less than half in use */
  size_t slots;
} kohl_text_table;

/* *number = that of the text, which is added to table and store where it is new. */
kohl_status kohl_text_table_add(kohl_context *ctx, kohl_text_table *table, kohl_text_store *store, const char *text,
                                size_t length, uint32_t *number);

/* The number of a text, or -1. */
long kohl_text_table_find(const kohl_text_table *table, const char *text, size_t length);

/* Frees what only adding and finding need; the texts stay. */
void kohl_text_table_close(kohl_context *ctx, kohl_text_table *table);
void kohl_text_table_free(kohl_context *ctx, kohl_text_table *table);

#endif
