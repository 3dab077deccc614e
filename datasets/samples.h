/* Building a list of samples, shared by its sources; not for others. */
#ifndef KOHL_DATASETS_SAMPLES_H
#define KOHL_DATASETS_SAMPLES_H

#include "datasets/source.h"

/* A list under construction. */
typedef struct kohl_samples_builder {
  kohl_context *ctx;
  kohl_samples *samples;
  const kohl_source_options *options;
} kohl_samples_builder;

/* Starts with the given classes, if any.  The list is the caller's after kohl_samples_end. */
kohl_status kohl_samples_begin(kohl_samples_builder *b);

/* *label = the position of the class named by length bytes, a new one where classes were not given; -1 where they
 * were and it is none. */
kohl_status kohl_samples_label(kohl_samples_builder *b, const char *name, size_t length, int *label);

/* The same, where an unknown class is an error: "WHERE: class 'x', expected one of: a, b". */
kohl_status kohl_samples_known_label(kohl_samples_builder *b, const char *where, const char *name, size_t length,
                                     int *label);

/* Appends a sample; the path is folder/file, or file where folder is NULL or file is absolute. */
kohl_status kohl_samples_add(kohl_samples_builder *b, const char *folder, const char *file, int label,
                             kohl_split split);

/* Appends record `record` of file number `folder`. */
kohl_status kohl_samples_add_record(kohl_samples_builder *b, uint32_t folder, uint32_t record, int label,
                                    kohl_split split);

/* Of the sample appended last: further columns.  Once one sample has one, all must be given theirs. */
kohl_status kohl_samples_set_weight(kohl_samples_builder *b, float weight);
kohl_status kohl_samples_set_group(kohl_samples_builder *b, const char *group);
kohl_status kohl_samples_set_labels(kohl_samples_builder *b, const int *labels, size_t count);
kohl_status kohl_samples_set_value(kohl_samples_builder *b, size_t column, const char *text);

/* Names a picture that is left out, and counts it. */
void kohl_samples_leave_out(kohl_samples_builder *b, const char *path, const char *why);

/* Sorts samples first to the last by path, bytewise. */
void kohl_samples_sort(kohl_samples *samples, size_t first);

/* Sorts classes that were not given and relabels the samples, when status is KOHL_OK; frees what only the making
 * needed and, on failure, the list.  name is the source's.  Returns status, or why it fails now. */
kohl_status kohl_samples_end(kohl_samples_builder *b, const char *name, kohl_status status);

/* The same with the classes in the order of their coming. */
kohl_status kohl_samples_end_unsorted(kohl_samples_builder *b, const char *name, kohl_status status);

/* "a, b, c" of the classes, cut to room bytes with "..." at the end. */
void kohl_samples_class_text(const kohl_samples *samples, char *text, size_t room);

kohl_status kohl_samples_from_folder(kohl_context *ctx, const char *path, const kohl_source_options *options,
                                     kohl_samples *out);

#endif
