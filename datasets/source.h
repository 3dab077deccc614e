/* Lists of labelled pictures: which file belongs to which class and to which part of the data.
 *
 * A source is one of
 *   a folder per class    every folder in it is a class, named after the folder; its *.jpg, *.jpeg and *.png (any
 *                         case) are taken, those of its subfolders too (32 deep).  Hidden files are ignored, other
 *                         files counted.  Links to files are followed, links to folders inside a class are not.
 *   a CSV file            a header row, then one picture a row; the columns are described below.
 *   -                     standard input: a CSV where its first line names a path column, else one path a line, whose
 *                         class is the name of the folder that it lies in.
 *   a folder with labels.csv   is read through that file.
 *   a pack                decoded pictures in one file (datasets/pack.h).
 *   a CIFAR folder        batches of pixels, binary or pickled; see datasets/cifar.h.
 *
 * Columns of a CSV, found by their names in any case, wherever they stand; others are passed over:
 *   path, file, filename or image     the picture; relative ones begin at the CSV's folder
 *   label, class or category          its class; with several_labels 1 to 64 of them between separators, and the
 *                                     column may come several times
 *   split                             train, val, valid, validation or test; the column that is asked for, else
 * `split`, else the only one that ends in `_split` weight or sample_weight           how much the picture counts: a
 * finite number of 0 or more group                             pictures of one group belong into one part and whatever
 * is asked for by options->columns.
 *
 * Nothing is decoded here: a file that is no good picture is found when it is loaded (datasets/loader.h).  What cannot
 * be a picture whatever it holds (a folder or FIFO named x.jpg, a link that leads nowhere, a name that is not UTF-8)
 * is named in one warning and left out. */
#ifndef KOHL_DATASETS_SOURCE_H
#define KOHL_DATASETS_SOURCE_H

#include "datasets/csv.h"
#include "datasets/decode.h"
#include "datasets/samples_texts.h"
#include "kernels/core/context.h"

typedef enum kohl_split { KOHL_SPLIT_UNSET, KOHL_SPLIT_TRAIN, KOHL_SPLIT_VALIDATION, KOHL_SPLIT_TEST } kohl_split;
enum {
  KOHL_SPLITS = 4,
  KOHL_SAMPLES = 1 << 24, /* samples, at most */
  KOHL_CLASSES = 1 << 20, /* classes, at most */
  KOHL_SAMPLE_PATH = 4096 /* bytes of a path with its NUL, at most */
};

typedef struct kohl_sample {
  uint32_t folder; /* of the list's folders; ask kohl_sample_path for the path */
  uint32_t name;   /* of the list's texts, or the number of a record */
  int label;       /* index into classes; the first of several */
  uint8_t split;   /* a kohl_split */
  bool bad;        /* could not be loaded; set by the loader */
} kohl_sample;

typedef struct kohl_record_file kohl_record_file; /* datasets/cifar.h */

/* A list of samples, sorted by class and path from a folder, in the file's order from a CSV or batches.  classes are
 * sorted bytewise, in CIFAR's own order, or as they were given.  Everything is owned by the list.  One thread at a time
 * may change it.
 *
 * A picture of a tree costs 16 bytes and its name; what only some lists have lies in arrays of its own. */
typedef struct kohl_samples {
  kohl_sample *sample;
  size_t count, capacity;
  const char **classes;
  size_t class_count;
  size_t other_files; /* files that are not pictures by their names, and pictures left out with a warning */
  size_t bad;         /* samples whose bad is set */

  /* One for each sample, or NULL where the source has none: ask the functions below. */
  float *weight;
  uint32_t *group;       /* index into groups */
  uint32_t *label_begin; /* count + 1: those of sample i are labels[label_begin[i]] to [label_begin[i + 1] - 1] */
  int *labels;
  uint32_t **value;          /* column_count arrays, each of a text of the list for each sample */
  kohl_record_file *records; /* one for each folder where samples are records of files, else NULL */

  struct kohl_pack *pack; /* NULL: pictures are in files of their own */
  uint32_t *packed;       /* the picture of sample i is the pack's packed[i]; NULL: its i */

  kohl_text_store texts;
  kohl_text_table folders, class_table, groups; /* folders end in '/', or are "" or a file of records */
  size_t weight_capacity, group_capacity, begin_capacity, labels_capacity, column_count;
  size_t *value_capacity;
  size_t records_capacity;
} kohl_samples;

typedef struct kohl_source_options {
  const char *const *classes; /* class_count names that samples must belong to, in this order; NULL: whatever comes */
  size_t class_count;
  const char *split_column;   /* NULL: found by its name */
  const char *label_column;   /* of a CSV, which must have it; NULL: found by its name */
  const char *label_or;       /* a label column that is taken where none has one of those names; may be NULL */
  bool several_labels;        /* of a CSV: the label columns hold 1 to 64 labels */
  char separator;             /* between them; 0: ';' */
  const char *const *columns; /* column_count further columns of a CSV to keep, which it must have */
  size_t column_count;
  bool coarse_labels; /* of CIFAR-100: the 20 classes instead of the 100 */
  /* Instead of a warning, for each picture that is left out.  NULL: the warning. */
  void (*left_out)(void *user, const char *path, const char *why);
  void *user;
} kohl_source_options;

/* Reads a source of any kind.  options may be NULL.  *out is the caller's until kohl_samples_free; it is empty on
 * failure.  Errors (KOHL_BAD_INPUT) name file, line, value and what was expected: an unknown class or split, a missing
 * column, a class folder without pictures (a warning where classes are given), no sample at all. */
kohl_status kohl_samples_open(kohl_context *ctx, const char *path, const kohl_source_options *options,
                              kohl_samples *out);

/* The CSV kind from a reader that has read nothing yet; folder is where relative paths begin. */
kohl_status kohl_samples_from_csv(kohl_context *ctx, kohl_csv *csv, const char *folder,
                                  const kohl_source_options *options, kohl_samples *out);

/* A CSV, or one path a line, as standard input is read. */
kohl_status kohl_samples_from_list(kohl_context *ctx, kohl_csv *csv, const kohl_source_options *options,
                                   kohl_samples *out);

/* Writes the samples of one split (KOHL_SPLIT_UNSET: all) as a CSV with columns path (absolute), label (several with
 * ';' between them), weight and group where the list has them and, where all samples are written and have one, split.
 * columns: names under which the further columns of the list are written as well, or NULL.
 * kohl_samples_open reads it again, but for records of files, whose paths say FILE#NUMBER for people. */
kohl_status kohl_samples_write_csv(kohl_context *ctx, const kohl_samples *samples, kohl_split split,
                                   const char *const *columns, const char *path);

/* The same of all samples (but for the bad ones, with good_only) and, behind them, of count more rows: each has the
 * columns of a sample but a path of its own. */
typedef struct kohl_sample_row {
  size_t like;
  const char *path;
} kohl_sample_row;
kohl_status kohl_samples_write_rows(kohl_context *ctx, const kohl_samples *samples, bool good_only,
                                    const kohl_sample_row *more, size_t count, const char *path);

/* Takes all samples out of the list but those with keep[i]; order, classes and what is known of the others stay.
 * KOHL_NO_RESOURCE leaves the list as it was. */
kohl_status kohl_samples_keep(kohl_context *ctx, kohl_samples *samples, const bool *keep);

void kohl_samples_free(kohl_context *ctx, kohl_samples *samples);

/* Samples that have this split. */
size_t kohl_samples_count(const kohl_samples *samples, kohl_split split);

/* The path of sample i, written into buffer (returned). */
const char *kohl_sample_path(const kohl_samples *samples, size_t i, char buffer[KOHL_SAMPLE_PATH]);

/* The name without its folder: a file's, or FILE#NUMBER; written into buffer (returned). */
const char *kohl_sample_name(const kohl_samples *samples, size_t i, char buffer[KOHL_SAMPLE_PATH]);

/* The labels of sample i, *count of them; owned by the list. */
const int *kohl_sample_labels(const kohl_samples *samples, size_t i, size_t *count);

/* 1 in a list without weights; NULL in a list without groups; NULL where the column was not asked for. */
float kohl_sample_weight(const kohl_samples *samples, size_t i);
const char *kohl_sample_group(const kohl_samples *samples, size_t i);
const char *kohl_sample_value(const kohl_samples *samples, size_t i, size_t column);

/* Whether sample i is w x h pixels in a file (*bytes of them, RGB: planar in records, [h][w][3] in a pack) rather than
 * a file of its own. */
bool kohl_sample_pixels(const kohl_samples *samples, size_t i, int *w, int *h, size_t *bytes);

/* Which picture of the pack sample i is, in a list that has one. */
static inline size_t kohl_sample_packed(const kohl_samples *samples, size_t i) {
  return samples->packed ? samples->packed[i] : i;
}

/* The bytes of sample i: its file, of at most 256 MiB, or its pixels.  *out is the caller's until
 * kohl_free. */
kohl_status kohl_sample_load(kohl_context *ctx, const kohl_samples *samples, size_t i, uint8_t **out, size_t *length);

/* The picture in the bytes that kohl_sample_load gave for sample i; options NULL: white background. */
kohl_status kohl_sample_decode(kohl_context *ctx, const kohl_samples *samples, size_t i, const uint8_t *bytes,
                               size_t length, const kohl_decode_options *options, kohl_picture *out);

/* Both: *out is the caller's until kohl_picture_free.  KOHL_BAD_INPUT with a text that begins with the path when it
 * is no good picture.  Any thread, with a context of its own. */
kohl_status kohl_sample_picture(kohl_context *ctx, const kohl_samples *samples, size_t i,
                                const kohl_decode_options *options, kohl_picture *out);

const char *kohl_split_name(kohl_split split); /* "unset", "train", "validation", "test" */

#endif
