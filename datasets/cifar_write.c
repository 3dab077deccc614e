/* A list of samples as binary batches in the style of CIFAR-10. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/loader.h"
#include "datasets/cifar.h"
#include "kernels/core/alloc.h"

enum { TEST, BATCHES = 6, META = BATCHES, SHAPE, OUTPUTS, CLASSES = 256 };

static const char *const names[OUTPUTS] = {"test_batch.bin",   "data_batch_1.bin", "data_batch_2.bin",
                                           "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
                                           "batches.meta.txt", "batches.shape.txt"};

typedef struct {
  kohl_context *ctx;
  kohl_samples *samples;
  const char *folder;
  FILE *file[OUTPUTS];
  size_t dealt; /* pictures of the data batches */
  int side;
} writer;

static kohl_status check(kohl_context *ctx, const kohl_samples *samples, const kohl_fit *fit) {
  const char *wrong = kohl_fit_check(fit);
  if (wrong) return kohl_fail(ctx, KOHL_USAGE, "preprocessing: %s", wrong);
  if (fit->w != fit->h || fit->w > 4096) {
    return kohl_fail(ctx, KOHL_USAGE, "size %d x %d, expected a square of at most 4096 pixels a side", fit->w, fit->h);
  }
  if (samples->class_count > CLASSES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%zu classes, expected at most %d: a label is one byte", samples->class_count,
                     CLASSES);
  }
  for (size_t i = 0; i < samples->class_count; i++) {
    if (strpbrk(samples->classes[i], "\r\n")) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "class %zu: a name of several lines, expected one", i);
    }
  }
  for (size_t i = 0; i < samples->count; i++) {
    size_t labels;
    char path[KOHL_SAMPLE_PATH];
    kohl_sample_labels(samples, i, &labels);
    if (labels == 1) continue;
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu labels, expected 1", kohl_sample_path(samples, i, path), labels);
  }
  return KOHL_OK;
}

static kohl_status open_files(writer *w) {
  if (mkdir(w->folder, 0777) != 0 && errno != EEXIST) {
    return kohl_fail(w->ctx, KOHL_BAD_INPUT, "%s: cannot be made: %s", w->folder, strerror(errno));
  }
  for (int i = 0; i < OUTPUTS; i++) {
    char path[KOHL_SAMPLE_PATH];
    if (i == SHAPE && w->side == 32) continue;
    snprintf(path, sizeof path, "%s/%s", w->folder, names[i]);
    w->file[i] = fopen(path, "wxe");
    if (!w->file[i]) return kohl_fail(w->ctx, KOHL_BAD_INPUT, "%s: cannot be written: %s", path, strerror(errno));
  }
  return KOHL_OK;
}

/* Closes all; on failure, of what came before or of the last bytes, removes what was opened. */
static kohl_status close_files(writer *w, kohl_status status) {
  bool opened[OUTPUTS];
  char path[KOHL_SAMPLE_PATH];
  for (int i = 0; i < OUTPUTS; i++) {
    opened[i] = w->file[i] != NULL;
    if (!opened[i]) continue;
    errno = 0;
    bool failed = ferror(w->file[i]) != 0;
    failed |= fclose(w->file[i]) != 0;
    if (!failed || status != KOHL_OK) continue;
    status = kohl_fail(w->ctx, KOHL_NO_RESOURCE, "%s/%s: cannot be written: %s", w->folder, names[i],
                       errno ? strerror(errno) : "an earlier write failed");
  }
  for (int i = 0; i < OUTPUTS && status != KOHL_OK; i++) {
    snprintf(path, sizeof path, "%s/%s", w->folder, names[i]);
    if (opened[i]) unlink(path);
  }
  return status;
}

static void write_picture(writer *w, size_t i, const uint8_t *rgb) {
  const kohl_sample *s = &w->samples->sample[i];
  FILE *file = w->file[s->split == KOHL_SPLIT_TEST ? TEST : 1 + w->dealt++ % (BATCHES - 1)];
  size_t pixels = (size_t)w->side * (size_t)w->side;
  putc(s->label, file);
  for (size_t c = 0; c < 3; c++) {
    for (size_t p = 0; p < pixels; p++) putc(rgb[3 * p + c], file);
  }
}

static kohl_status write_pictures(writer *w, const kohl_fit *fit, size_t *written) {
  kohl_preprocessing pre = kohl_preprocessing_default();
  kohl_loader_options options = kohl_loader_options_default();
  kohl_loader *loader = NULL;
  kohl_batch batch = {.count = 1};
  size_t *list = NULL, picture = (size_t)fit->w * (size_t)fit->h * 3;
  pre.fit = *fit;
  options.bytes = true;
  options.bad_limit = 1.0;
  kohl_status status = kohl_alloc(w->ctx, w->samples->count, sizeof *list, "the list of pictures", &list);
  for (size_t i = 0; status == KOHL_OK && i < w->samples->count; i++) list[i] = i;
  if (status == KOHL_OK) status = kohl_loader_create(w->ctx, w->samples, &pre, &options, &loader);
  if (status == KOHL_OK) status = kohl_loader_begin(loader, list, w->samples->count, 0);
  while (status == KOHL_OK && batch.count) {
    status = kohl_loader_next(loader, &batch);
    for (size_t i = 0; status == KOHL_OK && i < batch.count; i++) {
      if (batch.ok[i]) write_picture(w, batch.sample[i], batch.bytes + i * picture);
      *written += batch.ok[i];
    }
  }
  kohl_loader_destroy(loader);
  kohl_free(w->ctx, list);
  return status;
}

kohl_status kohl_cifar_write(kohl_context *ctx, kohl_samples *samples, const kohl_fit *fit, const char *folder,
                             size_t *written) {
  *written = 0;
  kohl_status status = check(ctx, samples, fit);
  if (status != KOHL_OK) return status;
  writer w = {.ctx = ctx, .samples = samples, .folder = folder, .side = fit->w};
  status = open_files(&w);
  if (status == KOHL_OK) {
    for (size_t i = 0; i < samples->class_count; i++) fprintf(w.file[META], "%s\n", samples->classes[i]);
    if (w.file[SHAPE]) fprintf(w.file[SHAPE], "%d 1\n", w.side);
    status = write_pictures(&w, fit, written);
  }
  return close_files(&w, status);
}
