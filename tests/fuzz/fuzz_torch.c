/* Any bytes as a PyTorch file.  The seeds in corpus/torch are small files of torch.save, and bare pickles:
 *
 *   build/fuzz/fuzz_torch -dict=tests/fuzz/torch.dict -max_total_time=600 tests/fuzz/corpus/torch
 *
 * CRC-32 keeps most changed archives from being looked into; so a pickle alone is given the sequential container's
 * beginning here, two small storages behind it and an archive around it. */
#include "tests/fuzz/any_source.h"

static uint8_t file[1 << 20];

static const uint8_t begin[] =
    "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}X\15\0\0\0little_endian\x88s.";
static const uint8_t end[] =
    "\x80\2](X\1\0\0\0000X\1\0\0\0001e."
    "\x10\0\0\0\0\0\0\0abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"
    "\4\0\0\0\0\0\0\0abcdefghijklmnop";

static size_t put(size_t at, const void *bytes, size_t n) {
  memcpy(file + at, bytes, n);
  return at + n;
}

static size_t number(size_t at, uint64_t value, int n) {
  for (int i = 0; i < n; i++) file[at++] = (uint8_t)(value >> 8 * i);
  return at;
}

/* One member of an archive without CRC-32: its header and bytes, or its entry in the directory. */
static size_t member(size_t at, const char *name, const void *bytes, size_t n, bool entry, size_t offset) {
  at = put(at, entry ? "PK\1\2\0\0\0\0" : "PK\3\4\0\0", entry ? 8 : 6);
  at = number(at, 8, 2);
  at = put(at, (const uint8_t[10]){0}, 10);
  for (int i = 0; i < 2; i++) at = number(at, entry ? n : 0, 4);
  at = number(at, strlen(name), 2);
  at = put(at, (const uint8_t[12]){0}, entry ? 12 : 2);
  if (entry) at = number(at, offset, 4);
  at = put(at, name, strlen(name));
  return entry ? at : put(at, bytes, n);
}

static size_t archive(const uint8_t *data, size_t bytes) {
  static const char *const names[] = {"a/data.pkl", "a/data/0", "a/data/1"};
  const void *const parts[] = {data, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl",
                               "abcdefghijklmnop"};
  const size_t sizes[] = {bytes, 64, 16};
  size_t at = 0, offset[3];
  for (int i = 0; i < 3; i++) {
    offset[i] = at;
    at = member(at, names[i], parts[i], sizes[i], false, 0);
  }
  size_t directory = at;
  for (int i = 0; i < 3; i++) at = member(at, names[i], parts[i], sizes[i], true, offset[i]);
  size_t length = at - directory;
  at = put(at, "PK\5\6\0\0\0", 8);
  for (int i = 0; i < 2; i++) at = number(at, 3, 2);
  at = number(at, length, 4);
  at = number(at, directory, 4);
  return number(at, 0, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  fuzz_source(kohl_torch_source, fuzz_file(data, bytes));
  if (bytes < 3 || data[0] != 0x80 || data[2] == 0x8a || bytes > sizeof file / 2) return 0;
  size_t length = put(put(put(0, begin, sizeof begin - 1), data, bytes), end, sizeof end - 1);
  fuzz_source(kohl_torch_source, fuzz_file(file, length));
  fuzz_source(kohl_torch_source, fuzz_file(file, archive(data, bytes)));
  return 0;
}
