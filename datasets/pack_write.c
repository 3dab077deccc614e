/* Writing a pack: the index has its size from the start, so that pictures follow it as they are decoded and the index
 * itself is filled in last. */
#include <string.h>

#include "datasets/loader.h"
#include "datasets/pack_format.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"
#include "kernels/core/place.h"

/* All but the pictures, which are never in memory together. */
typedef struct {
  kohl_context *ctx;
  kohl_samples *samples;
  kohl_pack_header header;
  kohl_pack_record *index; /* records, texts and the zeros behind them; owned */
  size_t index_bytes;
  size_t *list; /* 0, 1, 2 ...; owned */
} writer;

kohl_pack_options kohl_pack_options_default(void) { return (kohl_pack_options){.workers = -1, .bad_limit = 0.01}; }

/* Header fields that are known before the pictures are.  Sizes cannot overflow: 2^24 samples of 3 * 2^26 bytes. */
static void begin_header(writer *w, const kohl_preprocessing *pre, size_t texts) {
  kohl_pack_header *h = &w->header;
  const kohl_fit *fit = &pre->fit;
  memcpy(h->magic, KOHL_PACK_MAGIC, sizeof h->magic);
  h->version = KOHL_PACK_VERSION;
  h->classes = (uint32_t)w->samples->class_count;
  h->samples = w->samples->count;
  h->texts = texts;
  h->weights = w->samples->weight != NULL;
  h->groups = w->samples->group ? (uint32_t)w->samples->groups.count : 0;
  h->labels = w->samples->label_begin ? w->samples->label_begin[w->samples->count] : 0;
  size_t end = sizeof *h + w->samples->count * sizeof *w->index + 4 * (size_t)h->labels + texts;
  h->pictures = (end + KOHL_PACK_PAGE - 1) / KOHL_PACK_PAGE * KOHL_PACK_PAGE;
  h->h = (uint32_t)fit->h;
  h->w = (uint32_t)fit->w;
  h->mode = (uint32_t)fit->mode;
  h->filter = (uint32_t)fit->filter;
  /* What a mode does not read is not kept: it may hold anything. */
  if (fit->mode == KOHL_FIT_CROP) h->resize = (uint32_t)fit->resize;
  if (fit->mode == KOHL_FIT_FRACTION) h->fraction = fit->fraction;
  memcpy(h->fit_background, fit->background, 3);
  memcpy(h->background, pre->decode.background, 3);
  h->orient = pre->decode.orient;
  h->fast = pre->decode.fast;
  h->bytes = h->pictures + h->samples * ((uint64_t)h->h * h->w * 3);
  w->index_bytes = (size_t)h->pictures - sizeof *h;
}

/* Bytes of a text with its zero, which a reader would take. */
static kohl_status text_bytes(kohl_context *ctx, const char *text, size_t *sum) {
  size_t bytes = strlen(text) + 1;
  if (bytes > 1 && bytes <= KOHL_PACK_PATH && kohl_utf8_valid(text, bytes - 1)) {
    *sum += bytes;
    return KOHL_OK;
  }
  return kohl_fail(ctx, KOHL_BAD_INPUT, "class or path '%.400s': not 1 to %d bytes of UTF-8", text, KOHL_PACK_PATH - 1);
}

/* Copies a text with its zero to the texts of the index. */
static void put_text(char *texts, size_t *at, const char *text) {
  size_t bytes = strlen(text) + 1;
  memcpy(texts + *at, text, bytes);
  *at += bytes;
}

static void fill_record(writer *w, size_t i, size_t *label_at) {
  const kohl_samples *s = w->samples;
  kohl_pack_record *r = &w->index[i];
  r->label = (uint32_t)s->sample[i].label;
  r->split = s->sample[i].split;
  r->weight = kohl_sample_weight(s, i);
  r->group = s->group ? s->group[i] : 0;
  if (!s->label_begin) return;
  size_t count;
  const int *labels = kohl_sample_labels(s, i, &count);
  r->labels = (uint32_t)count;
  memcpy((int32_t *)(w->index + s->count) + *label_at, labels, count * sizeof *labels);
  *label_at += count;
}

static kohl_status make_index(writer *w, const kohl_preprocessing *pre) {
  const kohl_samples *s = w->samples;
  size_t texts = 0, at = 0, label_at = 0, groups = s->group ? s->groups.count : 0;
  char path[KOHL_SAMPLE_PATH];
  kohl_status status = KOHL_OK;
  for (size_t c = 0; c < s->class_count && status == KOHL_OK; c++) status = text_bytes(w->ctx, s->classes[c], &texts);
  for (size_t g = 0; g < groups && status == KOHL_OK; g++) status = text_bytes(w->ctx, s->groups.text[g], &texts);
  for (size_t i = 0; i < s->count && status == KOHL_OK; i++) {
    status = text_bytes(w->ctx, kohl_sample_path(s, i, path), &texts);
  }
  if (status != KOHL_OK) return status;
  begin_header(w, pre, texts);
  status = kohl_alloc(w->ctx, w->index_bytes, 1, "the index of a pack", &w->index);
  if (status == KOHL_OK) status = kohl_alloc(w->ctx, s->count, sizeof *w->list, "the list of a pack", &w->list);
  if (status != KOHL_OK) return status;
  char *text = (char *)(w->index + s->count) + 4 * (size_t)w->header.labels;
  for (size_t c = 0; c < s->class_count; c++) put_text(text, &at, s->classes[c]);
  for (size_t g = 0; g < groups; g++) put_text(text, &at, s->groups.text[g]);
  for (size_t i = 0; i < s->count; i++) {
    w->index[i].text = at;
    put_text(text, &at, kohl_sample_path(s, i, path));
    w->index[i].path = (uint32_t)(at - (size_t)w->index[i].text - 1);
    fill_record(w, i, &label_at);
    w->list[i] = i;
  }
  return KOHL_OK;
}

static kohl_status write_pictures(writer *w, kohl_loader *loader, kohl_file_place *place,
                                  const kohl_pack_options *options) {
  size_t picture = (size_t)w->header.h * w->header.w * 3;
  kohl_status status = kohl_loader_begin(loader, w->list, w->samples->count, 0);
  while (status == KOHL_OK) {
    kohl_batch batch;
    status = kohl_loader_next(loader, &batch);
    if (status != KOHL_OK || batch.count == 0) break;
    for (size_t i = 0; i < batch.count; i++) {
      kohl_pack_record *r = &w->index[batch.sample[i]];
      r->crc = kohl_crc32c(0, batch.bytes + i * picture, picture);
      r->bad = !batch.ok[i];
      w->header.bad += r->bad;
    }
    status = kohl_place_append(w->ctx, place, batch.bytes, batch.count * picture);
    size_t done = (size_t)batch.draw[0] + batch.count;
    if (status == KOHL_OK && options->progress) options->progress(options->progress_user, done, w->samples->count);
  }
  return status;
}

static kohl_status write_file(writer *w, kohl_loader *loader, const kohl_pack_options *options, const char *path) {
  kohl_file_place place;
  kohl_status status = kohl_place_begin(w->ctx, path, &place);
  if (status != KOHL_OK) return status;
  status = kohl_place_create(w->ctx, &place);
  /* As placeholders: no reader takes a header without its CRC for one. */
  if (status == KOHL_OK) status = kohl_place_append(w->ctx, &place, &w->header, sizeof w->header);
  if (status == KOHL_OK) status = kohl_place_append(w->ctx, &place, w->index, w->index_bytes);
  if (status == KOHL_OK) status = write_pictures(w, loader, &place, options);
  if (status == KOHL_OK) {
    w->header.index_crc = kohl_crc32c(0, w->index, w->index_bytes);
    w->header.header_crc = kohl_crc32c(0, &w->header, offsetof(kohl_pack_header, header_crc));
    status = kohl_place_patch(w->ctx, &place, 0, &w->header, sizeof w->header);
  }
  if (status == KOHL_OK) {
    status = kohl_place_patch(w->ctx, &place, sizeof w->header, w->index, w->index_bytes);
  }
  if (status == KOHL_OK) status = kohl_place_commit(w->ctx, &place);
  kohl_place_end(w->ctx, &place);
  return status;
}

kohl_status kohl_pack_write(kohl_context *ctx, kohl_samples *samples, const kohl_preprocessing *pre,
                            const kohl_pack_options *options, const char *path) {
  writer w = {.ctx = ctx, .samples = samples};
  kohl_loader *loader = NULL;
  kohl_loader_options loading = kohl_loader_options_default();
  loading.workers = options->workers;
  loading.bad_limit = options->bad_limit;
  loading.bytes = true;
  kohl_status status = samples->count ? KOHL_OK : kohl_fail(ctx, KOHL_USAGE, "%s: no pictures to pack", path);
  if (status == KOHL_OK) status = kohl_loader_create(ctx, samples, pre, &loading, &loader);
  if (status == KOHL_OK) status = make_index(&w, pre);
  if (status == KOHL_OK) status = write_file(&w, loader, options, path);
  kohl_loader_destroy(loader);
  kohl_free(ctx, w.index);
  kohl_free(ctx, w.list);
  return status;
}
