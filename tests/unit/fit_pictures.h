/* What the tests of training work on: coloured squares with noise in three classes, a base of one random convolution,
 * and a recipe, in a folder of the test program's own. */
#ifndef KOHL_TESTS_UNIT_FIT_PICTURES_H
#define KOHL_TESTS_UNIT_FIT_PICTURES_H

#include "nn/safetensors.h"
#include "train/fit.h"

#define fit_ok(ctx, call) ck_assert_msg((call) == KOHL_OK, "%s", kohl_context_error(ctx))

/* The folder with data/{red,green,blue} of 12, 18 and 24 pictures, base.safetensors and r.yaml (8 epochs), made before
 * a suite and removed after it. */
void fit_set_up(void);
void fit_tear_down(void);

/* A context of these threads whose cancel callback says stop when fit_polls_left reaches 0; negative: never. */
kohl_context *fit_context(int threads);
extern long fit_polls_left;

/* FOLDER/name; good for 8 calls. */
char *fit_path(const char *name);
void fit_make_folder(const char *name);
void fit_write_text(const char *name, const char *text);

/* A PNG of one colour, 0xrrggbb, with noise drawn by number. */
void fit_write_picture(const char *name, unsigned colour, uint32_t number);

/* Trains r.yaml on data and the base into the folder `run`; set is one "key=value" or NULL, out may be NULL. */
kohl_status fit_train(kohl_context *ctx, const char *run, bool resume, const char *set, kohl_train_result *out);

/* A file's bytes with a zero behind them, which free() takes; at most 1 MiB. */
char *fit_load(const char *name, size_t *bytes);

/* Fails the test unless the files have the same bytes, or the checkpoints the same tensors. */
void fit_same_file(const char *a, const char *b);
void fit_same_state(const char *a, const char *b);

#endif
