/* Any bytes as a packed archive with TF.js models.  What does not begin as gzip is a tar archive, of which the sums are
 * set right and which is packed here: no mutation gets through sums and deflate.
 *
 *   build/fuzz/fuzz_tgz -dict=tests/fuzz/tfjs.dict -max_len=16384 -max_total_time=600 tests/fuzz/corpus/tgz */
#include <zlib.h>

#include "tests/fuzz/any_source.h"

enum { BLOCK = 512, MOST = 1 << 16, ROOM = MOST + 4096 };

static void set_sum(uint8_t *header) {
  unsigned sum = 0;
  memset(header + 148, ' ', 8);
  for (int i = 0; i < BLOCK; i++) sum += header[i];
  snprintf((char *)header + 148, 8, "%06o", sum & 0777777);
}

static size_t pack(uint8_t *tar, size_t length, uint8_t *out) {
  z_stream stream = {0};
  for (size_t at = 0; at + BLOCK <= length; at += BLOCK)
    if (memcmp(tar + at + 257, "ustar", 5) == 0) set_sum(tar + at);
  require(deflateInit2(&stream, 0, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = tar;
  stream.avail_in = (uInt)length;
  stream.next_out = out;
  stream.avail_out = ROOM;
  require(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  size_t packed = stream.total_out;
  deflateEnd(&stream);
  return packed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
  static uint8_t tar[MOST], packed[ROOM];
  if (bytes > MOST) return 0;
  if (bytes >= 2 && data[0] == 0x1f && data[1] == 0x8b) {
    fuzz_source(kohl_tfjs_source, fuzz_file(data, bytes));
    return 0;
  }
  if (bytes) memcpy(tar, data, bytes);
  size_t length = pack(tar, bytes, packed);
  fuzz_source(kohl_tfjs_source, fuzz_file(packed, length));
  return 0;
}
