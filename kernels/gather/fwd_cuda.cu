/* gather: blocks along a row, in words of 16 bytes where all rows lie at such addresses, else of 4, else of 1. */
#include "kernels/core/cuda.h"

extern "C" {
#include "kernels/gather/gather.h"
}

static constexpr unsigned BLOCK = 256, GRID = 65535;

/* Loaded and stored at once. */
struct alignas(16) sixteen {
  uint32_t v[4];
};

template <class Word>
static __global__ void __launch_bounds__(BLOCK)
    gather(kohl_gather_desc d, size_t words, const Word *src, const int32_t *index, Word *dst) {
  for (size_t row = blockIdx.y; row < static_cast<size_t>(d.n); row += gridDim.y) {
    const int32_t number = index[row];
    const bool there = number >= 0 && number < d.rows;
    const Word *from = src + (there ? static_cast<size_t>(number) * words : 0);
    for (size_t i = kohl_thread_index(); i < words; i += kohl_thread_count()) {
      dst[row * words + i] = there ? from[i] : Word();
    }
  }
}

template <class Word>
static void launch_words(const kohl_gather_desc *d, const kohl_args *args, kohl_stream *stream) {
  const size_t words = static_cast<size_t>(d->bytes) / sizeof(Word);
  const unsigned n = static_cast<unsigned>(d->n), rows = n < GRID ? n : GRID;
  KOHL_LAUNCH(stream, gather<Word>, dim3(kohl_grid(words, BLOCK), rows), dim3(BLOCK), *d, words,
              static_cast<const Word *>(args->in[GATHER_SRC]), static_cast<const int32_t *>(args->in[GATHER_INDEX]),
              static_cast<Word *>(args->out[GATHER_DST]));
}

static void launch(const void *desc, const kohl_args *args, kohl_stream *stream) {
  const kohl_gather_desc *d = static_cast<const kohl_gather_desc *>(desc);
  const uintptr_t bits = reinterpret_cast<uintptr_t>(args->in[GATHER_SRC]) |
                         reinterpret_cast<uintptr_t>(args->out[GATHER_DST]) | static_cast<uintptr_t>(d->bytes);
  if (bits % sizeof(sixteen) == 0)
    launch_words<sixteen>(d, args, stream);
  else if (bits % sizeof(uint32_t) == 0)
    launch_words<uint32_t>(d, args, stream);
  else
    launch_words<uint8_t>(d, args, stream);
}

static const char *accepts(const void *desc) { return kohl_gather_check(static_cast<const kohl_gather_desc *>(desc)); }

KOHL_CUDA_KERNEL(gather, fwd, cuda, accepts, NULL, launch)
