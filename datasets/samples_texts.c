/* Blocks of texts, and an open hash table of their numbers. */
#include "datasets/samples_texts.h"

#include <string.h>

#include "kernels/core/alloc.h"

static const char what[] = "the list of samples";

kohl_status kohl_text_store_add(kohl_context *ctx, kohl_text_store *store, const char *text, size_t length,
                                uint32_t *handle) {
  if (length >= KOHL_TEXT_BYTES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "'%.60s...': %zu bytes, expected at most %d", text, length,
                     KOHL_TEXT_BYTES - 1);
  }
  if (store->blocks == 0 || store->used + length + 1 > KOHL_TEXT_BYTES) {
    if (store->blocks > UINT16_MAX) return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: more than 4 GiB of texts", what);
    kohl_status status = kohl_grow(ctx, &store->block, &store->capacity, store->blocks + 1, sizeof *store->block, what);
    if (status == KOHL_OK) status = kohl_alloc(ctx, KOHL_TEXT_BYTES, 1, what, &store->block[store->blocks]);
    if (status != KOHL_OK) return status;
    store->blocks++;
    store->used = 0;
  }
  char *to = store->block[store->blocks - 1] + store->used;
  memcpy(to, text, length);
  to[length] = 0;
  *handle = (uint32_t)((store->blocks - 1) << 16 | store->used);
  store->used += length + 1;
  return KOHL_OK;
}

void kohl_text_store_free(kohl_context *ctx, kohl_text_store *store) {
  for (size_t i = 0; i < store->blocks; i++) kohl_free(ctx, store->block[i]);
  kohl_free(ctx, store->block);
  memset(store, 0, sizeof *store);
}

/* FNV-1a. */
static size_t hash(const char *text, size_t length) {
  uint64_t h = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
  return (size_t)(h ^ h >> 32);
}

static size_t find_slot(const kohl_text_table *table, const char *text, size_t length) {
  size_t at = hash(text, length) & (table->slots - 1);
  for (;; at = (at + 1) & (table->slots - 1)) {
    if (!table->slot[at]) return at;
    const char *other = table->text[table->slot[at] - 1];
    if (strncmp(other, text, length) == 0 && !other[length]) return at;
  }
}

static kohl_status grow_slots(kohl_context *ctx, kohl_text_table *table) {
  if (table->slots > 2 * (table->count + 1)) return KOHL_OK;
  size_t slots = table->slots ? 2 * table->slots : 64;
  uint32_t *slot;
  kohl_status status = kohl_alloc(ctx, slots, sizeof *slot, what, &slot);
  if (status != KOHL_OK) return status;
  kohl_free(ctx, table->slot);
  table->slot = slot;
  table->slots = slots;
  for (size_t i = 0; i < table->count; i++) {
    slot[find_slot(table, table->text[i], strlen(table->text[i]))] = (uint32_t)i + 1;
  }
  return KOHL_OK;
}

kohl_status kohl_text_table_add(kohl_context *ctx, kohl_text_table *table, kohl_text_store *store, const char *text,
                                size_t length, uint32_t *number) {
  kohl_status status = grow_slots(ctx, table);
  if (status != KOHL_OK) return status;
  size_t at = find_slot(table, text, length);
  if (!table->slot[at]) {
    uint32_t handle;
    status = kohl_grow(ctx, &table->text, &table->capacity, table->count + 1, sizeof *table->text, what);
    if (status == KOHL_OK) status = kohl_text_store_add(ctx, store, text, length, &handle);
    if (status != KOHL_OK) return status;
    table->text[table->count++] = kohl_text_at(store, handle);
    table->slot[at] = (uint32_t)table->count;
  }
  *number = table->slot[at] - 1;
  return KOHL_OK;
}

long kohl_text_table_find(const kohl_text_table *table, const char *text, size_t length) {
  return table->slots ? (long)table->slot[find_slot(table, text, length)] - 1 : -1;
}

void kohl_text_table_close(kohl_context *ctx, kohl_text_table *table) {
  kohl_free(ctx, table->slot);
  table->slot = NULL;
  table->slots = 0;
}

void kohl_text_table_free(kohl_context *ctx, kohl_text_table *table) {
  kohl_free(ctx, table->slot);
  kohl_free(ctx, table->text);
  memset(table, 0, sizeof *table);
}
