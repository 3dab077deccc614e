/* The list of architectures and the building of one by name.  What an architecture looks like is in its own file. */
#include "nn/models/models.h"

#include <stdio.h>
#include <string.h>

#include "nn/models/builder.h"

static const kohl_arch archs[] = {
#define ARCH(name, builder, size, idea, ...) {#name, size, {__VA_ARGS__}, idea},
#include "nn/models/models.def"
#undef ARCH
};

static kohl_arch_builder *const builders[] = {
#define ARCH(name, builder, size, idea, ...) builder,
#include "nn/models/models.def"
#undef ARCH
};

enum { ARCH_COUNT = sizeof archs / sizeof archs[0] };

static const kohl_arch *find(const char *name) {
  for (size_t i = 0; i < ARCH_COUNT; i++)
    if (strcmp(archs[i].name, name) == 0) return &archs[i];
  return NULL;
}

const kohl_arch *kohl_arch_at(size_t i) { return i < ARCH_COUNT ? &archs[i] : NULL; }

kohl_status kohl_arch_find(kohl_context *ctx, const char *name, const kohl_arch **out) {
  *out = find(name);
  if (*out) return KOHL_OK;
  char known[256] = "";
  size_t length = 0;
  for (size_t i = 0; i < ARCH_COUNT && length < sizeof known; i++)
    length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", archs[i].name);
  return kohl_fail(ctx, KOHL_USAGE, "unknown architecture '%s', expected one of %s", name, known);
}

kohl_arch_options kohl_arch_options_default(const char *arch) {
  const kohl_arch *found = find(arch);
  return found ? found->options : (kohl_arch_options){.classes = 1000, .epsilon = 1e-3f, .gamma = true};
}

static kohl_status check(kohl_context *ctx, const char *arch, const kohl_arch_options *o) {
  if (o->classes < 0)
    return kohl_fail(ctx, KOHL_USAGE, "%s: option classes: value %d, expected 0 or more", arch, o->classes);
  if (o->head_count < 0 || o->head_count > KOHL_HEAD_LAYERS)
    return kohl_fail(ctx, KOHL_USAGE, "%s: option head_count: value %d, expected 0 to %d", arch, o->head_count,
                     KOHL_HEAD_LAYERS);
  if (o->stride_first && o->stride_last)
    return kohl_fail(ctx, KOHL_USAGE, "%s: options stride_first and stride_last, expected at most one", arch);
  if (!(o->momentum >= 0 && o->momentum < 1))
    return kohl_fail(ctx, KOHL_USAGE, "%s: option momentum: value %g, expected 0 to less than 1", arch,
                     (double)o->momentum);
  if (o->height < 0 || o->width < 0)
    return kohl_fail(ctx, KOHL_USAGE, "%s: option size: value %dx%d, expected 0 or more", arch, o->height, o->width);
  return KOHL_OK;
}

kohl_status kohl_arch_build(kohl_context *ctx, const char *arch, const kohl_arch_options *options, kohl_graph **out) {
  *out = NULL;
  const kohl_arch *found;
  kohl_status status = kohl_arch_find(ctx, arch, &found);
  if (status) return status;
  kohl_arch_options complete = options ? *options : found->options;
  if ((status = check(ctx, arch, &complete))) return status;
  if (complete.height == 0) complete.height = found->size;
  if (complete.width == 0) complete.width = found->size;
  kohl_builder b = {.ctx = ctx};
  if ((status = kohl_graph_create(ctx, arch, &b.graph))) return status;
  builders[found - archs](&b, &complete);
  status = b.status ? b.status : kohl_graph_infer(ctx, b.graph);
  if (status) {
    kohl_graph_destroy(ctx, b.graph);
    return status;
  }
  *out = b.graph;
  return KOHL_OK;
}
