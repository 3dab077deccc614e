/* Opening a pack: every field is compared with the file's size and with the others before it is used. */
#include "datasets/pack.h"

#include <errno.h>
#include <float.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datasets/file.h"
#include "datasets/fit.h"
#include "datasets/pack_format.h"
#include "kernels/core/alloc.h"
#include "kernels/core/crc32c.h"

/* What is known of a picture's bytes. */
enum { UNREAD, GOOD, DAMAGED };

struct kohl_pack {
  char *name; /* of the file, for error texts */
  void *map;  /* NULL: the bytes are the caller's */
  int fd;     /* -1 without a map; asked for the file's size before a picture is touched */
  const uint8_t *bytes;
  /* Owned copies, so that nobody can change what was checked: of the file's bytes only pictures are used later. */
  kohl_pack_record *records; /* the whole index, records first */
  size_t *label_at;          /* [count], owned: where a sample's labels begin; NULL where all have one */
  const int32_t *labels;
  const char *texts, **classes, **groups; /* classes, then groups, are one array, owned */
  size_t pictures, picture_bytes;
  _Atomic uint8_t *state; /* [count], owned */
  kohl_pack_info info;
};

const kohl_pack_info *kohl_pack_about(const kohl_pack *pack) { return &pack->info; }
const char *kohl_pack_name(const kohl_pack *pack) { return pack->name; }
const char *kohl_pack_class(const kohl_pack *pack, size_t i) { return pack->classes[i]; }

kohl_pack_sample kohl_pack_sample_at(const kohl_pack *pack, size_t i) {
  const kohl_pack_record *r = &pack->records[i];
  return (kohl_pack_sample){.path = pack->texts + r->text,
                            .label = (int)r->label,
                            .split = (kohl_split)r->split,
                            .bad = r->bad != 0,
                            .weight = r->weight,
                            .group = pack->groups ? pack->groups[r->group] : NULL,
                            .labels = pack->label_at ? pack->labels + pack->label_at[i] : NULL,
                            .label_count = r->labels};
}

static kohl_status fail_field(kohl_context *ctx, const char *field, uint64_t value, uint64_t expected) {
  return kohl_fail(ctx, KOHL_BAD_INPUT, "field '%s': value %llu, expected %llu", field, (unsigned long long)value,
                   (unsigned long long)expected);
}

/* The fit of a header whose CRC is right; numbers of enums are checked before they become enums. */
static kohl_status read_fit(kohl_context *ctx, const kohl_pack_header *h, kohl_pack_info *info) {
  if (h->mode >= KOHL_FIT_MODES || h->filter >= KOHL_FILTERS) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'mode' or 'filter': values %u and %u, expected less than %d and %d",
                     h->mode, h->filter, KOHL_FIT_MODES, KOHL_FILTERS);
  }
  if (h->w > KOHL_PICTURE_SIDE || h->h > KOHL_PICTURE_SIDE || h->resize > KOHL_PICTURE_SIDE) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "fields 'h', 'w', 'resize': values %u, %u and %u, expected at most %d", h->h,
                     h->w, h->resize, KOHL_PICTURE_SIDE);
  }
  if (h->orient > 1 || h->fast > 1) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "fields 'orient' and 'fast': values %u and %u, expected 0 or 1", h->orient,
                     h->fast);
  }
  info->decode = (kohl_decode_options){.orient = h->orient, .fast = h->fast};
  info->fit = (kohl_fit){.mode = (kohl_fit_mode)h->mode,
                         .filter = (kohl_filter)h->filter,
                         .w = (int)h->w,
                         .h = (int)h->h,
                         .resize = (int)h->resize,
                         .fraction = h->fraction};
  memcpy(info->fit.background, h->fit_background, 3);
  memcpy(info->decode.background, h->background, 3);
  const char *wrong = kohl_fit_check(&info->fit);
  if (wrong) return kohl_fail(ctx, KOHL_BAD_INPUT, "fit of %u x %u: %s", h->w, h->h, wrong);
  return KOHL_OK;
}

/* Whether the parts that the header names are, together, exactly the file. */
static kohl_status check_sizes(kohl_context *ctx, const kohl_pack_header *h, size_t length) {
  if (h->samples < 1 || h->samples > KOHL_SAMPLES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'samples': value %llu, expected 1 to %d",
                     (unsigned long long)h->samples, KOHL_SAMPLES);
  }
  if (h->classes < 1 || h->classes > KOHL_CLASSES) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "field 'classes': value %u, expected 1 to %d", h->classes, KOHL_CLASSES);
  }
  if (h->texts > length) return fail_field(ctx, "texts", h->texts, length);
  if (h->labels > length / 4) return fail_field(ctx, "labels", h->labels, length / 4);
  /* No sum or product overflows: 2^24 samples of at most 40 + 3 * 2^26 bytes, the rest no longer than the file. */
  uint64_t end = sizeof *h + h->samples * sizeof(kohl_pack_record) + 4 * h->labels + h->texts;
  uint64_t pictures = (end + KOHL_PACK_PAGE - 1) / KOHL_PACK_PAGE * KOHL_PACK_PAGE;
  uint64_t bytes = pictures + h->samples * ((uint64_t)h->h * h->w * 3);
  if (h->pictures != pictures) return fail_field(ctx, "pictures", h->pictures, pictures);
  if (h->bytes != bytes) return fail_field(ctx, "bytes", h->bytes, bytes);
  if (bytes == length) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "the file has %zu bytes, expected %llu as its header says", length,
                   (unsigned long long)bytes);
}

static kohl_status read_header(kohl_context *ctx, kohl_pack *pack, kohl_pack_header *h, size_t length) {
  if (length < sizeof *h) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "the file has %zu bytes, expected at least the %zu of a pack's header",
                     length, sizeof *h);
  }
  memcpy(h, pack->bytes, sizeof *h);
  if (memcmp(h->magic, KOHL_PACK_MAGIC, sizeof h->magic) != 0) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "not a pack: does not begin with " KOHL_PACK_MAGIC);
  }
  if (h->version != KOHL_PACK_VERSION) return fail_field(ctx, "version", h->version, KOHL_PACK_VERSION);
  uint32_t crc = kohl_crc32c(0, h, offsetof(kohl_pack_header, header_crc));
  if (crc != h->header_crc) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "CRC32C of the header is %08x, expected %08x: the file is damaged", crc,
                     h->header_crc);
  }
  static const uint8_t zeros[sizeof h->reserved];
  if (memcmp(h->reserved, zeros, sizeof zeros) != 0 || h->weights > 1) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "reserved bytes of the header are not zero, or 'weights' is not 0 or 1");
  }
  kohl_status status = read_fit(ctx, h, &pack->info);
  if (status == KOHL_OK) status = check_sizes(ctx, h, length);
  if (status != KOHL_OK) return status;
  pack->info.count = (size_t)h->samples;
  pack->info.class_count = h->classes;
  pack->info.bad = h->bad;
  pack->info.weights = h->weights;
  pack->info.bytes = length;
  pack->pictures = (size_t)h->pictures;
  pack->picture_bytes = (size_t)h->h * h->w * 3;
  size_t index = pack->pictures - sizeof *h;
  status = kohl_alloc(ctx, index, 1, "the index of a pack", &pack->records);
  if (status != KOHL_OK) return status;
  memcpy(pack->records, pack->bytes + sizeof *h, index);
  pack->labels = (const int32_t *)(pack->records + pack->info.count);
  pack->texts = (const char *)(pack->labels + h->labels);
  crc = kohl_crc32c(0, pack->records, index);
  if (crc == h->index_crc) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "CRC32C of the index is %08x, expected %08x: the file is damaged", crc,
                   h->index_crc);
}

/* The text at *at, which must end before `end`; *at moves behind its zero. */
static const char *take_text(const char *texts, size_t *at, size_t end) {
  size_t room = end - *at < KOHL_PACK_PATH ? end - *at : KOHL_PACK_PATH;
  const char *text = texts + *at, *zero = memchr(text, 0, room);
  if (!zero || !kohl_utf8_valid(text, (size_t)(zero - text))) return NULL;
  *at += (size_t)(zero - text) + 1;
  return text;
}

static kohl_status check_record(kohl_context *ctx, const kohl_pack *pack, const kohl_pack_header *h, size_t i,
                                size_t *at) {
  const kohl_pack_record *r = &pack->records[i];
  size_t begin = *at;
  const char *path = take_text(pack->texts, at, (size_t)h->texts);
  if (!path || !*path || r->text != begin || r->path != *at - begin - 1) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: its path is not the text that its record says", i);
  }
  if (r->label >= h->classes || r->split >= KOHL_SPLITS || r->bad > 1) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: label %u, split %u, bad %u, expected less than %u, %d and 2", i,
                     r->label, r->split, r->bad, h->classes, KOHL_SPLITS);
  }
  if (!(r->weight >= 0.0f && r->weight <= FLT_MAX) || (!h->weights && r->weight != 1.0f) ||
      (h->groups ? r->group >= h->groups : r->group)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: weight %g, group %u, expected 0 or more, and less than %u", i,
                     (double)r->weight, r->group, h->groups);
  }
  return KOHL_OK;
}

/* The labels of all samples, one behind the other; each has one at least, its first. */
static kohl_status check_labels(kohl_context *ctx, kohl_pack *pack, const kohl_pack_header *h) {
  size_t at = 0, count = (size_t)h->labels;
  kohl_status status =
      count ? kohl_alloc(ctx, pack->info.count, sizeof *pack->label_at, "the labels of a pack", &pack->label_at)
            : KOHL_OK;
  for (size_t i = 0; status == KOHL_OK && i < pack->info.count; i++) {
    const kohl_pack_record *r = &pack->records[i];
    bool good =
        count ? r->labels >= 1 && r->labels <= count - at && (uint32_t)pack->labels[at] == r->label : r->labels == 0;
    for (size_t k = 0; good && k < r->labels; k++) good = (uint32_t)pack->labels[at + k] < h->classes;
    if (!good)
      return kohl_fail(ctx, KOHL_BAD_INPUT, "sample %zu: %u labels that are not those of the header", i, r->labels);
    if (count) pack->label_at[i] = at;
    at += r->labels;
  }
  if (status == KOHL_OK && at != count) return fail_field(ctx, "labels", count, at);
  return status;
}

/* Classes, groups, then the samples' paths, one behind the other to the last byte. */
static kohl_status read_index(kohl_context *ctx, kohl_pack *pack, const kohl_pack_header *h) {
  size_t at = 0, bad = 0, end = (size_t)h->texts;
  size_t names = (size_t)h->classes + h->groups;
  if (names > end) return fail_field(ctx, "classes", names, end); /* each has a zero at least */
  kohl_status status = kohl_alloc(ctx, names, sizeof *pack->classes, "the classes of a pack", &pack->classes);
  if (status != KOHL_OK) return status;
  for (size_t c = 0; c < names; c++) {
    pack->classes[c] = take_text(pack->texts, &at, end);
    if (!pack->classes[c] || !*pack->classes[c]) {
      return kohl_fail(ctx, KOHL_BAD_INPUT, "class or group %zu: not a name in UTF-8 with a zero behind it", c);
    }
  }
  if (h->groups) pack->groups = pack->classes + h->classes;
  status = check_labels(ctx, pack, h);
  if (status != KOHL_OK) return status;
  for (size_t i = 0; i < pack->info.count; i++) {
    status = check_record(ctx, pack, h, i, &at);
    if (status != KOHL_OK) return status;
    bad += pack->records[i].bad;
  }
  if (at != end) return fail_field(ctx, "texts", end, at);
  if (bad != h->bad) return fail_field(ctx, "bad", h->bad, bad);
  return kohl_alloc(ctx, pack->info.count, sizeof *pack->state, "the pictures of a pack", &pack->state);
}

kohl_status kohl_pack_open_memory(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                  kohl_pack **out) {
  *out = NULL;
  kohl_pack *pack;
  kohl_pack_header header;
  kohl_status status = kohl_alloc(ctx, 1, sizeof *pack, "a pack", &pack);
  if (status != KOHL_OK) return status;
  pack->fd = -1;
  pack->bytes = bytes;
  status = kohl_strdup(ctx, name, &pack->name);
  if (status == KOHL_OK) {
    status = read_header(ctx, pack, &header, length);
    if (status == KOHL_OK) status = read_index(ctx, pack, &header);
    if (status != KOHL_OK) kohl_fail_prefix(ctx, "%s", name);
  }
  if (status != KOHL_OK) {
    kohl_pack_close(ctx, pack);
    return status;
  }
  *out = pack;
  return KOHL_OK;
}

kohl_status kohl_pack_open(kohl_context *ctx, const char *path, kohl_pack **out) {
  int fd;
  size_t length;
  *out = NULL;
  kohl_status status = kohl_file_open(ctx, path, &fd, &length);
  if (status != KOHL_OK) return status;
  void *map = MAP_FAILED;
  if (length < sizeof(kohl_pack_header)) {
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the file has %zu bytes, expected at least the %zu of a pack's header",
                       path, length, sizeof(kohl_pack_header));
  } else {
    map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
      status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: cannot be mapped into memory: %s", path, strerror(errno));
    }
  }
  if (status == KOHL_OK) status = kohl_pack_open_memory(ctx, path, map, length, out);
  if (status != KOHL_OK) {
    if (map != MAP_FAILED) munmap(map, length);
    close(fd);
    return status;
  }
  (*out)->map = map;
  (*out)->fd = fd;
  return KOHL_OK;
}

void kohl_pack_close(kohl_context *ctx, kohl_pack *pack) {
  if (!pack) return;
  if (pack->map) munmap(pack->map, pack->info.bytes);
  if (pack->fd >= 0) close(pack->fd);
  kohl_free(ctx, pack->name);
  kohl_free(ctx, pack->records);
  kohl_free(ctx, pack->classes);
  kohl_free(ctx, pack->label_at);
  kohl_free(ctx, pack->state);
  kohl_free(ctx, pack);
}

/* Touching a page behind the end of a file that became shorter would end the process (SIGBUS). */
static bool still_whole(const kohl_pack *pack) {
  struct stat st;
  return pack->fd < 0 || (fstat(pack->fd, &st) == 0 && (size_t)st.st_size >= pack->info.bytes);
}

kohl_status kohl_pack_picture(kohl_context *ctx, kohl_pack *pack, size_t i, const uint8_t **rgb) {
  if (!still_whole(pack)) {
    return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: picture %zu: the file became shorter after it was opened", pack->name,
                     i);
  }
  const kohl_pack_record *r = &pack->records[i];
  const char *path = pack->texts + r->text;
  if (r->bad) return kohl_fail(ctx, KOHL_BAD_INPUT, "%.800s: was bad when %.100s was made", path, pack->name);
  const uint8_t *bytes = pack->bytes + pack->pictures + i * pack->picture_bytes;
  uint8_t state = atomic_load_explicit(&pack->state[i], memory_order_relaxed);
  uint32_t crc = r->crc;
  if (state != GOOD) {
    crc = kohl_crc32c(0, bytes, pack->picture_bytes);
    state = crc == r->crc ? GOOD : DAMAGED;
    atomic_store_explicit(&pack->state[i], state, memory_order_relaxed);
  }
  if (state == DAMAGED) {
    return kohl_fail(ctx, KOHL_BAD_INPUT,
                     "%s: picture %zu (%.400s): CRC32C of its bytes is %08x, expected %08x: the file is damaged",
                     pack->name, i, path, crc, r->crc);
  }
  *rgb = bytes;
  return KOHL_OK;
}
