/* Tables of TensorFlow's checkpoints for those who break them: takes one apart leniently, and puts it together again
 * with the places and CRCs that its bytes ask for, so that a change inside reaches what reads the inside.  Shares no
 * code with the reader. */
#ifndef KOHL_TESTS_FUZZ_TENSORFLOW_TABLE_H
#define KOHL_TESTS_FUZZ_TENSORFLOW_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/core/crc32c.h"

enum { TABLE_FOOTER = 48, TABLE_TRAILER = 5, TABLE_BLOCKS = 16, TABLE_KEY = 256 };

typedef struct table_range {
  size_t at, length;
} table_range;

/* A table taken apart: data blocks and their keys in the index, which point into its bytes. */
typedef struct table_parts {
  size_t count;
  table_range blocks[TABLE_BLOCKS], keys[TABLE_BLOCKS];
  table_range meta, index;
} table_parts;

static inline uint32_t table_crc(const uint8_t *bytes, size_t length) {
  uint32_t crc = kohl_crc32c(0, bytes, length);
  return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static inline void table_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static inline bool table_varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *out) {
  *out = 0;
  for (int shift = 0; *at < end && shift < 64; shift += 7) {
    uint8_t byte = bytes[(*at)++];
    *out |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

static inline bool table_handle(const uint8_t *bytes, size_t *at, size_t end, size_t most, table_range *range) {
  uint64_t offset, length;
  if (!table_varint(bytes, at, end, &offset) || !table_varint(bytes, at, end, &length)) return false;
  if (offset > most || most - offset < TABLE_TRAILER || length > most - offset - TABLE_TRAILER) return false;
  *range = (table_range){(size_t)offset, (size_t)length};
  return true;
}

/* The entries of a block: without the restart points. */
static inline size_t table_entries_end(const uint8_t *bytes, table_range block) {
  if (block.length < 4) return block.at;
  const uint8_t *at = bytes + block.at + block.length - 4;
  size_t count = at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
  return count > block.length / 4 - 1 ? block.at : block.at + block.length - 4 - 4 * count;
}

/* The next entry of a block; *at moves behind it. */
static inline bool table_entry(const uint8_t *bytes, size_t *at, size_t end, table_range *key, table_range *value) {
  uint64_t shared, unshared, length;
  if (!table_varint(bytes, at, end, &shared) || !table_varint(bytes, at, end, &unshared) ||
      !table_varint(bytes, at, end, &length) || unshared > end - *at || length > end - *at - unshared)
    return false;
  *key = (table_range){*at, (size_t)unshared};
  *value = (table_range){*at + (size_t)unshared, (size_t)length};
  *at = value->at + value->length;
  return true;
}

/* False where too little of it is left to be told. */
static inline bool table_split(const uint8_t *bytes, size_t length, table_parts *parts) {
  memset(parts, 0, sizeof *parts);
  if (length < TABLE_FOOTER) return false;
  size_t at = length - TABLE_FOOTER, most = at;
  if (!table_handle(bytes, &at, length, most, &parts->meta) || !table_handle(bytes, &at, length, most, &parts->index))
    return false;
  size_t end = table_entries_end(bytes, parts->index);
  table_range key, value;
  for (at = parts->index.at; parts->count < TABLE_BLOCKS && table_entry(bytes, &at, end, &key, &value);) {
    size_t handle = value.at;
    if (key.length > TABLE_KEY ||
        !table_handle(bytes, &handle, value.at + value.length, most, &parts->blocks[parts->count]))
      break;
    parts->keys[parts->count++] = key;
  }
  return parts->count > 0;
}

/* Sets the CRC of a block in place. */
static inline void table_seal(uint8_t *bytes, table_range block) {
  table_u32(bytes + block.at + block.length + 1, table_crc(bytes + block.at, block.length + 1));
}

/* Sets all CRCs in place. */
static inline void table_seal_all(uint8_t *bytes, size_t length) {
  table_parts parts;
  if (!table_split(bytes, length, &parts)) return;
  for (size_t i = 0; i < parts.count; i++) table_seal(bytes, parts.blocks[i]);
  table_seal(bytes, parts.meta);
  table_seal(bytes, parts.index);
}

/* An output with an end. */
typedef struct table_out {
  uint8_t *at;
  size_t length, most;
} table_out;

static inline void table_put(table_out *out, const void *bytes, size_t length) {
  if (length > out->most - out->length) length = out->most - out->length;
  if (length) memcpy(out->at + out->length, bytes, length);
  out->length += length;
}

static inline void table_put_varint(table_out *out, uint64_t value) {
  for (; value >= 128; value >>= 7) table_put(out, &(uint8_t){(uint8_t)(value | 128)}, 1);
  table_put(out, &(uint8_t){(uint8_t)value}, 1);
}

/* Appends a block that is not packed. */
static inline table_range table_put_block(table_out *out, const uint8_t *bytes, size_t length) {
  size_t at = out->length;
  uint8_t crc[4];
  table_put(out, bytes, length);
  table_put(out, "", 1);
  table_u32(crc, table_crc(out->at + at, out->length - at));
  table_put(out, crc, 4);
  return (table_range){at, length};
}

/* The parts, but block `changed`'s bytes are others.  Room for 4096 bytes more than both must be there. */
static inline size_t table_join(const uint8_t *bytes, const table_parts *parts, size_t changed, const uint8_t *block,
                                size_t block_length, uint8_t *to, size_t most) {
  table_out out = {to, 0, most},
            index = {(uint8_t[TABLE_BLOCKS * (TABLE_KEY + 32)]){0}, 0, TABLE_BLOCKS * (TABLE_KEY + 32)};
  uint8_t restarts[4 * TABLE_BLOCKS + 4], footer[TABLE_FOOTER] = {0};
  static const uint8_t magic[] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
  for (size_t i = 0; i < parts->count; i++) {
    bool other = i == changed;
    uint8_t handle[20];
    table_out place = {handle, 0, sizeof handle};
    table_range range = table_put_block(&out, other ? block : bytes + parts->blocks[i].at,
                                        other ? block_length : parts->blocks[i].length);
    table_put_varint(&place, range.at);
    table_put_varint(&place, range.length);
    table_u32(restarts + 4 * i, (uint32_t)index.length);
    table_put(&index, "", 1);
    table_put_varint(&index, parts->keys[i].length);
    table_put_varint(&index, place.length);
    table_put(&index, bytes + parts->keys[i].at, parts->keys[i].length);
    table_put(&index, handle, place.length);
  }
  table_u32(restarts + 4 * parts->count, (uint32_t)parts->count);
  table_put(&index, restarts, 4 * parts->count + 4);
  table_range meta = table_put_block(&out, bytes + parts->meta.at, parts->meta.length);
  table_range last = table_put_block(&out, index.at, index.length);
  table_out end = {footer, 0, TABLE_FOOTER - sizeof magic};
  table_put_varint(&end, meta.at);
  table_put_varint(&end, meta.length);
  table_put_varint(&end, last.at);
  table_put_varint(&end, last.length);
  memcpy(footer + TABLE_FOOTER - sizeof magic, magic, sizeof magic);
  table_put(&out, footer, sizeof footer);
  return out.length;
}

#endif
