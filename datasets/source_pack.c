/* Samples out of a pack, and whether its pictures are the ones that are wanted. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "datasets/pack_format.h"
#include "datasets/samples.h"
#include "kernels/core/alloc.h"

bool kohl_pack_recognise(const char *path) {
  char magic[sizeof KOHL_PACK_MAGIC - 1];
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY); /* a FIFO must not be waited for */
  if (fd < 0) return false;
  bool is = read(fd, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, KOHL_PACK_MAGIC, sizeof magic) == 0;
  close(fd);
  return is;
}

static bool same_colour(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, 3) == 0; }

static const char *with(bool orient) { return orient ? "with" : "without"; }
static const char *exactness(bool fast) { return fast ? "fast" : "exact"; }

kohl_status kohl_pack_check_fit(kohl_context *ctx, const kohl_pack *pack, const kohl_preprocessing *pre) {
  const kohl_pack_info *info = kohl_pack_about(pack);
  const kohl_fit *is = &info->fit, *want = &pre->fit;
  if (is->w != want->w || is->h != want->h) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pictures are %d x %d, expected %d x %d", kohl_pack_name(pack), is->w,
                     is->h, want->w, want->h);
  }
  if (is->mode != want->mode || is->filter != want->filter) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pictures were fitted by %s %s, expected %s %s", kohl_pack_name(pack),
                     kohl_fit_mode_name(is->mode), kohl_filter_name(is->filter), kohl_fit_mode_name(want->mode),
                     kohl_filter_name(want->filter));
  }
  if (is->mode == KOHL_FIT_CROP && is->resize != want->resize) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pictures were resized to %d before the crop, expected %d",
                     kohl_pack_name(pack), is->resize, want->resize);
  }
  if (is->mode == KOHL_FIT_FRACTION && !(is->fraction == want->fraction)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pictures are the fraction %g, expected %g", kohl_pack_name(pack),
                     is->fraction, want->fraction);
  }
  if (info->decode.orient != pre->decode.orient || info->decode.fast != pre->decode.fast) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pictures were decoded %s EXIF orientation and %s, expected %s and %s",
                     kohl_pack_name(pack), with(info->decode.orient), exactness(info->decode.fast),
                     with(pre->decode.orient), exactness(pre->decode.fast));
  }
  if ((is->mode == KOHL_FIT_LETTERBOX && !same_colour(is->background, want->background)) ||
      !same_colour(info->decode.background, pre->decode.background)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: pictures have another background than the preprocessing",
                     kohl_pack_name(pack));
  }
  return KOHL_OK;
}

/* A pack's label as the list numbers it. */
static kohl_status map_label(kohl_samples_builder *b, const char *name, const kohl_pack *pack, int label, int *out) {
  const char *class_name = kohl_pack_class(pack, (size_t)label);
  return kohl_samples_known_label(b, name, class_name, strlen(class_name), out);
}

static kohl_status add_sample(kohl_samples_builder *b, const char *name, const kohl_pack *pack,
                              const kohl_pack_sample *s) {
  int label, *labels = NULL;
  kohl_status status = map_label(b, name, pack, s->label, &label);
  if (status == KOHL_OK) status = kohl_samples_add(b, NULL, s->path, label, s->split);
  if (status == KOHL_OK && kohl_pack_about(pack)->weights) status = kohl_samples_set_weight(b, s->weight);
  if (status == KOHL_OK && s->group) status = kohl_samples_set_group(b, s->group);
  if (status != KOHL_OK || !s->labels) return status;
  status = kohl_alloc(b->ctx, s->label_count, sizeof *labels, "the labels of a picture", &labels);
  for (size_t k = 0; status == KOHL_OK && k < s->label_count; k++) {
    status = map_label(b, name, pack, s->labels[k], &labels[k]);
  }
  if (status == KOHL_OK) status = kohl_samples_set_labels(b, labels, s->label_count);
  kohl_free(b->ctx, labels);
  return status;
}

static kohl_status read_samples(kohl_samples_builder *b, const char *name, const kohl_pack *pack) {
  kohl_status status = KOHL_OK;
  for (size_t i = 0; i < kohl_pack_about(pack)->count && status == KOHL_OK; i++) {
    kohl_pack_sample s = kohl_pack_sample_at(pack, i);
    status = add_sample(b, name, pack, &s);
    if (status != KOHL_OK || !s.bad) continue;
    b->samples->sample[i].bad = true;
    b->samples->bad++;
    kohl_log(b->ctx, KOHL_LOG_WARNING, "bad picture, skipped: %s: was bad when %s was made", s.path, name);
  }
  return status;
}

/* The pack's own classes, in its order. */
static kohl_status copy_classes(kohl_context *ctx, const kohl_pack *pack, const char ***out) {
  size_t count = kohl_pack_about(pack)->class_count;
  kohl_status status = kohl_alloc(ctx, count, sizeof **out, "the classes of a pack", out);
  for (size_t i = 0; status == KOHL_OK && i < count; i++) (*out)[i] = kohl_pack_class(pack, i);
  return status;
}

kohl_status kohl_samples_from_pack(kohl_context *ctx, const char *path, const kohl_source_options *options,
                                   kohl_samples *out) {
  kohl_source_options own = {0};
  kohl_samples_builder b = {.ctx = ctx, .samples = out, .options = options};
  const char **classes = NULL;
  kohl_pack *pack;
  memset(out, 0, sizeof *out);
  kohl_status status = kohl_pack_open(ctx, path, &pack);
  if (status != KOHL_OK) return status;
  if (!options || !options->classes) {
    /* As if they were given: their order, and those without a picture, are the pack's. */
    status = copy_classes(ctx, pack, &classes);
    own = (kohl_source_options){.classes = (const char *const *)classes,
                                .class_count = kohl_pack_about(pack)->class_count};
    b.options = &own;
  }
  if (status == KOHL_OK) status = kohl_samples_begin(&b);
  if (status == KOHL_USAGE && classes) { /* a name that is there twice is the file's fault, not the caller's */
    kohl_fail_prefix(ctx, "%s", path);
    status = KOHL_BAD_INPUT;
  }
  if (status == KOHL_OK) status = read_samples(&b, path, pack);
  status = kohl_samples_end(&b, path, status);
  kohl_free(ctx, classes);
  if (status == KOHL_OK) {
    out->pack = pack;
  } else {
    kohl_pack_close(ctx, pack);
  }
  return status;
}
