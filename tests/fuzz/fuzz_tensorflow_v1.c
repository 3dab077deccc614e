/* Fuzz target: any bytes as one file of a TensorFlow checkpoint. */
#include "tests/fuzz/any_source.h"
#include "tests/fuzz/tensorflow_mutate.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
  return mutate_table(data, size, most, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  fuzz_source(kohl_tensorflow_source, fuzz_file(data, bytes));
  return 0;
}
