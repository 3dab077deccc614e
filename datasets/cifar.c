/* Finding CIFAR's batches, and reading their labels and records. */
#include "datasets/cifar.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/file.h"
#include "datasets/pickle.h"
#include "kernels/core/alloc.h"

enum { FILES = 1024, META_BYTES = 1 << 20, BATCH_BYTES = 1 << 30, WINDOW = 1 << 20, LABELS = 256 };

/* What a folder of each kind holds.  keys: of the labels in a pickle; names_key: of the class names. */
typedef struct {
  const char *meta, *first_train, *test; /* a training batch's name begins with first_train */
  const char *ending;                    /* and ends so; "" is exact */
  bool pickled, fine;
} layout;

static const layout layouts[] = {
    {"batches.meta.txt", "data_batch_", "test_batch.bin", ".bin", false, false},
    {"fine_label_names.txt", "train.bin", "test.bin", ".bin", false, true},
    {"batches.meta", "data_batch_", "test_batch", "", true, false},
    {"meta", "train", "test", "", true, true},
};

/* An index under construction. */
typedef struct {
  kohl_samples_builder *b;
  const layout *layout;
  const char *folder;
  bool coarse;
  int side, label_bytes;
  int label[LABELS], labels; /* the list's label for each number */
} index_of;

static bool is_file(const char *folder, const char *name) {
  char path[KOHL_SAMPLE_PATH];
  struct stat st;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The layout, or NULL.  "meta" and "train" are usual names, so that all files of a layout must be there. */
static const layout *find_layout(const char *folder) {
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    const layout *l = &layouts[i];
    if (!is_file(folder, l->meta)) continue;
    if (!l->fine || (is_file(folder, l->first_train) && is_file(folder, l->test))) return l;
  }
  return NULL;
}

bool kohl_cifar_is(const char *folder) { return find_layout(folder) != NULL; }

static kohl_status load(index_of *x, const char *name, size_t limit, char path[KOHL_SAMPLE_PATH], uint8_t **bytes,
                        size_t *length) {
  *bytes = NULL;
  if ((size_t)snprintf(path, KOHL_SAMPLE_PATH, "%s/%s", x->folder, name) >= KOHL_SAMPLE_PATH) {
    return kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%.200s...: a path of more than %d bytes", x->folder,
                     KOHL_SAMPLE_PATH - 1);
  }
  return kohl_file_load(x->b->ctx, path, limit, bytes, length);
}

static kohl_status add_name(index_of *x, const char *path, const uint8_t *text, size_t length) {
  if (x->labels == LABELS) return kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: more than %d classes", path, LABELS);
  if (!kohl_utf8_valid((const char *)text, length) || memchr(text, 0, length)) {
    return kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: class %d: text that is not UTF-8", path, x->labels);
  }
  return kohl_samples_known_label(x->b, path, (const char *)text, length, &x->label[x->labels++]);
}

static kohl_status read_text_names(index_of *x, const char *path, const uint8_t *bytes, size_t length) {
  kohl_status status = KOHL_OK;
  for (size_t at = 0; at < length && status == KOHL_OK;) {
    const uint8_t *end = memchr(bytes + at, '\n', length - at);
    size_t line = end ? (size_t)(end - bytes) - at : length - at, text = line;
    if (text && bytes[at + text - 1] == '\r') text--;
    if (text) status = add_name(x, path, bytes + at, text);
    at += line + 1;
  }
  return status;
}

static kohl_status read_pickled_names(index_of *x, const char *path, const uint8_t *bytes, size_t length) {
  const char *key = !x->layout->fine ? "label_names" : x->coarse ? "coarse_label_names" : "fine_label_names";
  kohl_pickle pickle;
  kohl_pickle_value root;
  kohl_status status = kohl_pickle_read(x->b->ctx, path, bytes, length, &pickle, &root);
  const kohl_pickle_value *list = status == KOHL_OK ? kohl_pickle_find(&pickle, &root, key) : NULL;
  if (status == KOHL_OK && (!list || list->kind != KOHL_PICKLE_LIST)) {
    status = kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: expected a dict with a list '%s'", path, key);
  }
  for (size_t i = 0; status == KOHL_OK && i < kohl_pickle_items(&pickle, list)->count; i++) {
    const kohl_pickle_value *v = &kohl_pickle_items(&pickle, list)->item[i];
    if (v->kind != KOHL_PICKLE_BYTES && v->kind != KOHL_PICKLE_TEXT && v->kind != KOHL_PICKLE_LATIN) {
      status = kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: '%s': name %zu is no text", path, key, i);
    } else {
      status = add_name(x, path, bytes + v->at, v->length);
    }
  }
  kohl_pickle_close(x->b->ctx, &pickle);
  return status;
}

static kohl_status read_names(index_of *x) {
  char path[KOHL_SAMPLE_PATH];
  uint8_t *bytes;
  size_t length;
  const char *name = x->layout->meta;
  if (!x->layout->pickled && x->layout->fine && x->coarse) name = "coarse_label_names.txt";
  kohl_status status = load(x, name, META_BYTES, path, &bytes, &length);
  if (status != KOHL_OK) return status;
  status = (x->layout->pickled ? read_pickled_names : read_text_names)(x, path, bytes, length);
  kohl_free(x->b->ctx, bytes);
  if (status == KOHL_OK && !x->labels) status = kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: no class names", path);
  return status;
}

/* batches.shape.txt, where there is one: "SIDE LABELS". */
static kohl_status read_shape(index_of *x) {
  static const char name[] = "batches.shape.txt";
  char path[KOHL_SAMPLE_PATH], text[64] = "", after;
  uint8_t *bytes;
  size_t length;
  x->side = 32;
  x->label_bytes = x->layout->fine ? 2 : 1;
  if (x->layout->pickled || !is_file(x->folder, name)) return KOHL_OK;
  kohl_status status = load(x, name, sizeof text - 1, path, &bytes, &length);
  if (status != KOHL_OK) return status;
  memcpy(text, bytes, length);
  kohl_free(x->b->ctx, bytes);
  if (sscanf(text, "%4d %4d %c", &x->side, &x->label_bytes, &after) != 2 || x->side < 1 || x->side > 4096 ||
      x->label_bytes < 1 || x->label_bytes > 2) {
    return kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: expected 'SIDE LABELS', a side of 1 to 4096 and 1 or 2 labels",
                     path);
  }
  return KOHL_OK;
}

static kohl_status add_record(index_of *x, const char *path, uint32_t file, uint32_t record, unsigned number,
                              kohl_split split) {
  if ((int)number < x->labels) return kohl_samples_add_record(x->b, file, record, x->label[number], split);
  return kohl_fail(x->b->ctx, KOHL_BAD_INPUT, "%s: record %u: label %u, expected less than %d", path, (unsigned)record,
                   number, x->labels);
}

/* Enters a file of records; *file is its number.  Its records array belongs to the list from then on. */
static kohl_status add_file(index_of *x, const char *path, const kohl_record_file *records, uint32_t *file) {
  kohl_samples *s = x->b->samples;
  kohl_status status = kohl_grow(x->b->ctx, &s->records, &s->records_capacity, s->folders.count + 1, sizeof *s->records,
                                 "the list of samples");
  if (status == KOHL_OK) {
    status = kohl_text_table_add(x->b->ctx, &s->folders, &s->texts, path, strlen(path), file);
  }
  if (status == KOHL_OK) s->records[*file] = *records;
  return status;
}

static kohl_status index_binary(index_of *x, const char *path, kohl_split split) {
  kohl_context *ctx = x->b->ctx;
  size_t labels = (size_t)x->label_bytes, stride = labels + (size_t)x->side * (size_t)x->side * 3, bytes, got = 0;
  size_t window = stride > WINDOW ? stride : WINDOW / stride * stride;
  uint8_t *buffer = NULL;
  uint32_t file, record = 0;
  int fd;
  kohl_status status = kohl_file_open(ctx, path, &fd, &bytes);
  if (status != KOHL_OK) return status;
  if (bytes % stride || bytes / stride > KOHL_SAMPLES) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: %zu bytes, expected records of %zu", path, bytes, stride);
  }
  kohl_record_file records = {x->side, (uint32_t)(bytes / stride), labels, stride, NULL};
  if (status == KOHL_OK) status = add_file(x, path, &records, &file);
  if (status == KOHL_OK) status = kohl_alloc(ctx, window, 1, path, &buffer);
  while (status == KOHL_OK && record < records.count) {
    size_t have = 0, want = (size_t)(records.count - record) * stride;
    if (want > window) want = window;
    for (got = 1; status == KOHL_OK && have < want && got; have += got) {
      status = kohl_file_read(ctx, path, fd, buffer + have, want - have, &got);
    }
    if (status == KOHL_OK && have < want) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: changed while it was read", path);
    }
    if (status == KOHL_OK) status = kohl_check_cancel(ctx);
    /* Of CIFAR-100's two labels the first is the coarse one. */
    size_t which = labels - 1 - (x->coarse && labels == 2);
    for (size_t at = 0; status == KOHL_OK && at < want; at += stride) {
      status = add_record(x, path, file, record++, buffer[at + which], split);
    }
  }
  kohl_free(ctx, buffer);
  close(fd);
  return status;
}

static kohl_status index_pickle(index_of *x, const char *name, kohl_split split) {
  static const char *const keys[2][2] = {{"labels", "fine_labels"}, {"coarse_labels", "labels"}};
  kohl_context *ctx = x->b->ctx;
  char path[KOHL_SAMPLE_PATH];
  uint8_t *bytes;
  size_t length;
  kohl_pickle_batch batch;
  uint32_t file;
  kohl_status status = load(x, name, BATCH_BYTES, path, &bytes, &length);
  if (status != KOHL_OK) return status;
  status = kohl_pickle_batch_read(ctx, path, bytes, length, keys[x->coarse], 2, &batch);
  kohl_free(ctx, bytes);
  if (status != KOHL_OK) return status;
  uint64_t stride = (uint64_t)batch.side * (uint64_t)batch.side * 3;
  kohl_record_file records = {batch.side, batch.count, batch.begin, stride, batch.text_begin};
  status = add_file(x, path, &records, &file);
  if (status == KOHL_OK) batch.text_begin = NULL;
  for (uint32_t i = 0; status == KOHL_OK && i < batch.count; i++) {
    status = add_record(x, path, file, i, batch.label[i], split);
  }
  kohl_pickle_batch_free(ctx, &batch);
  return status;
}

static bool is_train(const layout *l, const char *name) {
  size_t first = strlen(l->first_train), length = strlen(name), ending = strlen(l->ending);
  if (l->fine) return strcmp(name, l->first_train) == 0;
  if (strncmp(name, l->first_train, first) != 0 || length <= first + ending) return false;
  return *l->ending ? strcmp(name + length - ending, l->ending) == 0 : !strchr(name, '.');
}

static int by_bytes(const void *a, const void *b) { return strcmp(a, b); }

static kohl_status index_files(index_of *x) {
  enum { NAME = 256 };
  kohl_context *ctx = x->b->ctx;
  char(*names)[NAME];
  size_t count = 0;
  DIR *dir = opendir(x->folder);
  if (!dir) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the folder cannot be read: %s", x->folder, strerror(errno));
  kohl_status status = kohl_alloc(ctx, FILES, sizeof *names, "the names of a folder", &names);
  const struct dirent *entry;
  while (status == KOHL_OK && (entry = readdir(dir))) {
    if (!is_train(x->layout, entry->d_name) && strcmp(entry->d_name, x->layout->test) != 0) continue;
    if (count == FILES) {
      status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: more than %d batches", x->folder, FILES);
    } else {
      snprintf(names[count++], NAME, "%s", entry->d_name);
    }
  }
  closedir(dir);
  if (status == KOHL_OK) qsort(names, count, sizeof *names, by_bytes);
  for (size_t i = 0; status == KOHL_OK && i < count; i++) {
    char path[KOHL_SAMPLE_PATH];
    kohl_split split = strcmp(names[i], x->layout->test) ? KOHL_SPLIT_TRAIN : KOHL_SPLIT_TEST;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", x->folder, names[i]) >= sizeof path) {
      status =
          kohl_fail(ctx, KOHL_BAD_INPUT, "%.200s...: a path of more than %d bytes", x->folder, KOHL_SAMPLE_PATH - 1);
    } else {
      status = x->layout->pickled ? index_pickle(x, names[i], split) : index_binary(x, path, split);
    }
  }
  kohl_free(ctx, names);
  return status;
}

kohl_status kohl_samples_from_cifar(kohl_context *ctx, const char *folder, const kohl_source_options *options,
                                    kohl_samples *out) {
  kohl_samples_builder b = {ctx, out, options};
  index_of x = {.b = &b, .layout = find_layout(folder), .folder = folder, .coarse = options && options->coarse_labels};
  kohl_status status = kohl_samples_begin(&b);
  if (status == KOHL_OK && !x.layout) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: no batches.meta.txt, batches.meta or fine_label_names.txt", folder);
  }
  if (status == KOHL_OK) x.coarse = x.coarse && x.layout->fine;
  if (status == KOHL_OK) status = read_names(&x);
  if (status == KOHL_OK) status = read_shape(&x);
  if (status == KOHL_OK) status = index_files(&x);
  return kohl_samples_end_unsorted(&b, folder, status);
}
