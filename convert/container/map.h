/* A foreign file as bytes in memory: mapped, read only. */
#ifndef KOHL_CONVERT_CONTAINER_MAP_H
#define KOHL_CONVERT_CONTAINER_MAP_H

#include "kernels/core/context.h"

typedef struct kohl_map {
  const uint8_t *bytes; /* NULL when length is 0 */
  size_t length;
} kohl_map;

/* Maps a regular file, until kohl_map_close (zeros are allowed).  It must not be shortened by others meanwhile.
 * KOHL_BAD_INPUT: cannot be opened, no regular file. */
kohl_status kohl_map_open(kohl_context *ctx, const char *path, kohl_map *map);
void kohl_map_close(kohl_map *map);

/* Lets the system take back the memory of a part that was read and will not be read again: a large file costs what is
 * in use of it.  Its bytes can still be read. */
void kohl_map_forget(const kohl_map *map, const void *from, size_t length);

#endif
