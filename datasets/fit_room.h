/* What somebody who fits many pictures keeps from one to the next: the weights of the last shapes and a workspace.
 *
 * The weights of a resize depend on its shape alone, and photographs come in few; working them out takes as long as
 * multiplying by them.  What is kept changes no result.  The memory is taken once; a shape that needs more than its
 * share of it - pictures of megapixels, whose decoding takes a hundred times as long - goes through the context's
 * allocator and is freed behind its picture, whatever was kept before.  One thread at a time. */
#ifndef KOHL_DATASETS_FIT_ROOM_H
#define KOHL_DATASETS_FIT_ROOM_H

#include "kernels/resize/resize.h"

/* Shapes that are kept, bytes of the weights of each, of the workspace, and of all. */
enum {
  KOHL_FIT_SHAPES = 4,
  KOHL_FIT_WEIGHTS = 128 << 10,
  KOHL_FIT_WORKSPACE = 512 << 10,
  KOHL_FIT_ROOM = KOHL_FIT_SHAPES * KOHL_FIT_WEIGHTS + KOHL_FIT_WORKSPACE
};

/* A kept shape; kernel is NULL where there is none.  desc is without n and the distances of rows. */
typedef struct kohl_fit_shape {
  const kohl_kernel *kernel;
  kohl_resize_desc desc;
  uint64_t used; /* the room's clock when it was last wanted */
} kohl_fit_shape;

typedef struct kohl_fit_room {
  uint8_t *memory; /* KOHL_FIT_ROOM bytes, owned: the weights of the shapes, then the workspace */
  kohl_fit_shape shape[KOHL_FIT_SHAPES];
  uint64_t clock;
} kohl_fit_room;

/* KOHL_NO_RESOURCE when memory is refused; the room is empty then.  Freed with the same context's allocator; an empty
 * room may be freed too. */
kohl_status kohl_fit_room_make(kohl_context *ctx, kohl_fit_room *room);
void kohl_fit_room_free(kohl_context *ctx, kohl_fit_room *room);

/* *weights = what the kernel packs for a desc that it accepts, valid until the next call; *own is what the caller frees
 * when it has run, or NULL.  room may be NULL: nothing is kept. */
kohl_status kohl_fit_room_weights(kohl_context *ctx, kohl_fit_room *room, const kohl_kernel *kernel,
                                  const kohl_resize_desc *d, const void **weights, void **own);

/* *workspace = memory for a run, with anything in it; the rest as above. */
kohl_status kohl_fit_room_workspace(kohl_context *ctx, kohl_fit_room *room, size_t bytes, void **workspace, void **own);

#endif
