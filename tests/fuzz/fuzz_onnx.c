/* Any bytes as an ONNX model: refused with one line, or weights that can be read to the end and their network.  The
 * seeds in corpus/onnx are one small network in many spellings (pytorch's exporters, and a writer of the tests); external
 * data is never found, as the file has no folder of its own:
 *
 *   build/fuzz/fuzz_onnx -dict=tests/fuzz/onnx.dict -max_len=8192 -max_total_time=600 tests/fuzz/corpus/onnx */
#include "tests/fuzz/any_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  fuzz_source(kohl_onnx_source, fuzz_file(data, bytes));
  return 0;
}
