/* Lists a source and prints as JSON how many pictures it has, the seconds, the bytes of memory asked for (what is kept,
 * and the most on the way), and by how many bytes the listing has raised the most memory that the process ever held.
 * tests/oracle/bad_files.py reads it.  With CLASS..., samples must belong to one of these.  list_samples SOURCE
 * [CLASS...]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "datasets/source.h"

typedef struct {
  size_t live, peak;
} gauge;

/* The size stands in front, in a line of 64 bytes that is not counted. */
static void *allocate(size_t bytes, void *user) {
  gauge *g = user;
  size_t room = (bytes + 63) / 64 * 64;
  size_t *memory = aligned_alloc(64, room + 64);
  if (!memory) return NULL;
  *memory = room;
  g->live += room;
  if (g->live > g->peak) g->peak = g->live;
  return memory + 8;
}

static void release(void *memory, void *user) {
  if (!memory) return;
  size_t *begin = (size_t *)memory - 8;
  ((gauge *)user)->live -= *begin;
  free(begin);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* VmHWM; getrusage's ru_maxrss would be that of the process that started this one. */
static size_t resident_peak(void) {
  static const char name[] = "VmHWM:";
  char line[256];
  size_t kib = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && !kib && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, strlen(name)) == 0) kib = strtoull(line + strlen(name), NULL, 10);
  }
  if (file) fclose(file);
  return kib * 1024;
}

int main(int argc, char **argv) {
  gauge g = {0, 0};
  kohl_context_options options = kohl_context_options_default();
  options.allocator = (kohl_allocator){allocate, release, &g};
  options.threads = 1;
  kohl_context *ctx;
  if (argc < 2 || kohl_context_create(&options, &ctx) != KOHL_OK) return 1;
  size_t before = g.peak = g.live;
  size_t resident = resident_peak();
  kohl_samples samples;
  kohl_source_options source = {.classes = argc > 2 ? (const char *const *)argv + 2 : NULL,
                                .class_count = (size_t)argc - 2};
  double begin = now();
  kohl_status status = kohl_samples_open(ctx, argv[1], &source, &samples);
  double seconds = now() - begin;
  if (status != KOHL_OK) fprintf(stderr, "%s\n", kohl_context_error(ctx));
  resident = resident_peak() - resident;
  printf("{\"pictures\": %zu, \"seconds\": %.6f, \"kept\": %zu, \"peak\": %zu, \"resident\": %zu}\n", samples.count,
         seconds, g.live - before, g.peak - before, resident);
  kohl_samples_free(ctx, &samples);
  bool leak = g.live != before;
  kohl_context_destroy(ctx);
  return status != KOHL_OK || leak;
}
