/* Pictures stored as records of pixels in batches, the way of the CIFAR data sets.
 *
 * A folder is one of (recognised by the first file named):
 *   batches.meta.txt        CIFAR-10, binary: data_batch_*.bin and test_batch.bin, records of a label byte and 3072
 *                           bytes of pixels; the file names the classes, one a line.
 *   fine_label_names.txt    CIFAR-100, binary: train.bin and test.bin, records of a coarse and a fine label byte and
 *                           the pixels; the coarse classes are named by coarse_label_names.txt.
 *   batches.meta, meta      the same as Python pickles: data_batch_*, test_batch; train, test (datasets/pickle.h).
 * Pixels are planar: all red, then green, then blue, row by row.  Binary records have no header: a file
 * batches.shape.txt beside the others ("SIDE LABELS": pixels a side, label bytes of a record) says where they differ
 * from the 32 pixels of CIFAR.  Test batches become the test part, all others the training part.
 *
 * Indexing reads labels only: each batch is read once, and pixels stay in their files. */
#ifndef KOHL_DATASETS_CIFAR_H
#define KOHL_DATASETS_CIFAR_H

#include "datasets/samples.h"

/* Where the pixels of a file's records lie. */
struct kohl_record_file {
  int side;             /* pixels a side */
  uint32_t count;       /* records */
  uint64_t begin;       /* the first pixel of the first record */
  uint64_t stride;      /* bytes from record to record */
  uint64_t *text_begin; /* not NULL: pixels are characters of UTF-8 below 256, each record's first one is here;
                         * one more at the end.  Owned by the list */
};

static inline size_t kohl_record_pixels(const kohl_record_file *file) {
  return (size_t)file->side * (size_t)file->side * 3;
}

/* Whether the folder holds batches. */
bool kohl_cifar_is(const char *folder);

/* Every record of the folder's batches, in the order of the files' names.  Errors name the file, the record, the value
 * and what was expected. */
kohl_status kohl_samples_from_cifar(kohl_context *ctx, const char *folder, const kohl_source_options *options,
                                    kohl_samples *out);

/* *out = the planar pixels of one record, the caller's until kohl_free; path is the file's. */
kohl_status kohl_record_load(kohl_context *ctx, const kohl_record_file *file, const char *path, uint32_t record,
                             uint8_t **out, size_t *length);

/* Writes a binary set in the style of CIFAR-10 into a folder, which is made or has none of these files:
 * batches.meta.txt, test_batch.bin for the test part and data_batch_1.bin to data_batch_5.bin for all others, dealt out
 * in turn, and batches.shape.txt where fit->w is not 32.  Every picture is fitted as fit says (w = h); bad ones are
 * left out with a warning and marked bad. At most 256 classes with one label a picture; class names must be one line
 * each.  *written = pictures.  On failure the files are removed. */
kohl_status kohl_cifar_write(kohl_context *ctx, kohl_samples *samples, const kohl_fit *fit, const char *folder,
                             size_t *written);

#endif
