/* Taking samples out of a list. */
#include "datasets/source.h"
#include "kernels/core/alloc.h"

/* The labels of a list with several: those of what stays move to the front. */
static void keep_labels(kohl_samples *s, const bool *keep) {
  size_t at = 0, used = 0;
  for (size_t i = 0; i < s->count; i++) {
    uint32_t begin = s->label_begin[i], end = s->label_begin[i + 1]; /* of i + 1 nothing is overwritten yet */
    if (!keep[i]) continue;
    s->label_begin[at++] = (uint32_t)used;
    for (uint32_t k = begin; k < end; k++) s->labels[used++] = s->labels[k];
  }
  s->label_begin[at] = (uint32_t)used;
}

kohl_status kohl_samples_keep(kohl_context *ctx, kohl_samples *samples, const bool *keep) {
  kohl_samples *s = samples;
  size_t at = 0;
  if (s->pack && !s->packed) {
    kohl_status status = kohl_alloc(ctx, s->count, sizeof *s->packed, "the list of samples", &s->packed);
    if (status != KOHL_OK) return status;
    for (size_t i = 0; i < s->count; i++) s->packed[i] = (uint32_t)i;
  }
  if (s->label_begin) keep_labels(s, keep);
  for (size_t i = 0; i < s->count; i++) {
    if (!keep[i]) {
      s->bad -= s->sample[i].bad;
      continue;
    }
    s->sample[at] = s->sample[i];
    if (s->weight) s->weight[at] = s->weight[i];
    if (s->group) s->group[at] = s->group[i];
    if (s->packed) s->packed[at] = s->packed[i];
    for (size_t c = 0; c < s->column_count; c++) {
      if (s->value[c]) s->value[c][at] = s->value[c][i];
    }
    at++;
  }
  s->count = at;
  return KOHL_OK;
}
