/* Presets: the arithmetic that belongs to a published weight file but does not stand in it.  presets.def is the list.
 */
#ifndef KOHL_CONVERT_PRESETS_H
#define KOHL_CONVERT_PRESETS_H

#include "kernels/picture/preprocessing.h"
#include "nn/models/models.h"

typedef struct kohl_preset {
  const char *name;
  const char *archs;                      /* the architectures it is for, with spaces between */
  kohl_preprocessing preprocessing;       /* at its own size */
  kohl_arch_options options;              /* classes: those of the published file */
  int background;                         /* 1: a head of just options.classes outputs begins with "none of them" */
  const char *head[KOHL_HEAD_LAYERS + 2]; /* layer names, NULL-ended; the last one has the classes */
  bool transform;                         /* preprocessing holds torchvision's transform_input already */
} kohl_preset;

/* The preset of that name (NULL: the default) for an architecture.  Constant memory.  KOHL_USAGE lists the names,
 * or says that the architecture has none. */
kohl_status kohl_preset_find(kohl_context *ctx, const char *arch, const char *name, const kohl_preset **out);

/* The first preset of that name, whatever its architectures; NULL: there is none. */
const kohl_preset *kohl_preset_any(const char *name);

/* "nsfwjs, other": the presets of an architecture whose heads have `layers` layers; "" when there are none. */
void kohl_preset_list(const char *arch, int layers, char *text, size_t bytes);

/* How many layers the head has. */
int kohl_preset_head_count(const kohl_preset *preset);

/* Its preprocessing for pictures of another side; 0 is the preset's own.  CROP keeps its proportion. */
kohl_preprocessing kohl_preset_preprocessing(const kohl_preset *preset, int size);

#endif
