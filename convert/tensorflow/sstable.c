/* Blocks and their entries; see sstable.h. */
#include "convert/tensorflow/sstable.h"

#include <inttypes.h>
#include <string.h>

#include "kernels/core/crc32c.h"

enum { FOOTER = 48, HANDLES = 40, TRAILER = 5, LARGE = 1 << 20 /* bytes of a block that need not stay in memory */ };

static const uint8_t magic[] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};

uint32_t kohl_sstable_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8); }

static uint32_t u32(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* A number of the footer or index: in as few bytes as it needs, or a turned bit of the footer could go unseen. */
static bool take_place(kohl_proto_bytes *from, uint64_t *out) {
  size_t before = from->length;
  bool damaged = false;
  return kohl_proto_varint(from, out, &damaged) && (before - from->length == 1 || from->at[-1] != 0);
}

/* Where a block is. */
static bool take_handle(kohl_proto_bytes *from, uint64_t *offset, uint64_t *size) {
  return take_place(from, offset) && take_place(from, size);
}

/* The block of size bytes at offset, which must be `expected`, and its trailer lie before `end`; *next is what follows.
 */
static kohl_status check_place(kohl_context *ctx, const kohl_sstable *table, const char *what, uint64_t offset,
                               uint64_t size, uint64_t expected, uint64_t end, uint64_t *next) {
  if (offset != expected)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the %s begins at byte %" PRIu64 ", expected %" PRIu64, table->path, what,
                     offset, expected);
  if (offset > end || end - offset < TRAILER || size > end - offset - TRAILER)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: the %s at byte %" PRIu64 " has %" PRIu64 " bytes and a trailer, expected at most %" PRIu64,
                     table->path, what, offset, size, offset > end ? 0 : end - offset);
  *next = offset + size + TRAILER;
  return KOHL_OK;
}

/* What comes behind the block's bytes: how it is packed, and the CRC of both. */
static kohl_status check_trailer(kohl_context *ctx, const kohl_sstable *table, uint64_t offset, size_t size) {
  const uint8_t *bytes = table->map->bytes + offset;
  uint32_t crc = kohl_sstable_mask(kohl_crc32c(0, bytes, size + 1)), expected = u32(bytes + size + 1);
  if (size >= LARGE) kohl_map_forget(table->map, bytes, size);
  if (crc != expected)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: the block at byte %" PRIu64 " is damaged: CRC %08x, expected %08x as the file says",
                     table->path, offset, crc, expected);
  if (bytes[size] == 0) return KOHL_OK;
  if (bytes[size] == 1)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: the block at byte %" PRIu64 " is packed with Snappy, expected blocks that are not packed",
                     table->path, offset);
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the block at byte %" PRIu64 " has type %d, expected 0 (not packed)",
                   table->path, offset, bytes[size]);
}

/* Stands before the first entry of a block whose place was checked.  The key stays: the next one must be behind it. */
static kohl_status open_block(kohl_context *ctx, const kohl_sstable *table, uint64_t offset, size_t size,
                              kohl_sstable_block *block) {
  kohl_status status = check_trailer(ctx, table, offset, size);
  if (status) return status;
  const uint8_t *bytes = table->map->bytes + offset;
  uint64_t count = size >= 4 ? u32(bytes + size - 4) : 0;
  if (count == 0 || count > size / 4 - 1 || u32(bytes + size - 4 - 4 * count) != 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: the block at byte %" PRIu64 " of %zu bytes: %" PRIu64
                     " restart points, expected at least one, the first at 0",
                     table->path, offset, size, count);
  block->offset = offset;
  block->begin = bytes;
  block->at = 0;
  block->end = size - 4 - 4 * (size_t)count;
  block->restarts = bytes + block->end;
  block->restart = 0;
  block->restart_count = (size_t)count;
  return KOHL_OK;
}

static kohl_status bad_entry(kohl_context *ctx, const kohl_sstable *table, const kohl_sstable_block *block,
                             const char *what) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the entry at byte %" PRIu64 " %s", table->path, block->offset + block->at,
                   what);
}

/* Are the bytes behind those of the key that they follow, which both have? */
static bool ascends(const kohl_sstable_block *block, size_t shared, kohl_proto_bytes suffix) {
  if (!block->any) return true;
  size_t old = block->key_length - shared, least = old < suffix.length ? old : suffix.length;
  int order = least ? memcmp(suffix.at, block->key + shared, least) : 0;
  return order > 0 || (order == 0 && suffix.length > old);
}

/* Restart points must be where entries begin that repeat nothing; block->at is such a place or not. */
static const char *check_restart(kohl_sstable_block *block, uint64_t shared) {
  if (block->restart == block->restart_count) return NULL;
  uint32_t point = u32(block->restarts + 4 * block->restart);
  if (point < block->at) return "comes behind a restart point that is no entry";
  if (point > block->at) return NULL;
  block->restart++;
  return shared ? "is a restart point and repeats bytes of the key before it" : NULL;
}

static kohl_status end_block(kohl_context *ctx, const kohl_sstable *table, const kohl_sstable_block *block) {
  if (block->restart == block->restart_count || (block->end == 0 && block->restart_count == 1)) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the block at byte %" PRIu64 ": restart point %u, expected entries' places",
                   table->path, block->offset, u32(block->restarts + 4 * block->restart));
}

static kohl_status next_entry(kohl_context *ctx, const kohl_sstable *table, kohl_sstable_block *block, bool *more) {
  *more = block->at < block->end;
  if (!*more) return end_block(ctx, table, block);
  kohl_proto_bytes rest = {block->begin + block->at, block->end - block->at};
  uint64_t shared, unshared, length;
  bool damaged = false;
  if (!kohl_proto_varint(&rest, &shared, &damaged) || !kohl_proto_varint(&rest, &unshared, &damaged) ||
      !kohl_proto_varint(&rest, &length, &damaged))
    return bad_entry(ctx, table, block, "ends inside its lengths");
  if (unshared > rest.length || length > rest.length - unshared)
    return bad_entry(ctx, table, block, "is longer than its block");
  if (shared > (block->any ? block->key_length : 0))
    return bad_entry(ctx, table, block, "repeats more bytes than the key before it has");
  if (shared + unshared > KOHL_SSTABLE_KEY) return bad_entry(ctx, table, block, "has a key of more than 4096 bytes");
  const char *wrong = check_restart(block, shared);
  if (wrong) return bad_entry(ctx, table, block, wrong);
  kohl_proto_bytes suffix = {rest.at, (size_t)unshared};
  if (!ascends(block, (size_t)shared, suffix))
    return bad_entry(ctx, table, block, "has a key that does not come behind the key before it");
  memcpy(block->key + shared, suffix.at, suffix.length);
  block->key_length = (size_t)(shared + unshared);
  block->any = true;
  block->value = (kohl_proto_bytes){rest.at + unshared, (size_t)length};
  block->at = (size_t)(block->value.at - block->begin) + block->value.length;
  return KOHL_OK;
}

kohl_status kohl_sstable_open(kohl_context *ctx, const char *path, const kohl_map *map, kohl_sstable *table) {
  *table = (kohl_sstable){.path = path, .map = map};
  size_t tail = sizeof magic;
  if (map->length < tail || memcmp(map->bytes + map->length - tail, magic, tail) != 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: does not end as a TensorFlow checkpoint does", path);
  if (map->length < FOOTER)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is a TensorFlow checkpoint of %zu bytes, expected at least %d", path,
                     map->length, FOOTER);
  uint64_t end = map->length - FOOTER, offset, size, meta_size;
  kohl_proto_bytes footer = {map->bytes + end, HANDLES};
  if (!take_handle(&footer, &table->data_end, &meta_size) || !take_handle(&footer, &offset, &size))
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the footer ends inside the places of the last two blocks", path);
  for (size_t i = 0; i < footer.length; i++)
    if (footer.at[i])
      return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: byte %zu of the footer is %d, expected 0", path,
                       HANDLES - footer.length + i, footer.at[i]);
  uint64_t next;
  kohl_status status =
      check_place(ctx, table, "block of meta data", table->data_end, meta_size, table->data_end, end, &next);
  if (!status) status = check_place(ctx, table, "block of the index", offset, size, next, end, &next);
  if (!status && next != end)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the block of the index ends at byte %" PRIu64 ", expected %" PRIu64,
                     path, next, end);
  if (!status) status = check_trailer(ctx, table, table->data_end, (size_t)meta_size);
  return status ? status : open_block(ctx, table, offset, (size_t)size, &table->index);
}

/* The next block of data, where the index says. */
static kohl_status next_block(kohl_context *ctx, kohl_sstable *table, bool *more) {
  kohl_sstable_block *index = &table->index, *data = &table->data;
  uint64_t offset, size;
  kohl_status status = next_entry(ctx, table, index, more);
  if (status) return status;
  if (!*more) {
    if (table->next == table->data_end) return KOHL_OK;
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the blocks of the index end at byte %" PRIu64 ", expected %" PRIu64,
                     table->path, table->next, table->data_end);
  }
  kohl_proto_bytes handle = index->value;
  if (!take_handle(&handle, &offset, &size) || handle.length)
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: the entry of the index before byte %" PRIu64 " has %zu bytes, expected a place in the file",
                     table->path, index->offset + index->at, index->value.length);
  status = check_place(ctx, table, "block of data", offset, size, table->next, table->data_end, &table->next);
  if (!status) status = open_block(ctx, table, offset, (size_t)size, data);
  if (!status && data->end == 0)
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the block of data at byte %" PRIu64 " has no entries", table->path,
                     offset);
  return status;
}

/* Behind the last entry of a block: its key is not behind the block's key in the index, those to come are. */
static kohl_status close_block(kohl_context *ctx, kohl_sstable *table) {
  const kohl_sstable_block *index = &table->index;
  kohl_sstable_block *data = &table->data;
  size_t least = data->key_length < index->key_length ? data->key_length : index->key_length;
  int order = memcmp(data->key, index->key, least);
  if (order > 0 || (order == 0 && data->key_length > index->key_length))
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: the last key of the block at byte %" PRIu64 " comes behind the block's key in the index",
                     table->path, data->offset);
  memcpy(data->key, index->key, index->key_length);
  data->key_length = index->key_length;
  return KOHL_OK;
}

kohl_status kohl_sstable_next(kohl_context *ctx, kohl_sstable *table, bool *more) {
  kohl_sstable_block *data = &table->data;
  kohl_status status = KOHL_OK;
  *more = true;
  if (data->at == data->end) {
    if (data->begin) {
      status = end_block(ctx, table, data);
      if (!status) status = close_block(ctx, table);
    }
    if (!status) status = kohl_check_cancel(ctx);
    if (!status) status = next_block(ctx, table, more);
  }
  if (!status && *more) status = next_entry(ctx, table, data, more);
  table->key = (kohl_proto_bytes){data->key, data->key_length};
  table->value = data->value;
  return status;
}
