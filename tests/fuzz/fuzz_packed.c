/* Fuzz target: files of packed weights, any bytes.  Most inputs get header and CRCs repaired, else nothing but these
 * checks would be tested.  An accepted file must hold every byte of the plan's weights. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/crc32c.h"
#include "nn/packed.h"

enum { DIGEST = 12345 };

static kohl_context *context;
static kohl_graph *graph;
static kohl_plan *plan; /* of a small network, made once */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

static void require(bool holds) {
  if (!holds) abort();
}

static int add(kohl_layer layer, const char *name, const kohl_params *params, int from) {
  int index;
  require(kohl_graph_add(context, graph, layer, name, params, &from, from >= 0, &index) == KOHL_OK);
  require(kohl_graph_infer(context, graph) == KOHL_OK);
  return index;
}

static void begin(void) {
  kohl_context_options options = kohl_context_options_default();
  kohl_plan_options how = kohl_plan_options_default();
  kohl_params params = kohl_params_default();
  options.threads = 1;
  require(kohl_context_create(&options, &context) == KOHL_OK);
  require(kohl_graph_create(context, "fuzz", &graph) == KOHL_OK);
  params.size[0] = params.size[1] = 2;
  params.size[2] = 1;
  int at = add(KOHL_LAYER_input, "input", &params, -1);
  params.filters = 2;
  params.kernel[0] = params.kernel[1] = 1;
  at = add(KOHL_LAYER_conv2d, "first", &params, at);
  add(KOHL_LAYER_conv2d, "second", &params, at);
  require(kohl_plan_create(context, graph, &how, &plan) == KOHL_OK);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed) {
  kohl_packed_header h;
  if (!plan) begin();
  size = LLVMFuzzerMutate(data, size, room);
  if (seed % 8 == 0 || size < sizeof h) return size;
  memcpy(&h, data, sizeof h);
  memcpy(h.magic, KOHL_PACKED_MAGIC, sizeof h.magic);
  if (seed % 2) { /* the numbers that must agree with the plan, too */
    h.version = KOHL_PACKED_VERSION;
    h.digest = DIGEST;
    h.bytes = plan->weights_bytes;
    h.data = KOHL_PACKED_PAGE;
    const size_t whole = (size_t)h.data + (size_t)h.bytes;
    if (seed % 4 == 1 && whole <= room) {
      if (whole > size) memset(data + size, 0, whole - size);
      size = whole;
    }
    h.count = 0;
    for (size_t i = 0; i < plan->buffer_count; i++) {
      const kohl_buffer *b = &plan->buffers[i];
      if (b->kind != KOHL_BUFFER_WEIGHTS) continue;
      const size_t at = sizeof h + h.count++ * sizeof(kohl_packed_line);
      const kohl_packed_line line = {.offset = b->offset, .bytes = b->bytes};
      if (seed % 16 != 3 && at + sizeof line <= size) memcpy(data + at, &line, sizeof line);
    }
  }
  const size_t table = (size_t)h.count * sizeof(kohl_packed_line);
  if (table <= size - sizeof h) h.table_crc = kohl_crc32c(0, data + sizeof h, table);
  h.header_crc = kohl_crc32c(0, &h, offsetof(kohl_packed_header, header_crc));
  memcpy(data, &h, sizeof h);
  return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  kohl_packed *packed;
  if (!plan) begin();
  if (kohl_packed_open_memory(context, "input", data, size, plan, DIGEST, &packed) != KOHL_PACKED_FITS) {
    require(!packed && strncmp(kohl_context_error(context), "input: ", 7) == 0);
    return 0;
  }
  const char *weights = kohl_packed_weights(packed);
  require(weights + plan->weights_bytes == (const char *)data + size);
  for (size_t i = 0; i < plan->buffer_count; i++) {
    const kohl_buffer *b = &plan->buffers[i];
    if (b->kind != KOHL_BUFFER_WEIGHTS || !b->bytes) continue;
    volatile char sink = weights[b->offset];
    sink = weights[b->offset + b->bytes - 1];
    (void)sink;
  }
  kohl_packed_check(context, packed, plan);
  kohl_packed_close(context, packed);
  return 0;
}
