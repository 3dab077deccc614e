/* Changes to a table that its CRCs and places do not betray, for the fuzz targets of TensorFlow's checkpoints. */
#ifndef KOHL_TESTS_FUZZ_TENSORFLOW_MUTATE_H
#define KOHL_TESTS_FUZZ_TENSORFLOW_MUTATE_H

#include "tests/fuzz/tensorflow_table.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

enum { MUTATE_MOST = 1 << 16 };

/* One seed in eight changes any byte and leaves it so, one any byte with the CRCs set; the others change one block. */
static size_t mutate_table(uint8_t *data, size_t size, size_t most, unsigned seed) {
  static uint8_t block[MUTATE_MOST], joined[4 * MUTATE_MOST];
  table_parts parts;
  bool apart = size <= MUTATE_MOST && table_split(data, size, &parts);
  if (!apart || seed % 8 < 2) {
    size = LLVMFuzzerMutate(data, size, most);
    if (seed % 8) table_seal_all(data, size);
    return size;
  }
  size_t which = (seed / 8) % parts.count, length = parts.blocks[which].length;
  memcpy(block, data + parts.blocks[which].at, length);
  length = LLVMFuzzerMutate(block, length, MUTATE_MOST);
  size_t total = table_join(data, &parts, which, block, length, joined, sizeof joined);
  if (total > most) return LLVMFuzzerMutate(data, size, most);
  memcpy(data, joined, total);
  return total;
}

#endif
