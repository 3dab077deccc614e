/* The list of kernels that change colours, the check of a desc, and the two passes around every kernel's loops. */
#include "kernels/colour/colour.h"

#define KERNEL(...) KOHL_DECLARE_KERNEL(colour, __VA_ARGS__)
#include "kernels/colour/colour.def"
#undef KERNEL

static const kohl_kernel table[] = {
#define KERNEL(...) KOHL_TABLE_KERNEL(colour, __VA_ARGS__)
#include "kernels/colour/colour.def"
#undef KERNEL
};
KOHL_DEFINE_OP(colour, table)

enum { BLOCK = 4096 }; /* pixels per unit of work: 48 KiB */

const char *kohl_colour_check(const void *desc) {
  const kohl_colour_desc *d = desc;
  if (d->n < 0 || d->pixels < 1) return "a size is below 1";
  return d->pixels > KOHL_COLOUR_PIXELS ? "a picture has more than 2^28 pixels" : NULL;
}

static size_t blocks_of(const kohl_colour_desc *d) { return ((size_t)d->pixels + BLOCK - 1) / BLOCK; }

size_t kohl_colour_workspace(const void *desc, size_t workers) {
  const kohl_colour_desc *d = desc;
  (void)workers;
  return (size_t)d->n * (blocks_of(d) * sizeof(uint64_t) + sizeof(float));
}

typedef struct {
  const kohl_colour_desc *d;
  const kohl_args *args;
  uint64_t *sums; /* [n][blocks] */
  float *means;   /* [n] */
  kohl_colour_sum sum;
  kohl_colour_apply apply;
} job;

/* One block: its picture, the first float, the number of pixels. */
typedef struct {
  size_t n, at, pixels;
} block;

static block block_at(const job *j, size_t index) {
  size_t blocks = blocks_of(j->d), pixels = (size_t)j->d->pixels, first = index % blocks * BLOCK;
  block b = {index / blocks, (index / blocks * pixels + first) * 3, pixels - first};
  if (b.pixels > BLOCK) b.pixels = BLOCK;
  return b;
}

static const float *factors_of(const job *j, size_t n) { return (const float *)j->args->in[COLOUR_FACTORS] + n * 3; }

static void sum_block(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  block b = block_at(j, index);
  const float *factors = factors_of(j, b.n);
  if (factors[1] == 1.0f) return;
  j->sums[index] = j->sum((const float *)j->args->in[COLOUR_SRC] + b.at, factors[0], b.pixels);
}

static void apply_block(void *state, size_t index, size_t worker) {
  (void)worker;
  const job *j = state;
  block b = block_at(j, index);
  const float *factors = factors_of(j, b.n);
  kohl_colour_change change = {factors[0], factors[1], factors[2], j->means[b.n]};
  j->apply(&change, (const float *)j->args->in[COLOUR_SRC] + b.at, (float *)j->args->out[COLOUR_DST] + b.at, b.pixels);
}

void kohl_colour_run(const void *desc, const kohl_args *args, kohl_threads *threads, kohl_colour_sum sum,
                     kohl_colour_apply apply) {
  const kohl_colour_desc *d = desc;
  size_t n = (size_t)d->n, blocks = blocks_of(d);
  uint64_t *sums = args->workspace;
  job j = {d, args, sums, (float *)(sums + n * blocks), sum, apply};
  bool any = false;
  for (size_t i = 0; i < n; i++) any = any || factors_of(&j, i)[1] != 1.0f;
  if (any) kohl_parallel(threads, sum_block, &j, n * blocks);
  for (size_t i = 0; i < n; i++) {
    uint64_t total = 0;
    for (size_t k = 0; factors_of(&j, i)[1] != 1.0f && k < blocks; k++) total += sums[i * blocks + k];
    j.means[i] = (float)((double)total / (65536.0 * (double)d->pixels));
  }
  kohl_parallel(threads, apply_block, &j, n * blocks);
}
