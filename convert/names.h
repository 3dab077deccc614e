/* Which weight of a network each tensor of a file is, as far as names can say: the file's own words for layers, or the
 * names of the publisher whose list fits (naming.h), sorted for finding.
 *
 * Layers that Keras numbers by itself (conv2d, dense) may begin anywhere in a file that was saved again; they are
 * renamed to what the network calls them.  Not here: shapes and values (match.h, values.h). */
#ifndef KOHL_CONVERT_NAMES_H
#define KOHL_CONVERT_NAMES_H

#include "convert/naming.h"
#include "convert/presets.h"

typedef struct kohl_name {
  const kohl_source_tensor *tensor;
  size_t index;       /* in the file's order */
  char *layer;        /* of the network, after renaming; owned; the tensor's whole name when suffix is NULL */
  const char *suffix; /* weight, bias, gamma, ...; NULL: the name means nothing here */
  kohl_layout layout;
  bool used;    /* by match.h */
  bool ignored; /* a tensor of the publisher's that no network here has */
} kohl_name;

typedef struct kohl_names {
  kohl_name *names; /* by layer, then suffix */
  size_t count;
  kohl_naming naming; /* whose names they are */
} kohl_names;

/* The publisher of an architecture whose names the most tensors of a file have; Keras's where the file itself says
 * which layers its tensors belong to. */
kohl_status kohl_names_naming(kohl_context *ctx, const kohl_source *source, const char *arch, kohl_naming *naming);

/* Names of all tensors of a file, which must outlive them.  preset NULL: dense layers keep their names.  need_head: a
 * head of other layers than the preset's is an error.  averages: moving averages where the file has them.
 * KOHL_BAD_INPUT: two tensors with one meaning, layers whose numbers allow no order.  Fill *names with zeros before;
 * end with kohl_names_free, also after a failure. */
kohl_status kohl_names_read(kohl_context *ctx, const kohl_source *source, const char *arch, kohl_naming naming,
                            const kohl_preset *preset, bool need_head, bool averages, kohl_names *names);
void kohl_names_free(kohl_context *ctx, kohl_names *names);

/* Sorts again after layers were renamed; two tensors with one meaning are KOHL_BAD_INPUT. */
kohl_status kohl_names_sort(kohl_context *ctx, const char *path, kohl_names *names);

/* The tensor of a layer, or NULL. */
kohl_name *kohl_names_find(const kohl_names *names, const char *layer, const char *suffix);

/* The number of a layer called "<prefix>" (0) or "<prefix>_<number>", or -1. */
int kohl_keras_number(const char *layer, const char *prefix);

/* How many outputs a kernel has, or -1 when its shape is no kernel's. */
int64_t kohl_name_outputs(const kohl_name *name);

#endif
