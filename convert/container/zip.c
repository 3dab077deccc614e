/* Reads the directory at the end of a zip archive, then each member's own header; see zip.h. */
#include "convert/container/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "nn/json.h"

/* Sizes of the records without their variable parts. */
enum { LOCAL = 30, ENTRY = 46, END = 22, LOCATOR = 20, END64 = 56, MOST_COMMENT = 65535 };
enum { FLAG_ENCRYPTED = 1, FLAG_SIZES_BEHIND = 1 << 3, FLAG_STRONG = 1 << 6, FLAG_MASKED = 1 << 13 };

/* The archive while it is opened. */
typedef struct {
  kohl_context *ctx;
  const char *path;
  const uint8_t *bytes;
  size_t length;
  size_t directory, directory_length; /* the directory inside bytes; members lie before it */
  size_t prefix;                      /* bytes before the archive, which its offsets do not count */
  uint64_t count;                     /* of members, as stated */
} archive;

/* One entry of the directory. */
typedef struct {
  const uint8_t *name;
  size_t name_length;
  unsigned flags, method, disk;
  uint32_t crc32;
  uint64_t packed, size, offset;
} entry;

/* Where a member lies, its own header included. */
typedef struct {
  size_t from, to;
  const char *name;
} range;

static uint64_t number(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
  return value;
}

/* Records begin with PK and two more bytes. */
static bool signature(const uint8_t *at, unsigned word) {
  return at[0] == 'P' && at[1] == 'K' && at[2] == word >> 8 && at[3] == (word & 255);
}

static kohl_status fail(const archive *a, const char *why) {
  return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: zip archive: %s", a->path, why);
}

static kohl_status fail_entry(const archive *a, const entry *e, const char *why) {
  return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: member '%s': %s", a->path,
                   kohl_quote((const char *)e->name, e->name_length).text, why);
}

/* *at = the end record: the last one whose comment reaches exactly to the end of the file. */
static kohl_status find_end(const archive *a, size_t *at) {
  if (a->length >= END) {
    size_t lowest = a->length - END > MOST_COMMENT ? a->length - END - MOST_COMMENT : 0;
    for (*at = a->length - END;; (*at)--) {
      const uint8_t *end = a->bytes + *at;
      if (signature(end, 0x0506) && *at + END + number(end + 20, 2) == a->length) return KOHL_OK;
      if (*at == lowest) break;
    }
  }
  return fail(a, "has no end record, expected it at the end of the file; the file is cut off or damaged");
}

/* *at = the zip64 end record that the locator in front of the end record speaks of.  A prefix moves it. */
static kohl_status find_end64(archive *a, size_t locator, size_t *at) {
  const uint8_t *l = a->bytes + locator;
  uint64_t stated = number(l + 8, 8);
  if (number(l + 4, 4) != 0 || number(l + 16, 4) > 1) return fail(a, "is a part of several, expected one file");
  if (locator < END64) return fail(a, "its zip64 end record leaves the file");
  *at = locator - END64;
  if (!signature(a->bytes + *at, 0x0606) && stated < *at) *at = (size_t)stated; /* one with more behind its fields */
  if (!signature(a->bytes + *at, 0x0606) || stated > *at || number(a->bytes + *at + 4, 8) != locator - *at - 12)
    return fail(a, "its zip64 end record is not where its locator says");
  a->prefix = *at - (size_t)stated;
  return KOHL_OK;
}

/* Finds the directory. */
static kohl_status find_directory(archive *a) {
  size_t at = 0, ends;
  kohl_status status = find_end(a, &at);
  if (status) return status;
  const uint8_t *end = a->bytes + at;
  bool zip64 = at >= LOCATOR && signature(end - LOCATOR, 0x0607);
  ends = at;
  uint64_t disks = number(end + 4, 2) | number(end + 6, 2), here = number(end + 8, 2);
  uint64_t size = number(end + 12, 4), offset = number(end + 16, 4);
  a->count = number(end + 10, 2);
  if (zip64) {
    status = find_end64(a, at - LOCATOR, &ends);
    if (status) return status;
    end = a->bytes + ends;
    disks = number(end + 16, 4) | number(end + 20, 4);
    here = number(end + 24, 8);
    a->count = number(end + 32, 8);
    size = number(end + 40, 8);
    offset = number(end + 48, 8);
  }
  if (disks != 0 || here != a->count) return fail(a, "is a part of several, expected one file");
  if (size > ends || offset > ends - size) return fail(a, "its directory leaves the file");
  a->directory_length = (size_t)size;
  a->directory = ends - a->directory_length;
  if (zip64 && offset + a->prefix != a->directory)
    return fail(a, "its directory does not end where the zip64 end record begins");
  a->prefix = a->directory - (size_t)offset;
  if (a->count > KOHL_ZIP_MEMBERS)
    return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: zip archive: %llu members, expected at most %d", a->path,
                     (unsigned long long)a->count, KOHL_ZIP_MEMBERS);
  if (a->count > a->directory_length / ENTRY) return fail(a, "its directory is shorter than its members need");
  return KOHL_OK;
}

/* Fields of an entry that did not fit lie in the zip64 field, in this order, those alone that are all ones. */
static bool read_zip64(entry *e, const uint8_t *extra, size_t length) {
  bool size = e->size == UINT32_MAX, packed = e->packed == UINT32_MAX, offset = e->offset == UINT32_MAX;
  if (!size && !packed && !offset) return true;
  while (length >= 4) {
    size_t id = number(extra, 2), n = number(extra + 2, 2);
    if (n > length - 4) return false;
    const uint8_t *at = extra + 4;
    if (id == 1) {
      if (n < 8 * ((size_t)size + packed + offset)) return false;
      if (size) e->size = number(at, 8), at += 8;
      if (packed) e->packed = number(at, 8), at += 8;
      if (offset) e->offset = number(at, 8);
      return true;
    }
    extra += 4 + n;
    length -= 4 + n;
  }
  return false;
}

/* The entry at *at of the directory; *at moves behind it. */
static kohl_status read_entry(const archive *a, size_t *at, entry *e) {
  size_t left = a->directory + a->directory_length - *at;
  const uint8_t *from = a->bytes + *at;
  if (left < ENTRY || !signature(from, 0x0102)) return fail(a, "its directory is damaged: no entry where one must be");
  size_t name = number(from + 28, 2), extra = number(from + 30, 2), comment = number(from + 32, 2);
  if (name + extra + comment > left - ENTRY) return fail(a, "its directory is damaged: an entry leaves it");
  *e = (entry){.name = from + ENTRY,
               .name_length = name,
               .flags = (unsigned)number(from + 8, 2),
               .method = (unsigned)number(from + 10, 2),
               .disk = (unsigned)number(from + 34, 2),
               .crc32 = (uint32_t)number(from + 16, 4),
               .packed = number(from + 20, 4),
               .size = number(from + 24, 4),
               .offset = number(from + 42, 4)};
  *at += ENTRY + name + extra + comment;
  if (name == 0 || name > KOHL_ZIP_NAME)
    return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: zip archive: a member's name has %zu bytes, expected 1 to %d",
                     a->path, name, KOHL_ZIP_NAME);
  if (memchr(e->name, 0, name)) return fail_entry(a, e, "its name contains a zero byte");
  if (!read_zip64(e, from + ENTRY + name, extra)) return fail_entry(a, e, "its zip64 field is missing or damaged");
  return KOHL_OK;
}

static kohl_status check_kind(const archive *a, const entry *e, unsigned flags, unsigned method) {
  if (flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED))
    return fail_entry(a, e, "is encrypted, expected plain bytes");
  if (method != 0)
    return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: member '%s': is packed (method %u), expected stored bytes", a->path,
                     kohl_quote((const char *)e->name, e->name_length).text, method);
  return KOHL_OK;
}

/* Where an entry's bytes lie, by the member's own header, which must agree with the directory. */
static kohl_status find_bytes(const archive *a, const entry *e, range *where, const uint8_t **bytes) {
  /* Both are less than the length of the file, but for an offset of 64 bits. */
  if (e->offset > a->directory - a->prefix || a->directory - a->prefix - (size_t)e->offset < LOCAL)
    return fail_entry(a, e, "begins outside the archive");
  size_t from = a->prefix + (size_t)e->offset, left = a->directory - from - LOCAL;
  const uint8_t *local = a->bytes + from;
  if (!signature(local, 0x0304)) return fail_entry(a, e, "has no header of its own where the directory says");
  size_t name = number(local + 26, 2), extra = number(local + 28, 2);
  unsigned flags = (unsigned)number(local + 6, 2);
  uint64_t packed = number(local + 18, 4), size = number(local + 22, 4);
  if (name + extra > left) return fail_entry(a, e, "its header leaves the archive");
  if (name != e->name_length || memcmp(local + LOCAL, e->name, name) != 0)
    return fail_entry(a, e, "has another name in its own header");
  kohl_status status = check_kind(a, e, flags, (unsigned)number(local + 8, 2));
  if (status) return status;
  if (e->size > left - name - extra)
    return kohl_fail(a->ctx, KOHL_BAD_INPUT,
                     "%s: member '%s': has %llu bytes, expected at most the %zu before the directory", a->path,
                     kohl_quote((const char *)e->name, e->name_length).text, (unsigned long long)e->size,
                     left - name - extra);
  /* Sizes of all ones lie in a zip64 field; with the flag they come behind the bytes, and may be zeros here. */
  if (!(flags & FLAG_SIZES_BEHIND) &&
      ((packed != e->size && packed != UINT32_MAX) || (size != e->size && size != UINT32_MAX)))
    return fail_entry(a, e, "has other sizes in its own header");
  *bytes = local + LOCAL + name + extra;
  *where = (range){.from = from, .to = from + LOCAL + name + extra + (size_t)e->size};
  return KOHL_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const kohl_zip_member *)a)->name, ((const kohl_zip_member *)b)->name);
}

static int by_place(const void *a, const void *b) {
  size_t x = ((const range *)a)->from, y = ((const range *)b)->from;
  return (x > y) - (x < y);
}

static kohl_status read_members(const archive *a, kohl_zip *zip, range *ranges) {
  size_t at = a->directory, text = 0;
  for (size_t i = 0; i < a->count; i++) {
    entry e = {0};
    kohl_zip_member *member = &zip->members[i];
    kohl_status status = read_entry(a, &at, &e);
    if (!status) status = check_kind(a, &e, e.flags, e.method);
    if (!status && e.disk != 0) status = fail(a, "is a part of several, expected one file");
    if (!status && e.packed != e.size) status = fail_entry(a, &e, "is stored, but its two sizes differ");
    if (!status) status = find_bytes(a, &e, &ranges[i], &member->bytes);
    if (status) return status;
    char *name = zip->names + text; /* names and their zeros are shorter than their entries */
    memcpy(name, e.name, e.name_length);
    name[e.name_length] = 0;
    text += e.name_length + 1;
    member->name = ranges[i].name = name;
    member->length = (size_t)e.size;
    member->crc32 = e.crc32;
    zip->count++;
  }
  if (at != a->directory + a->directory_length) return fail(a, "its directory has more bytes than its members need");
  return KOHL_OK;
}

static kohl_status check_members(const archive *a, kohl_zip *zip, range *ranges) {
  if (zip->count < 2) return KOHL_OK;
  qsort(ranges, zip->count, sizeof *ranges, by_place);
  qsort(zip->members, zip->count, sizeof *zip->members, by_name);
  for (size_t i = 1; i < zip->count; i++) {
    const char *name = zip->members[i].name;
    if (strcmp(zip->members[i - 1].name, name) == 0)
      return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: member '%s': its name appears twice", a->path,
                       kohl_quote(name, strlen(name)).text);
  }
  for (size_t i = 1; i < zip->count; i++) {
    const char *first = ranges[i - 1].name, *second = ranges[i].name;
    if (ranges[i - 1].to > ranges[i].from)
      return kohl_fail(a->ctx, KOHL_BAD_INPUT, "%s: member '%s': overlaps member '%s'", a->path,
                       kohl_quote(second, strlen(second)).text, kohl_quote(first, strlen(first)).text);
  }
  return KOHL_OK;
}

kohl_status kohl_zip_open(kohl_context *ctx, const char *path, const uint8_t *bytes, size_t length, kohl_zip *zip) {
  archive a = {.ctx = ctx, .path = path, .bytes = bytes, .length = length};
  range *ranges = NULL;
  *zip = (kohl_zip){.path = path};
  kohl_status status = find_directory(&a);
  if (!status)
    status = kohl_alloc(ctx, (size_t)a.count, sizeof *zip->members, "a zip archive's members", &zip->members);
  if (!status) status = kohl_alloc(ctx, a.directory_length, 1, "a zip archive's names", &zip->names);
  if (!status) status = kohl_alloc(ctx, (size_t)a.count, sizeof *ranges, "a zip archive's ranges", &ranges);
  if (!status) status = read_members(&a, zip, ranges);
  if (!status) status = check_members(&a, zip, ranges);
  kohl_free(ctx, ranges);
  if (status) kohl_zip_close(ctx, zip);
  return status;
}

void kohl_zip_close(kohl_context *ctx, kohl_zip *zip) {
  kohl_free(ctx, zip->members);
  kohl_free(ctx, zip->names);
  *zip = (kohl_zip){0};
}

static int name_order(const void *name, const void *member) {
  return strcmp(name, ((const kohl_zip_member *)member)->name);
}

const kohl_zip_member *kohl_zip_find(const kohl_zip *zip, const char *name) {
  return zip->count ? bsearch(name, zip->members, zip->count, sizeof *zip->members, name_order) : NULL;
}

kohl_status kohl_zip_check(kohl_context *ctx, const kohl_zip *zip, const kohl_zip_member *member) {
  if (member->crc32 == 0) return KOHL_OK;
  uint32_t crc = (uint32_t)crc32_z(0, member->bytes, member->length);
  if (crc == member->crc32) return KOHL_OK;
  return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: member '%s': CRC-32 is %08x, the archive says %08x; the file is damaged",
                   zip->path, kohl_quote(member->name, strlen(member->name)).text, crc, member->crc32);
}
