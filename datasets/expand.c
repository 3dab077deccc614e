/* Offline augmentation: the plan, the names, the files. */
#include "datasets/expand.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "datasets/png_write.h"
#include "kernels/core/alloc.h"

enum { NAME = 200 /* bytes of a name before its numbers */, CHUNK = 256 /* pictures between two calls of progress */ };

typedef struct {
  kohl_context *ctx;
  const kohl_samples *samples;
  const kohl_extra *extras;
  const kohl_expand_options *options;
  const char *folder;
  bool numbered; /* names carry the sample's number */
  size_t first;  /* of the chunk */
  kohl_status status[CHUNK];
  char (*text)[KOHL_ERROR_TEXT]; /* CHUNK of them */
  uint8_t *pixels;               /* of each worker */
  bool *made;                    /* of each extra */
} job;

/* Where a new picture lies: FOLDER/CLASS/NAME_DRAW.png. */
typedef struct {
  char text[4096];
} file_path;

kohl_status kohl_extras_plan(kohl_context *ctx, const kohl_samples *samples, size_t least, uint64_t seed,
                             kohl_extra **extras, size_t *count) {
  kohl_list list = {0};
  uint32_t *draws = NULL;
  *extras = NULL;
  *count = 0;
  if (kohl_samples_count(samples, KOHL_SPLIT_UNSET) > 0) {
    return kohl_fail(ctx, KOHL_USAGE, "%zu pictures are in no part of the data yet, expected all to have a split",
                     kohl_samples_count(samples, KOHL_SPLIT_UNSET));
  }
  kohl_status status = kohl_list_of_split(ctx, samples, KOHL_SPLIT_TRAIN, &list);
  size_t good = 0;
  for (size_t i = 0; status == KOHL_OK && i < list.count; i++) {
    if (!samples->sample[list.sample[i]].bad) list.sample[good++] = list.sample[i];
  }
  list.count = good;
  if (status == KOHL_OK) status = kohl_list_oversample(ctx, samples, least, seed, &list);
  if (status == KOHL_OK) status = kohl_alloc(ctx, samples->count, sizeof *draws, "new pictures", &draws);
  if (status == KOHL_OK) status = kohl_alloc(ctx, list.count - good, sizeof **extras, "new pictures", extras);
  for (size_t i = good; status == KOHL_OK && i < list.count; i++) {
    (*extras)[(*count)++] = (kohl_extra){list.sample[i], ++draws[list.sample[i]]};
  }
  kohl_free(ctx, draws);
  kohl_list_free(ctx, &list);
  return status;
}

/* Copies at most NAME bytes, no part of a character; what a folder must not hold becomes '_'. */
static bool copy_name(const char *name, size_t bytes, char out[NAME + 1]) {
  bool same = bytes <= NAME;
  if (!same) bytes = NAME;
  while (!same && bytes > 0 && ((unsigned char)name[bytes] & 0xc0) == 0x80) bytes--;
  for (size_t i = 0; i < bytes; i++) {
    bool odd = name[i] == '/' || (unsigned char)name[i] < ' ' || name[i] == 127 || (i == 0 && name[i] == '.');
    out[i] = odd ? '_' : name[i];
    same = same && !odd;
  }
  out[bytes] = 0;
  return same;
}

/* The file name of a sample without folders and ending. */
static void stem_of(const kohl_samples *samples, size_t i, char out[NAME + 1]) {
  char name[KOHL_SAMPLE_PATH];
  const char *dot = strrchr(kohl_sample_name(samples, i, name), '.');
  copy_name(name, dot > name ? (size_t)(dot - name) : strlen(name), out);
}

static void class_path(const job *j, int label, file_path *out) {
  char name[NAME + 1];
  if (copy_name(j->samples->classes[label], strlen(j->samples->classes[label]), name)) {
    snprintf(out->text, sizeof out->text, "%s/%s", j->folder, name);
  } else {
    snprintf(out->text, sizeof out->text, "%s/%s_%d", j->folder, name, label);
  }
}

static void extra_path(const job *j, kohl_extra extra, file_path *out) {
  char name[NAME + 1];
  const kohl_sample *s = &j->samples->sample[extra.sample];
  stem_of(j->samples, extra.sample, name);
  class_path(j, s->label, out);
  size_t used = strlen(out->text);
  if (j->numbered) {
    snprintf(out->text + used, sizeof out->text - used, "/%s_%06zu_%u.png", name, extra.sample, extra.draw);
  } else {
    snprintf(out->text + used, sizeof out->text - used, "/%s_%u.png", name, extra.draw);
  }
}

typedef struct {
  int label;
  char stem[NAME + 1];
} known_name;

static int by_name(const void *a, const void *b) {
  const known_name *x = a, *y = b;
  return x->label != y->label ? (x->label > y->label) - (x->label < y->label) : strcmp(x->stem, y->stem);
}

/* Whether two samples that are drawn from could give the same path: equal names in a class, or classes of which the
 * folder is not the name. */
static kohl_status find_same_names(job *j, size_t count) {
  known_name *names;
  size_t used = 0;
  kohl_status status = kohl_alloc(j->ctx, count, sizeof *names, "new pictures", &names);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < count; i++) {
    const kohl_sample *s = &j->samples->sample[j->extras[i].sample];
    if (j->extras[i].draw != 1) continue;
    char class[NAME + 1];
    if (!copy_name(j->samples->classes[s->label], strlen(j->samples->classes[s->label]), class)) j->numbered = true;
    names[used].label = s->label;
    stem_of(j->samples, j->extras[i].sample, names[used++].stem);
  }
  qsort(names, used, sizeof *names, by_name);
  for (size_t i = 1; i < used; i++) j->numbered = j->numbered || by_name(&names[i - 1], &names[i]) == 0;
  kohl_free(j->ctx, names);
  return KOHL_OK;
}

static kohl_status make_folder(kohl_context *ctx, const char *path) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be made: %s", path, strerror(errno));
}

/* Makes the folder, which must be empty, and those of the classes that get pictures. */
static kohl_status make_folders(job *j, size_t count) {
  kohl_status status = make_folder(j->ctx, j->folder);
  if (status != KOHL_OK) return status;
  DIR *dir = opendir(j->folder);
  if (!dir) return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: cannot be read: %s", j->folder, strerror(errno));
  bool empty = true;
  for (const struct dirent *e; (e = readdir(dir));) {
    empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
  }
  closedir(dir);
  if (!empty) return kohl_fail(j->ctx, KOHL_BAD_INPUT, "%s: not empty, expected a new folder", j->folder);
  int last = -1;
  for (size_t i = 0; status == KOHL_OK && i < count; i++) {
    int label = j->samples->sample[j->extras[i].sample].label; /* extras come class by class */
    if (label == last) continue;
    file_path path;
    last = label;
    class_path(j, label, &path);
    status = make_folder(j->ctx, path.text);
  }
  return status;
}

static void make_one(void *state, size_t i, size_t worker) {
  job *j = state;
  const kohl_expand_options *o = j->options;
  kohl_extra extra = j->extras[j->first + i];
  kohl_context ctx = kohl_context_worker(j->ctx);
  uint8_t *pixels = j->pixels + worker * (size_t)o->w * (size_t)o->h * 3;
  file_path path;
  kohl_status status = o->make(o->user, &ctx, j->samples, extra, pixels, o->w, o->h);
  j->made[j->first + i] = status == KOHL_OK;
  extra_path(j, extra, &path);
  if (status == KOHL_OK) {
    status = kohl_png_write(&ctx, path.text, pixels, o->w, o->h);
    if (status == KOHL_BAD_INPUT) status = KOHL_NO_RESOURCE; /* the disk's fault, not the picture's */
  }
  j->status[i] = status;
  if (status != KOHL_OK) memcpy(j->text[i], ctx.error, KOHL_ERROR_TEXT);
}

static kohl_status make_all(job *j, size_t count) {
  for (j->first = 0; j->first < count; j->first += CHUNK) {
    size_t n = count - j->first < CHUNK ? count - j->first : CHUNK;
    kohl_status status = kohl_check_cancel(j->ctx);
    if (status != KOHL_OK) return status;
    kohl_parallel(j->ctx->threads, make_one, j, n);
    for (size_t i = 0; i < n; i++) {
      if (j->status[i] == KOHL_OK) continue;
      if (j->status[i] != KOHL_BAD_INPUT) return kohl_fail(j->ctx, j->status[i], "%s", j->text[i]);
      kohl_log(j->ctx, KOHL_LOG_WARNING, "bad picture, skipped: %s", j->text[i]);
    }
    if (j->options->progress) j->options->progress(j->options->progress_user, j->first + n, count);
  }
  return KOHL_OK;
}

/* All samples and the new ones behind them, which differ from those they are made of by their paths. */
static kohl_status write_labels(job *j, size_t count, size_t written) {
  file_path path;
  kohl_sample_row *rows = NULL;
  char *texts = NULL;
  size_t room = strlen(j->folder) + 3 * NAME, used = 0;
  kohl_status status = kohl_alloc(j->ctx, written, sizeof *rows, "labels.csv", &rows);
  if (status == KOHL_OK) status = kohl_alloc(j->ctx, written, room, "labels.csv", &texts);
  if (status == KOHL_OK) {
    for (size_t i = 0; i < count; i++) {
      if (!j->made[i]) continue;
      char *text = texts + used * room;
      extra_path(j, j->extras[i], &path);
      memcpy(text, path.text, strlen(path.text) + 1);
      rows[used++] = (kohl_sample_row){j->extras[i].sample, text};
    }
    snprintf(path.text, sizeof path.text, "%s/labels.csv", j->folder);
    status = kohl_samples_write_rows(j->ctx, j->samples, true, rows, used, path.text);
  }
  kohl_free(j->ctx, rows);
  kohl_free(j->ctx, texts);
  return status;
}

kohl_status kohl_expand(kohl_context *ctx, const kohl_samples *samples, const kohl_extra *extras, size_t count,
                        const kohl_expand_options *options, const char *folder, size_t *written) {
  *written = 0;
  if (options->w < 1 || options->h < 1 || strlen(folder) > sizeof(file_path) - 3 * NAME) {
    return kohl_fail(ctx, KOHL_USAGE,
                     "%.200s: %d x %d pixels, expected at least 1 x 1, and a shorter path than %zu bytes", folder,
                     options->w, options->h, sizeof(file_path) - 3 * NAME);
  }
  if (samples->pack || samples->records) {
    char path[KOHL_SAMPLE_PATH];
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%.400s: no file of its own, expected pictures that labels.csv can name",
                     kohl_sample_path(samples, 0, path));
  }
  size_t bytes, workers = kohl_threads_count(ctx->threads);
  if (!kohl_mul_size((size_t)options->w * 3, (size_t)options->h, &bytes)) bytes = SIZE_MAX;
  job *j;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *j, "new pictures", &j);
  if (status != KOHL_OK) return status;
  j->ctx = ctx;
  j->samples = samples;
  j->extras = extras;
  j->options = options;
  j->folder = folder;
  status = kohl_alloc(ctx, CHUNK, sizeof *j->text, "new pictures", &j->text);
  if (status == KOHL_OK) status = kohl_alloc(ctx, workers, bytes, "new pictures", &j->pixels);
  if (status == KOHL_OK) status = kohl_alloc(ctx, count, sizeof *j->made, "new pictures", &j->made);
  if (status == KOHL_OK) status = find_same_names(j, count);
  if (status == KOHL_OK) status = make_folders(j, count);
  if (status == KOHL_OK) status = make_all(j, count);
  for (size_t i = 0; status == KOHL_OK && i < count; i++) *written += j->made[i];
  if (status == KOHL_OK) status = write_labels(j, count, *written);
  kohl_free(ctx, j->text);
  kohl_free(ctx, j->pixels);
  kohl_free(ctx, j->made);
  kohl_free(ctx, j);
  return status;
}
