/* gather forward, the reference. */
#include <string.h>

#include "kernels/gather/gather.h"

static const char *accepts(const void *desc) { return kohl_gather_check(desc); }

typedef struct {
  const kohl_gather_desc *d;
  const kohl_args *args;
} job;

static void row(void *state, size_t i, size_t worker) {
  (void)worker;
  const job *j = state;
  const size_t bytes = (size_t)j->d->bytes;
  const char *src = j->args->in[GATHER_SRC];
  const int32_t from = ((const int32_t *)j->args->in[GATHER_INDEX])[i];
  char *dst = (char *)j->args->out[GATHER_DST] + i * bytes;
  if (from >= 0 && from < j->d->rows)
    memcpy(dst, src + (size_t)from * bytes, bytes);
  else
    memset(dst, 0, bytes);
}

static void run(const void *desc, const kohl_args *args, kohl_threads *threads) {
  job j = {desc, args};
  kohl_parallel(threads, row, &j, (size_t)j.d->n);
}

const kohl_kernel_code kohl_gather_fwd_ref = {accepts, NULL, NULL, NULL, run};
