/* Shards of a folder, and bytes of all of them; see shards.h. */
#include "convert/tfjs/shards.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "convert/container/base64.h"
#include "convert/tfjs/module.h"

#define QUOTE(text_) kohl_quote(text_, strlen(text_)).text

/* The base64 text of a module becomes the piece's bytes. */
static kohl_status decode_piece(kohl_context *ctx, const char *file, kohl_tfjs_piece *piece) {
  size_t from, length;
  kohl_status status =
      kohl_tfjs_module_text(ctx, file, (const char *)piece->map.bytes, piece->map.length, &from, &length);
  if (status) return status;
  status = kohl_alloc(ctx, kohl_base64_room(length), 1, "a shard of a TF.js model", &piece->own);
  if (status) return status;
  status = kohl_base64_decode(ctx, (const char *)piece->map.bytes + from, length, piece->own, &piece->length);
  if (status) kohl_fail_prefix(ctx, "%s", file);
  kohl_map_close(&piece->map);
  piece->map = (kohl_map){0};
  piece->bytes = piece->own;
  return status;
}

static kohl_status open_piece(kohl_context *ctx, const char *path, const char *ending, const kohl_tfjs_shard *shard,
                              kohl_tfjs_piece *piece) {
  const char *slash = strrchr(path, '/');
  size_t folder = slash ? (size_t)(slash + 1 - path) : 0, room = folder + strlen(shard->name) + strlen(ending) + 1;
  struct stat is;
  char *file;
  kohl_status status = kohl_alloc(ctx, room, 1, "the path of a shard", &file);
  if (status) return status;
  snprintf(file, room, "%.*s%s%s", (int)folder, path, shard->name, ending);
  if (lstat(file, &is) != 0)
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: shard '%s' is not there, expected it in the folder of the model", path,
                       QUOTE(file + folder));
  else if (!S_ISREG(is.st_mode))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: shard '%s' is %s, expected a file", path, QUOTE(file + folder),
                       S_ISLNK(is.st_mode) ? "a link, which may lead out of the folder of the model" : "no file");
  if (!status) status = kohl_map_open(ctx, file, &piece->map);
  piece->bytes = piece->map.bytes;
  piece->length = piece->map.length;
  if (!status && ending[0]) status = decode_piece(ctx, file, piece);
  kohl_free(ctx, file);
  return status;
}

kohl_status kohl_tfjs_pieces_open(kohl_context *ctx, const char *path, const char *ending,
                                  const kohl_tfjs_manifest *manifest, kohl_tfjs_pieces *pieces) {
  kohl_status status =
      kohl_alloc(ctx, manifest->shard_count, sizeof *pieces->piece, "the shards of a TF.js model", &pieces->piece);
  if (status) return status;
  for (; pieces->count < manifest->shard_count && !status; pieces->count++) {
    status = open_piece(ctx, path, ending, &manifest->shards[pieces->count], &pieces->piece[pieces->count]);
    if (!status) status = kohl_check_cancel(ctx);
  }
  return status;
}

kohl_status kohl_tfjs_pieces_check(kohl_context *ctx, const char *path, const kohl_tfjs_manifest *manifest,
                                   kohl_tfjs_pieces *pieces) {
  size_t first = 0, i = 0;
  for (size_t group = 0; group < manifest->group_count; group++) {
    size_t begin = first;
    for (; i < pieces->count && manifest->shards[i].group == group; i++) {
      pieces->piece[i].first = first;
      if (!kohl_add_size(first, pieces->piece[i].length, &first))
        return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: the shards are too long", path);
    }
    if (first - begin != manifest->group_bytes[group])
      return kohl_fail(ctx, KOHL_BAD_INPUT,
                       "%s: the shards of group %zu of 'weightsManifest' have %zu bytes, expected the %zu of its "
                       "tensors",
                       path, group + 1, first - begin, manifest->group_bytes[group]);
  }
  return KOHL_OK;
}

/* The piece that a byte lies in. */
static size_t find_piece(const kohl_tfjs_pieces *pieces, size_t at) {
  size_t low = 0, high = pieces->count; /* the last one that begins at it or before is in [low, high) */
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    *(pieces->piece[middle].first <= at ? &low : &high) = middle;
  }
  return low;
}

void kohl_tfjs_pieces_copy(const kohl_tfjs_pieces *pieces, size_t from, size_t count, uint8_t *out) {
  for (size_t i = find_piece(pieces, from); count > 0 && i < pieces->count; i++) {
    const kohl_tfjs_piece *piece = &pieces->piece[i];
    size_t skip = from - piece->first, n = piece->length - skip < count ? piece->length - skip : count;
    if (!n) continue; /* an empty piece */
    memcpy(out, piece->bytes + skip, n);
    out += n;
    from += n;
    count -= n;
  }
}

void kohl_tfjs_pieces_forget(const kohl_tfjs_pieces *pieces, size_t from, size_t count) {
  for (size_t i = find_piece(pieces, from); count > 0 && i < pieces->count; i++) {
    const kohl_tfjs_piece *piece = &pieces->piece[i];
    size_t skip = from - piece->first, n = piece->length - skip < count ? piece->length - skip : count;
    if (n && !piece->own) kohl_map_forget(&piece->map, piece->bytes + skip, n);
    from += n;
    count -= n;
  }
}

void kohl_tfjs_pieces_close(kohl_context *ctx, kohl_tfjs_pieces *pieces) {
  for (size_t i = 0; pieces->piece && i < pieces->count; i++) {
    kohl_map_close(&pieces->piece[i].map);
    kohl_free(ctx, pieces->piece[i].own);
  }
  kohl_free(ctx, pieces->piece);
  *pieces = (kohl_tfjs_pieces){0};
}
