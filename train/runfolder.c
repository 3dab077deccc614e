/* Files of a run.  Numbers are written with '.', since a C program that never calls setlocale is in the C locale; a
 * caller that does call it changes metrics.csv, not a model. */
#include "train/runfolder.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/core/alloc.h"
#include "kernels/core/place.h"

kohl_status kohl_run_path(kohl_context *ctx, const char *folder, const char *name, char path[KOHL_RUN_PATH]) {
  int n = snprintf(path, KOHL_RUN_PATH, "%s/%s", folder, name);
  if (n > 0 && n < KOHL_RUN_PATH) return KOHL_OK;
  return kohl_fail(ctx, KOHL_USAGE, "%.80s...: path longer than %d bytes", folder, KOHL_RUN_PATH - 1);
}

static kohl_status check_empty(kohl_context *ctx, const char *folder) {
  DIR *entries = opendir(folder);
  if (!entries) return kohl_fail(ctx, KOHL_USAGE, "%s: cannot open the run's folder: %s", folder, strerror(errno));
  kohl_status status = KOHL_OK;
  for (struct dirent *entry; status == KOHL_OK && (entry = readdir(entries));) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    status = kohl_fail(ctx, KOHL_USAGE, "%s: is not empty, expected a new folder, or --resume to go on", folder);
  }
  closedir(entries);
  return status;
}

kohl_status kohl_run_open(kohl_context *ctx, const char *folder, bool resume, bool again) {
  if (resume) {
    char path[KOHL_RUN_PATH];
    kohl_status status = kohl_run_path(ctx, folder, "recipe.yaml", path);
    if (status != KOHL_OK || access(path, F_OK) == 0) return status;
    if (again && access(folder, W_OK) == 0) return KOHL_OK;
    return kohl_fail(ctx, KOHL_USAGE, "%s: no run to resume: recipe.yaml is missing", folder);
  }
  if (mkdir(folder, 0777) == 0) return KOHL_OK;
  if (errno == EEXIST) return check_empty(ctx, folder);
  return kohl_fail(ctx, KOHL_USAGE, "%s: cannot make the run's folder: %s", folder, strerror(errno));
}

void kohl_run_sweep(kohl_context *ctx, const char *folder) {
  static const char *const endings[] = {".ckpt", ".safetensors", ".yaml", ".html", ".svg", ".png", ".pdf"};
  char figures[KOHL_RUN_PATH];
  int removed = kohl_place_sweep(folder, endings, sizeof endings / sizeof *endings);
  if (kohl_run_path(ctx, folder, "figures", figures) == KOHL_OK) {
    removed += kohl_place_sweep(figures, endings, sizeof endings / sizeof *endings);
  }
  if (removed) kohl_run_log(ctx, folder, "%d unfinished files of a killed run removed", removed);
}

static bool make_room(kohl_text *text, size_t more) {
  if (text->status != KOHL_OK) return false;
  text->status = kohl_grow(text->ctx, &text->text, &text->capacity, text->length + more + 1, 1, "text of a run");
  return text->status == KOHL_OK;
}

void kohl_text_add(kohl_text *text, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, format, args);
  if (n >= 0 && make_room(text, (size_t)n)) {
    vsnprintf(text->text + text->length, (size_t)n + 1, format, again);
    text->length += (size_t)n;
  }
  va_end(again);
  va_end(args);
}

void kohl_text_add_csv(kohl_text *text, const char *field) {
  if (!field[strcspn(field, ",\"\r\n")]) {
    kohl_text_add(text, "%s", field);
    return;
  }
  kohl_text_add(text, "\"");
  for (; *field; field++) {
    if (*field == '"') kohl_text_add(text, "\"");
    kohl_text_add(text, "%c", *field);
  }
  kohl_text_add(text, "\"");
}

void kohl_text_free(kohl_text *text) {
  kohl_free(text->ctx, text->text);
  text->text = NULL;
  text->length = text->capacity = 0;
}

kohl_status kohl_run_write(kohl_context *ctx, const char *folder, const char *name, const kohl_text *text) {
  if (text->status != KOHL_OK) return text->status;
  char path[KOHL_RUN_PATH], temporary[KOHL_RUN_PATH + 8];
  kohl_status status = kohl_run_path(ctx, folder, name, path);
  if (status != KOHL_OK) return status;
  snprintf(temporary, sizeof temporary, "%s.tmp", path);
  FILE *file = fopen(temporary, "we");
  bool good = file && fwrite(text->text ? text->text : "", 1, text->length, file) == text->length;
  int error = errno;
  if (file && fclose(file) != 0 && good) good = false, error = errno;
  if (good && rename(temporary, path) != 0) good = false, error = errno;
  if (good) return KOHL_OK;
  if (file) unlink(temporary);
  return kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: cannot write: %s", path, strerror(error));
}

void kohl_run_log(kohl_context *ctx, const char *folder, const char *format, ...) {
  char line[KOHL_ERROR_TEXT], path[KOHL_RUN_PATH];
  va_list args;
  va_start(args, format);
  vsnprintf(line, sizeof line, format, args);
  va_end(args);
  kohl_log(ctx, KOHL_LOG_INFO, "%s", line);
  int n = snprintf(path, sizeof path, "%s/log.txt", folder);
  FILE *file = n > 0 && (size_t)n < sizeof path ? fopen(path, "ae") : NULL;
  if (!file) return;
  fprintf(file, "%s\n", line);
  fclose(file);
}
