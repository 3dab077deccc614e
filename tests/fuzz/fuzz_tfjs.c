/* Any bytes as a TF.js model of up to two shards: the text of model.json or of a JavaScript module up to the first
 * zero, then a byte that says how many of the rest are shard "s"; what remains is shard "t".
 *
 *   build/fuzz/fuzz_tfjs -dict=tests/fuzz/tfjs.dict -max_len=8192 -max_total_time=600 tests/fuzz/corpus/tfjs */
#include "tests/fuzz/any_source.h"

static char folder[] = "/dev/shm/kohl_fuzz_tfjs_XXXXXX"; /* shards are found by their names */

static const char *path_of(const char *name) {
  static char path[sizeof folder + 32];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void write_part(const char *name, const uint8_t *data, size_t bytes) {
  FILE *file = fopen(path_of(name), "wb");
  require(file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0);
}

static void remove_folder(void) {
  static const char *const names[] = {"model.json", "model.js", "s", "t", "s.js", "t.js"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlink(path_of(names[i]));
  rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static bool made;
  (void)fuzz_file; /* not one file here */
  if (!made) require(mkdtemp(folder) && atexit(remove_folder) == 0);
  made = true;
  const uint8_t *end = bytes ? memchr(data, 0, bytes) : NULL;
  size_t text = end ? (size_t)(end - data) : bytes, rest = end ? bytes - text - 1 : 0, first = 0;
  const uint8_t *shards = data + bytes - rest;
  if (rest) {
    first = shards[0] < rest - 1 ? shards[0] : rest - 1;
    shards++;
    rest--;
  }
  bool json = text && data[0] == '{';
  write_part(json ? "model.json" : "model.js", data, text);
  write_part(json ? "s" : "s.js", shards, first);
  write_part(json ? "t" : "t.js", shards + first, rest - first);
  fuzz_source(kohl_tfjs_source, path_of(json ? "model.json" : "model.js"));
  return 0;
}
