/* Building a list of samples, shared by its sources; not for others. */
#ifndef KOHL_DATASETS_SAMPLES_H
#define KOHL_DATASETS_SAMPLES_H

#include "datasets/source.h"

/* A list under construction.  Class names are looked up in a hash table of their positions in samples->classes. */
typedef struct kohl_samples_builder {
  kohl_context *ctx;
  kohl_samples *samples;
  const kohl_source_options *options;
  uint32_t *slot; /* position + 1, 0 is free; a power of two of them, less than half in use */
  size_t slots;
} kohl_samples_builder;

/* Starts with the given classes, if any.  The builder is the caller's until kohl_samples_end. */
kohl_status kohl_samples_begin(kohl_samples_builder *b);

/* *label = the class's position, a new one where classes were not given; -1 where they were and it is none. */
kohl_status kohl_samples_label(kohl_samples_builder *b, const char *name, int *label);

/* Appends a sample; the path is folder/file, or file where folder is NULL or file is absolute. */
kohl_status kohl_samples_add(kohl_samples_builder *b, const char *folder, const char *file, int label,
                             kohl_split split);

/* Sorts classes that were not given and relabels the samples, when status is KOHL_OK; frees the builder's memory and,
 * on failure, the list.  name is the source's.  Returns status, or why it fails now. */
kohl_status kohl_samples_end(kohl_samples_builder *b, const char *name, kohl_status status);

/* "a, b, c" of the classes, cut to room bytes with "..." at the end. */
void kohl_samples_class_text(const kohl_samples *samples, char *text, size_t room);

kohl_status kohl_samples_from_folder(kohl_context *ctx, const char *path, const kohl_source_options *options,
                                     kohl_samples *out);

#endif
