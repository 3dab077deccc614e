/* Lists of samples out of texts, and a context that counts its warnings, for the tests of datasets. */
#ifndef KOHL_TESTS_UNIT_LIST_MAKE_H
#define KOHL_TESTS_UNIT_LIST_MAKE_H

#include "datasets/source.h"

/* A context of these threads; *warnings, set to 0, counts those of its log.  The caller's. */
kohl_context *list_context(int threads, size_t *warnings);

/* The samples of a CSV in memory, whose relative paths stay so; options may be NULL. */
void list_from_text(kohl_context *ctx, const char *text, const kohl_source_options *options, kohl_samples *out);

#endif
