/* The folder of one run: its making, its small text files, its log. */
#ifndef KOHL_TRAIN_RUNFOLDER_H
#define KOHL_TRAIN_RUNFOLDER_H

#include "kernels/core/context.h"

enum { KOHL_RUN_PATH = 4096 };

/* FOLDER/NAME; KOHL_USAGE when that is too long. */
kohl_status kohl_run_path(kohl_context *ctx, const char *folder, const char *name, char path[KOHL_RUN_PATH]);

/* A new run: makes the folder, or takes an empty one; anything else there is KOHL_USAGE.  resume: it must exist and
 * hold a recipe.yaml; with `again` it may be without, as a run leaves it that was killed before it wrote one. */
kohl_status kohl_run_open(kohl_context *ctx, const char *folder, bool resume, bool again);

/* Removes the temporary files that killed runs have left in the folder and its figures; the log says how many. */
void kohl_run_sweep(kohl_context *ctx, const char *folder);

/* Text that grows; the first failure stays in status.  Begins as {.ctx = ctx}; freed by kohl_text_free. */
typedef struct kohl_text {
  kohl_context *ctx;
  char *text; /* NULL while empty; else ends with a zero */
  size_t length, capacity;
  kohl_status status;
} kohl_text;
void kohl_text_add(kohl_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One field of a CSV row, quoted where it must be. */
void kohl_text_add_csv(kohl_text *text, const char *field);
void kohl_text_free(kohl_text *text);

/* Replaces FOLDER/NAME by the text, through a temporary file and a rename; text->status is passed on. */
kohl_status kohl_run_write(kohl_context *ctx, const char *folder, const char *name, const kohl_text *text);

/* Appends a line to FOLDER/log.txt and gives it to the context's log.  A log that cannot be written is no error. */
void kohl_run_log(kohl_context *ctx, const char *folder, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
