/* The bytes of a TF.js model's weights, in the pieces in which they are stored. */
#ifndef KOHL_CONVERT_TFJS_SHARDS_H
#define KOHL_CONVERT_TFJS_SHARDS_H

#include "convert/container/map.h"
#include "convert/tfjs/manifest.h"

typedef struct kohl_tfjs_piece {
  const uint8_t *bytes;
  size_t first, length; /* of the bytes of all pieces */
  kohl_map map;         /* where it is a mapped file */
  uint8_t *own;         /* where it is memory: the pieces', until kohl_tfjs_pieces_close */
} kohl_tfjs_piece;

/* Begins as zeros; one piece for each shard of a manifest. */
typedef struct kohl_tfjs_pieces {
  kohl_tfjs_piece *piece;
  size_t count;
} kohl_tfjs_pieces;

/* The shards that lie in the folder of path, with an ending: "" for plain files, else ".js" or the like for
 * JavaScript modules, which are decoded.  Links are not followed. */
kohl_status kohl_tfjs_pieces_open(kohl_context *ctx, const char *path, const char *ending,
                                  const kohl_tfjs_manifest *manifest, kohl_tfjs_pieces *pieces);

/* Sets each piece's first; KOHL_BAD_INPUT: a group's pieces are not exactly the bytes of its tensors. */
kohl_status kohl_tfjs_pieces_check(kohl_context *ctx, const char *path, const kohl_tfjs_manifest *manifest,
                                   kohl_tfjs_pieces *pieces);

/* count bytes from `from` on, which lie inside the pieces. */
void kohl_tfjs_pieces_copy(const kohl_tfjs_pieces *pieces, size_t from, size_t count, uint8_t *out);

/* They will not be read again: kohl_map_forget. */
void kohl_tfjs_pieces_forget(const kohl_tfjs_pieces *pieces, size_t from, size_t count);

void kohl_tfjs_pieces_close(kohl_context *ctx, kohl_tfjs_pieces *pieces);

#endif
