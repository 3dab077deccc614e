/* Lists of labelled pictures: which file belongs to which class and to which part of the data.
 *
 * A source is one of
 *   a folder per class    every folder in it is a class, named after the folder; its *.jpg, *.jpeg and *.png (any
 *                         case) are taken, those of its subfolders too (32 deep).  Hidden files are ignored, other
 *                         files counted.  Links to files are followed, links to folders inside a class are not.
 *   a CSV file            a header row, then one picture a row.  Columns: `path`, `file`, `filename` or `image`;
 *                         `label`, `class` or `category` (the first of these that is there, any case).  A split
 *                         column: the one that is asked for, else `split`, else the only one that ends in `_split`;
 *                         it holds train, val, valid, validation or test.  Relative paths begin at the CSV's folder.
 *   a folder with labels.csv   is read through that file.
 *   a pack                decoded pictures in one file (datasets/pack.h).
 *
 * Nothing is decoded here: a file that is no good picture is found when it is loaded (datasets/loader.h).  What cannot
 * be a picture whatever it holds (a folder or FIFO named x.jpg, a link that leads nowhere, a name that is not UTF-8)
 * is named in one warning and left out. */
#ifndef KOHL_DATASETS_SOURCE_H
#define KOHL_DATASETS_SOURCE_H

#include "datasets/csv.h"
#include "kernels/core/context.h"

typedef enum kohl_split { KOHL_SPLIT_UNSET, KOHL_SPLIT_TRAIN, KOHL_SPLIT_VALIDATION, KOHL_SPLIT_TEST } kohl_split;
enum { KOHL_SPLITS = 4, KOHL_SAMPLES = 1 << 24, KOHL_CLASSES = 1 << 20 }; /* samples and classes, at most */

typedef struct kohl_sample {
  const char *path; /* owned by the list */
  int label;        /* index into classes */
  uint8_t split;    /* a kohl_split */
  bool bad;         /* could not be loaded; set by the loader */
} kohl_sample;

/* A list of samples, sorted by class and path from a folder, in the file's order from a CSV.  classes are sorted
 * bytewise, or as they were given.  Everything is owned by the list.  One thread at a time may change it. */
typedef struct kohl_samples {
  kohl_sample *sample;
  size_t count, capacity;
  const char **classes;
  size_t class_count, class_capacity;
  size_t other_files;     /* files that are not pictures by their names, and pictures left out with a warning */
  size_t bad;             /* samples whose bad is set */
  struct kohl_pack *pack; /* owned; the picture of sample i is its picture i.  NULL: pictures are files */
  char **block;           /* memory of the texts */
  size_t blocks, block_capacity, block_room;
} kohl_samples;

typedef struct kohl_source_options {
  const char *const *classes; /* class_count names that samples must belong to, in this order; NULL: whatever comes */
  size_t class_count;
  const char *split_column; /* NULL: found by its name */
} kohl_source_options;

/* Reads a source, of any of these kinds.  options may be NULL.  *out is the caller's until kohl_samples_free; it
 * is empty on failure.  Errors (KOHL_BAD_INPUT) name file, line, value and what was expected: an unknown class or
 * split, a missing column, a class folder without pictures (a warning where classes are given), no sample at all. */
kohl_status kohl_samples_open(kohl_context *ctx, const char *path, const kohl_source_options *options,
                              kohl_samples *out);

/* The CSV kind from a reader that has read nothing yet; folder is where relative paths begin. */
kohl_status kohl_samples_from_csv(kohl_context *ctx, kohl_csv *csv, const char *folder,
                                  const kohl_source_options *options, kohl_samples *out);

/* Writes the samples of one split (KOHL_SPLIT_UNSET: all) as a CSV with columns path (absolute), label and, where
 * all are written and have one, split, which kohl_samples_open reads again. */
kohl_status kohl_samples_write_csv(kohl_context *ctx, const kohl_samples *samples, kohl_split split, const char *path);

void kohl_samples_free(kohl_context *ctx, kohl_samples *samples);

/* Samples that have this split. */
size_t kohl_samples_count(const kohl_samples *samples, kohl_split split);

const char *kohl_split_name(kohl_split split); /* "unset", "train", "validation", "test" */

#endif
