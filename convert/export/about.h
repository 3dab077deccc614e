/* What a file for others says of itself besides numbers, as texts by key: arch, task, labels, thresholds,
 * preprocessing, provenance, and of the provenance source and preset where it has them. */
#ifndef KOHL_CONVERT_EXPORT_ABOUT_H
#define KOHL_CONVERT_EXPORT_ABOUT_H

#include "nn/model.h"

enum { KOHL_EXPORT_ABOUT = 10 };

typedef struct kohl_export_about {
  const char *key[KOHL_EXPORT_ABOUT]; /* constant */
  char *text[KOHL_EXPORT_ABOUT];      /* owned; words, or JSON where it is a list or object */
  int count;
} kohl_export_about;

/* Fill *about with zeros before; end with kohl_export_about_free, also after a failure. */
kohl_status kohl_export_about_make(kohl_context *ctx, const kohl_model *model, kohl_export_about *about);
void kohl_export_about_free(kohl_context *ctx, kohl_export_about *about);

/* Adds a copy of a text. */
kohl_status kohl_export_about_add(kohl_context *ctx, kohl_export_about *about, const char *key, const char *text);

#endif
