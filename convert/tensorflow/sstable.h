/* Sorted tables of keys and values, as LevelDB and TensorFlow write them, read from front to end.
 *
 *   blocks of data, the block of meta data, the block of the index, 48 bytes of footer
 *   footer   where the last two blocks are, zeros up to 40 bytes, and 8 bytes that no other file ends with
 *   a block  entries, where an entry stands that repeats nothing (u32 each, and how many); then outside it a byte
 *            that says how it is packed, and its CRC
 *   entry    how many bytes of the key before it are repeated, how many follow, how many the value has (varints); both
 *   index    one entry for each block of data: a key between its last and the next one's first, and its place
 *
 * (Format: github.com/google/leveldb, doc/table_format.md; TensorFlow's tensorflow/core/lib/io.)  Packed blocks are
 * refused: TensorFlow does not pack those of checkpoints.  Stricter than LevelDB: no byte of the file is outside all
 * of this, and every rule of order is checked, so that no key comes twice.  Nothing is searched, nothing allocated. */
#ifndef KOHL_CONVERT_TENSORFLOW_SSTABLE_H
#define KOHL_CONVERT_TENSORFLOW_SSTABLE_H

#include "convert/container/map.h"
#include "convert/container/protobuf.h"

enum { KOHL_SSTABLE_KEY = 4096 }; /* bytes of the longest key */

/* A block on its way. */
typedef struct kohl_sstable_block {
  uint64_t offset;         /* in the file, for error texts */
  const uint8_t *begin;    /* of the entries */
  size_t at, end;          /* the next entry, and where they end */
  const uint8_t *restarts; /* behind them */
  size_t restart, restart_count;
  kohl_proto_bytes value; /* of the current entry */
  bool any;               /* key is one that was read */
  size_t key_length;
  uint8_t key[KOHL_SSTABLE_KEY];
} kohl_sstable_block;

/* An open table and the entry where it stands. */
typedef struct kohl_sstable {
  const char *path;    /* the caller's */
  const kohl_map *map; /* the caller's, until the last use */
  uint64_t data_end;   /* of the blocks of data */
  uint64_t next;       /* where the next block of data must begin */
  kohl_sstable_block index, data;
  kohl_proto_bytes key, value; /* of the current entry; the key until the next call, the value is bytes of the map */
} kohl_sstable;

/* CRC32C as these files keep it: turned and shifted, so that a CRC over bytes with their CRC says something. */
uint32_t kohl_sstable_mask(uint32_t crc);

/* Stands before the first entry.  KOHL_BAD_INPUT names the file, the place and what was expected. */
kohl_status kohl_sstable_open(kohl_context *ctx, const char *path, const kohl_map *map, kohl_sstable *table);

/* Goes to the next entry; *more is false behind the last one.  A block is compared with its CRC before anything of it
 * is used. */
kohl_status kohl_sstable_next(kohl_context *ctx, kohl_sstable *table, bool *more);

#endif
