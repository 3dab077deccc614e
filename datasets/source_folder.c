/* Samples out of a folder with one folder per class, and the choice of the kind of source. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/cifar.h"
#include "datasets/pack.h"
#include "datasets/samples.h"
#include "kernels/core/alloc.h"

enum { DEPTH = 32 };

/* The class folders, or folders still to read; owned. */
typedef struct {
  char **name;
  int *depth;
  size_t count, capacity, depth_capacity;
} names;

static void names_free(kohl_context *ctx, names *list) {
  for (size_t i = 0; i < list->count; i++) kohl_free(ctx, list->name[i]);
  kohl_free(ctx, list->name);
  kohl_free(ctx, list->depth);
  memset(list, 0, sizeof *list);
}

/* Appends folder/name (or name, where folder is NULL). */
static kohl_status names_add(kohl_context *ctx, names *list, const char *folder, const char *name, int depth) {
  static const char what[] = "the names of a folder";
  kohl_status status = kohl_grow(ctx, &list->name, &list->capacity, list->count + 1, sizeof *list->name, what);
  if (status == KOHL_OK) {
    status = kohl_grow(ctx, &list->depth, &list->depth_capacity, list->count + 1, sizeof *list->depth, what);
  }
  size_t before = folder ? strlen(folder) + 1 : 0, after = strlen(name) + 1;
  char *text = NULL;
  if (status == KOHL_OK) status = kohl_alloc(ctx, before + after, 1, what, &text);
  if (status != KOHL_OK) return status;
  if (folder) {
    memcpy(text, folder, before - 1);
    text[before - 1] = '/';
  }
  memcpy(text + before, name, after);
  list->depth[list->count] = depth;
  list->name[list->count++] = text;
  return KOHL_OK;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void names_sort(names *list) {
  if (list->count > 1) qsort(list->name, list->count, sizeof *list->name, by_bytes);
}

static bool is_picture_name(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 || strcasecmp(dot, ".png") == 0);
}

/* Why an entry that a picture's name leads to is none; NULL: it is a regular file. */
static const char *why_no_file(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return strerror(errno);
  if (S_ISREG(st.st_mode)) return NULL;
  return S_ISDIR(st.st_mode) ? "a folder, expected a regular file"
                             : "a FIFO, socket or device, expected a regular file";
}

/* What a class is scanned into: its pictures become samples as they come. */
typedef struct {
  kohl_samples_builder *b;
  int label;
  names folders; /* still to read */
} scan;

static bool is_folder(const char *path, unsigned char type) {
  struct stat st;
  return type == DT_DIR || (type == DT_UNKNOWN && lstat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* path = folder/name; false: it is too long.  printf would be a tenth of what listing a tree takes. */
static bool join(char path[KOHL_SAMPLE_PATH], const char *folder, const char *name) {
  size_t before = strlen(folder), after = strlen(name) + 1;
  if (before + 1 + after > KOHL_SAMPLE_PATH) return false;
  memcpy(path, folder, before);
  path[before] = '/';
  memcpy(path + before + 1, name, after);
  return true;
}

/* Sorts one entry of a folder into pictures, folders still to read, and others.  The folder's own word for the type
 * saves a look at each file; links, and what it does not know, are looked at. */
static kohl_status take(scan *s, const char *folder, const struct dirent *entry, int depth) {
  kohl_context *ctx = s->b->ctx;
  const char *name = entry->d_name;
  char path[KOHL_SAMPLE_PATH];
  if (!join(path, folder, name)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%.200s...: a path of more than %d bytes", folder, KOHL_SAMPLE_PATH - 1);
  }
  bool picture = is_picture_name(name);
  if (!kohl_utf8_valid(name, strlen(name))) {
    kohl_samples_leave_out(s->b, path, "the name is not UTF-8");
    return KOHL_OK;
  }
  if (!picture) {
    if (!is_folder(path, entry->d_type)) {
      s->b->samples->other_files++;
      return KOHL_OK;
    }
    if (depth < DEPTH) return names_add(ctx, &s->folders, NULL, path, depth + 1);
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: folders more than %d deep", path, DEPTH);
  }
  const char *why = entry->d_type == DT_REG ? NULL : why_no_file(path);
  if (!why) return kohl_samples_add(s->b, folder, name, s->label, KOHL_SPLIT_UNSET);
  kohl_samples_leave_out(s->b, path, why);
  return KOHL_OK;
}

/* Calls take for every entry that is not hidden. */
static kohl_status read_folder(scan *s, const char *path, int depth) {
  kohl_context *ctx = s->b->ctx;
  DIR *dir = opendir(path);
  if (!dir) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the folder cannot be read: %s", path, strerror(errno));
  kohl_status status = KOHL_OK;
  while (status == KOHL_OK) {
    errno = 0;
    const struct dirent *entry = readdir(dir);
    if (!entry) {
      if (errno) status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the folder cannot be read: %s", path, strerror(errno));
      break;
    }
    if (entry->d_name[0] != '.') status = take(s, path, entry, depth);
  }
  closedir(dir);
  return status;
}

static kohl_status scan_class(kohl_samples_builder *b, const char *root, const char *name) {
  scan s = {.b = b};
  size_t first = b->samples->count;
  kohl_status status = kohl_samples_label(b, name, strlen(name), &s.label);
  if (status == KOHL_OK && s.label < 0) {
    char known[512];
    kohl_samples_class_text(b->samples, known, sizeof known);
    return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: class folder '%s', expected one of: %s", root, name, known);
  }
  if (status == KOHL_OK) status = names_add(b->ctx, &s.folders, root, name, 1);
  for (size_t i = 0; status == KOHL_OK && i < s.folders.count; i++) {
    status = kohl_check_cancel(b->ctx);
    if (status == KOHL_OK) status = read_folder(&s, s.folders.name[i], s.folders.depth[i]);
  }
  if (status == KOHL_OK && b->samples->count == first) {
    static const char text[] = "no .jpg, .jpeg or .png file in the folder of this class";
    if (b->options && b->options->classes) {
      kohl_log(b->ctx, KOHL_LOG_WARNING, "%s/%s: %s", root, name, text);
    } else {
      status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s/%s: %s", root, name, text);
    }
  }
  if (status == KOHL_OK) kohl_samples_sort(b->samples, first);
  names_free(b->ctx, &s.folders);
  return status;
}

/* The class folders: folders (links to folders too) that are not hidden. */
static kohl_status find_classes(kohl_samples_builder *b, const char *root, names *classes) {
  DIR *dir = opendir(root);
  if (!dir) return kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: the folder cannot be read: %s", root, strerror(errno));
  kohl_status status = KOHL_OK;
  const struct dirent *entry;
  while (status == KOHL_OK && (entry = readdir(dir))) {
    struct stat st;
    if (entry->d_name[0] == '.') continue;
    if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0 || !S_ISDIR(st.st_mode)) {
      b->samples->other_files++;
    } else if (!kohl_utf8_valid(entry->d_name, strlen(entry->d_name))) {
      status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: class folder '%s': the name is not UTF-8", root, entry->d_name);
    } else {
      status = names_add(b->ctx, classes, NULL, entry->d_name, 0);
    }
  }
  closedir(dir);
  if (status == KOHL_OK && classes->count == 0) {
    status = kohl_fail(b->ctx, KOHL_BAD_INPUT, "%s: no folders in it, expected one per class, or a labels.csv", root);
  }
  names_sort(classes);
  return status;
}

kohl_status kohl_samples_from_folder(kohl_context *ctx, const char *path, const kohl_source_options *options,
                                     kohl_samples *out) {
  kohl_samples_builder b = {ctx, out, options};
  names classes = {0};
  kohl_status status = kohl_samples_begin(&b);
  if (status == KOHL_OK) status = find_classes(&b, path, &classes);
  for (size_t i = 0; status == KOHL_OK && i < classes.count; i++) status = scan_class(&b, path, classes.name[i]);
  names_free(ctx, &classes);
  return kohl_samples_end(&b, path, status);
}

static kohl_status open_csv(kohl_context *ctx, const char *path, const kohl_source_options *options,
                            kohl_samples *out) {
  const char *slash = strrchr(path, '/');
  char *folder = NULL;
  kohl_csv *csv = NULL;
  kohl_status status = KOHL_OK;
  if (slash) status = kohl_strdup(ctx, path, &folder);
  if (status == KOHL_OK && folder) folder[slash == path ? 1 : slash - path] = 0;
  if (status == KOHL_OK) status = kohl_csv_open(ctx, path, &csv);
  if (status == KOHL_OK) status = kohl_samples_from_csv(ctx, csv, folder, options, out);
  kohl_csv_close(ctx, csv);
  kohl_free(ctx, folder);
  return status;
}

static kohl_status open_standard_input(kohl_context *ctx, const kohl_source_options *options, kohl_samples *out) {
  kohl_csv *csv;
  kohl_status status = kohl_csv_open_fd(ctx, "standard input", STDIN_FILENO, &csv);
  if (status != KOHL_OK) return status;
  status = kohl_samples_from_list(ctx, csv, options, out);
  kohl_csv_close(ctx, csv);
  return status;
}

static kohl_status open_folder(kohl_context *ctx, const char *root, bool listed, const char *labels,
                               const kohl_source_options *options, kohl_samples *out) {
  if (listed) return open_csv(ctx, labels, options, out);
  if (kohl_cifar_is(root)) return kohl_samples_from_cifar(ctx, root, options, out);
  return kohl_samples_from_folder(ctx, root, options, out);
}

kohl_status kohl_samples_open(kohl_context *ctx, const char *path, const kohl_source_options *options,
                              kohl_samples *out) {
  struct stat st;
  memset(out, 0, sizeof *out);
  if (strcmp(path, "-") == 0) return open_standard_input(ctx, options, out);
  if (stat(path, &st) != 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
  if (S_ISREG(st.st_mode) && kohl_pack_recognise(path)) return kohl_samples_from_pack(ctx, path, options, out);
  if (!S_ISDIR(st.st_mode)) return open_csv(ctx, path, options, out);
  size_t bytes = strlen(path);
  while (bytes > 1 && path[bytes - 1] == '/') bytes--;
  char *root, *labels = NULL;
  kohl_status status = kohl_strdup(ctx, path, &root);
  if (status != KOHL_OK) return status;
  root[bytes] = 0;
  status = kohl_alloc(ctx, bytes + sizeof "/labels.csv", 1, path, &labels);
  if (status == KOHL_OK) {
    snprintf(labels, bytes + sizeof "/labels.csv", "%s/labels.csv", root);
    status = open_folder(ctx, root, stat(labels, &st) == 0, labels, options, out);
  }
  kohl_free(ctx, labels);
  kohl_free(ctx, root);
  return status;
}
