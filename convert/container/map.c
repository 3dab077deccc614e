/* Files in memory; see map.h. */
#include "convert/container/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

kohl_status kohl_map_open(kohl_context *ctx, const char *path, kohl_map *map) {
  struct stat info;
  *map = (kohl_map){0};
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* or a fifo without a writer would wait for ever */
  if (file < 0) return kohl_fail(ctx, KOHL_BAD_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
  kohl_status status = KOHL_OK;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
    status = kohl_fail(ctx, KOHL_BAD_INPUT, "%s: is not a regular file", path);
  if (!status && info.st_size > 0) {
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
      status = kohl_fail(ctx, KOHL_NO_RESOURCE, "%s: %lld bytes cannot be mapped: %s", path, (long long)info.st_size,
                         strerror(errno));
    else
      *map = (kohl_map){bytes, (size_t)info.st_size};
  }
  close(file);
  return status;
}

void kohl_map_close(kohl_map *map) {
  if (map->length) munmap((void *)(uintptr_t)map->bytes, map->length);
  *map = (kohl_map){0};
}

void kohl_map_forget(const kohl_map *map, const void *from, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)from, end = begin + length;
  begin = (begin + page - 1) / page * page; /* whole pages: those at the ends may hold what is still to be read */
  end = end / page * page;
  if (map->length && begin < end) madvise((void *)begin, end - begin, MADV_DONTNEED);
}
