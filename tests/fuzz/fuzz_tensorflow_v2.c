/* Fuzz target: a TensorFlow checkpoint of version 2.  The input is the length of the index (u32, little-endian), the
 * index, and the bytes of the first shard, whether it is of one or of two; a second one is missing. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/fuzz/any_source.h"
#include "tests/fuzz/tensorflow_mutate.h"

enum { PREFIX = 4 };

static const char *const endings[] = {"index", "data-00000-of-00001", "data-00000-of-00002"};
static char folder[] = "/tmp/kohl_fuzz_XXXXXX";

static void path_of(int file, char path[64]) { snprintf(path, 64, "%s/x.%s", folder, endings[file]); }

static void remove_folder(void) {
  char path[64];
  for (int i = 0; i < 3; i++) {
    path_of(i, path);
    unlink(path);
  }
  rmdir(folder);
}

/* In place: some file systems write a file out that was emptied and filled again, which takes its time. */
static void write_file(int file, const uint8_t *data, size_t bytes) {
  char path[64];
  path_of(file, path);
  int out = open(path, O_WRONLY | O_CREAT, 0600);
  require(out >= 0 && pwrite(out, data, bytes, 0) == (ssize_t)bytes && ftruncate(out, (off_t)bytes) == 0);
  require(close(out) == 0);
}

/* The bytes of the index: as many as are there. */
static size_t index_length(const uint8_t *data, size_t bytes) {
  size_t length = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
  return length < bytes - PREFIX ? length : bytes - PREFIX;
}

/* Sets the CRC that the index has of each tensor's bytes.  Field 4 is where they are, 5 how many, 6 the CRC. */
static void seal_tensor(uint8_t *index, table_range value, const uint8_t *shard, size_t bytes) {
  uint64_t tag, number, offset = 0, length = 0;
  size_t crc = 0, end = value.at + value.length;
  for (size_t at = value.at; at < end && table_varint(index, &at, end, &tag);) {
    bool fixed = tag % 8 == 5;
    if (fixed && end - at < 4) return;
    if (fixed && tag / 8 == 6) crc = at;
    if (fixed) at += 4;
    if (!fixed && !table_varint(index, &at, end, &number)) return;
    if (tag % 8 == 2) at = number < end - at ? at + (size_t)number : end;
    if (tag == 32) offset = number;
    if (tag == 40) length = number;
  }
  if (crc && offset <= bytes && length <= bytes - offset)
    table_u32(index + crc, table_crc(shard + offset, (size_t)length));
}

static void seal_tensors(uint8_t *index, size_t length, const uint8_t *shard, size_t bytes) {
  table_parts parts;
  if (!table_split(index, length, &parts)) return;
  for (size_t i = 0; i < parts.count; i++) {
    size_t end = table_entries_end(index, parts.blocks[i]);
    table_range key, value;
    for (size_t at = parts.blocks[i].at; at < end && table_entry(index, &at, end, &key, &value);)
      seal_tensor(index, value, shard, bytes);
    table_seal(index, parts.blocks[i]);
  }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  static uint8_t index[4 * MUTATE_MOST];
  if (size < PREFIX || size > MUTATE_MOST) return LLVMFuzzerMutate(data, size, most);
  size_t length = index_length(data, size), shard = size - PREFIX - length;
  if (seed % 16 == 15) { /* the shard */
    shard = LLVMFuzzerMutate(data + PREFIX + length, shard, most - PREFIX - length);
  } else {
    memcpy(index, data + PREFIX, length);
    length = mutate_table(index, length, sizeof index, seed);
    if (length > most - PREFIX || shard > most - PREFIX - length) return LLVMFuzzerMutate(data, size, most);
    memmove(data + PREFIX + length, data + size - shard, shard);
    memcpy(data + PREFIX, index, length);
    table_u32(data, (uint32_t)length);
  }
  if (seed % 8) seal_tensors(data + PREFIX, length, data + PREFIX + length, shard);
  return PREFIX + length + shard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static bool made;
  char path[64];
  (void)fuzz_file; /* one file is not enough */
  if (bytes < PREFIX) return 0;
  if (!made) {
    require(mkdtemp(folder) && chmod(folder, 0700) == 0 && atexit(remove_folder) == 0);
    made = true;
  }
  size_t length = index_length(data, bytes);
  write_file(0, data + PREFIX, length);
  for (int i = 1; i < 3; i++) write_file(i, data + PREFIX + length, bytes - PREFIX - length);
  path_of(0, path);
  fuzz_source(kohl_tensorflow_source, path);
  return 0;
}
