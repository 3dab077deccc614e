/* The kept shapes: the one that was not wanted for longest makes way. */
#include "datasets/fit_room.h"

#include <string.h>

#include "kernels/core/alloc.h"

kohl_status kohl_fit_room_make(kohl_context *ctx, kohl_fit_room *room) {
  memset(room, 0, sizeof *room);
  return kohl_alloc(ctx, KOHL_FIT_ROOM, 1, "resizing pictures", &room->memory);
}

void kohl_fit_room_free(kohl_context *ctx, kohl_fit_room *room) {
  kohl_free(ctx, room->memory);
  memset(room, 0, sizeof *room);
}

/* What the weights depend on. */
static kohl_resize_desc shape_of(const kohl_resize_desc *d) {
  kohl_resize_desc shape = *d;
  shape.n = 1;
  shape.src_row = shape.w * shape.c;
  shape.dst_row = shape.q * shape.c;
  return shape;
}

static bool same(const kohl_resize_desc *a, const kohl_resize_desc *b) {
  return a->h == b->h && a->w == b->w && a->c == b->c && a->p == b->p && a->q == b->q && a->p_full == b->p_full &&
         a->q_full == b->q_full && a->top == b->top && a->left == b->left && a->filter == b->filter;
}

/* The weights of a shape in the room, packed now if they are not there. */
static const void *kept(kohl_fit_room *room, const kohl_kernel *kernel, const kohl_resize_desc *shape) {
  size_t oldest = 0, at = 0;
  for (; at < KOHL_FIT_SHAPES; at++) {
    const kohl_fit_shape *is = &room->shape[at];
    if (is->kernel == kernel && same(&is->desc, shape)) break;
    if (is->used < room->shape[oldest].used) oldest = at;
  }
  bool found = at < KOHL_FIT_SHAPES;
  if (!found) at = oldest;
  uint8_t *weights = room->memory + at * KOHL_FIT_WEIGHTS;
  if (!found) kernel->code->pack(shape, NULL, weights);
  room->shape[at] = (kohl_fit_shape){kernel, *shape, ++room->clock};
  return weights;
}

kohl_status kohl_fit_room_weights(kohl_context *ctx, kohl_fit_room *room, const kohl_kernel *kernel,
                                  const kohl_resize_desc *d, const void **weights, void **own) {
  *weights = NULL;
  *own = NULL;
  if (!kernel->code->packed_size) return KOHL_OK;
  kohl_resize_desc shape = shape_of(d);
  size_t bytes = kernel->code->packed_size(&shape);
  if (room && bytes <= KOHL_FIT_WEIGHTS) {
    *weights = kept(room, kernel, &shape);
    return KOHL_OK;
  }
  kohl_status status = kohl_alloc(ctx, bytes, 1, "the weights of a resize", own);
  if (status != KOHL_OK) return status;
  kernel->code->pack(&shape, NULL, *own);
  *weights = *own;
  return KOHL_OK;
}

kohl_status kohl_fit_room_workspace(kohl_context *ctx, kohl_fit_room *room, size_t bytes, void **workspace,
                                    void **own) {
  *own = NULL;
  if (room && bytes <= KOHL_FIT_WORKSPACE) {
    *workspace = room->memory + KOHL_FIT_SHAPES * KOHL_FIT_WEIGHTS;
    return KOHL_OK;
  }
  kohl_status status = kohl_alloc(ctx, bytes, 1, "resizing a picture", own);
  *workspace = *own;
  return status;
}
