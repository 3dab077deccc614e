/* The detector of races: what kernels call that were compiled with -fsanitize=thread, in place of ThreadSanitizer's own
 * runtime, which knows threads of the operating system and would need a third of a millisecond for each of CUDA's.
 *
 * CUDA's order is simple enough to be exact.  Within a launch an access comes before another one when both are of one
 * thread, or of one block with a barrier between them, or of one warp with a warp barrier between them; blocks are not
 * ordered.  Launches are.  Every 4 bytes of the device's and of shared memory remember their last write and the reads
 * since; an access that neither comes before nor after one of these, where one of the two writes, is a race, in
 * whatever order the threads happened to run.  Atomic functions race with plain accesses alone, and order nothing.
 *
 * Besides races: accesses outside of every allocation, and reads of bytes that nobody has written. */
#include "runtime.h"

#ifndef KOHL_CUDA_RACES

shadow *shadow_create(char *, size_t, bool) { return nullptr; }
void shadow_destroy(shadow *) {}
void shadow_written(shadow *, size_t, size_t) {}
void shadow_block_begins(shadow *) {}
void shadow_atomic(void *, size_t) {}

#else

#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <iterator>
#include <map>
#include <vector>

namespace {

constexpr unsigned LANES = 32, MANY = 0xffffffffu, WARP_OF_MANY = 0x40000000u;

/* One access, or several that are not ordered among each other. */
struct mark {
  unsigned launch; /* 0: none */
  unsigned block;  /* MANY: of several */
  unsigned thread; /* MANY: of several warps; WARP_OF_MANY | warp: of several lanes */
  unsigned phase, warp_phase;
  bool atomic;
};

/* Marks of 4 bytes, or of each of them once they were accessed apart. */
struct granule {
  mark read, write;
  granule *bytes;
};

}  // namespace

struct shadow {
  char *data;
  size_t bytes;
  bool shared; /* of one block at a time */
  granule *granules;
  unsigned char *defined; /* by byte */
};

namespace {

std::map<const char *, shadow *> shadows;
const shadow *last_found[2];

void *zeroed(size_t bytes) {
  void *memory = mmap(nullptr, bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) report("no memory for the detector of races");
  return memory;
}

bool inside(const shadow *s, const char *at) { return s && at >= s->data && at < s->data + s->bytes; }

/* Global and shared memory take turns in most kernels: two are remembered. */
const shadow *find(const char *at) {
  if (inside(last_found[0], at)) return last_found[0];
  if (inside(last_found[1], at)) return last_found[1];
  auto next = shadows.upper_bound(at);
  if (next == shadows.begin()) return nullptr;
  const shadow *found = std::prev(next)->second;
  if (!inside(found, at)) return nullptr;
  last_found[1] = last_found[0];
  last_found[0] = found;
  return found;
}

unsigned warp_of(unsigned thread) { return thread & WARP_OF_MANY ? thread & ~WARP_OF_MANY : thread / LANES; }

/* Whether all accesses of a mark come before what the thread does now. */
bool before_now(const mark &m, bool shared) {
  if (m.launch != static_cast<unsigned>(now.launch)) return true;
  if (m.block != static_cast<unsigned>(now.block)) return shared;
  if (m.thread == now.thread || m.phase < now.phase) return true;
  return m.thread != MANY && warp_of(m.thread) == now.thread / LANES && m.warp_phase < now.warp_phase;
}

void add(mark *m, bool shared, bool atomic) {
  if (before_now(*m, shared)) {
    *m = mark{static_cast<unsigned>(now.launch),
              static_cast<unsigned>(now.block),
              now.thread,
              now.phase,
              now.warp_phase,
              atomic};
    return;
  }
  unsigned warp = now.thread / LANES;
  if (m->block != static_cast<unsigned>(now.block)) m->block = MANY;
  m->thread = m->thread != MANY && warp_of(m->thread) == warp ? WARP_OF_MANY | warp : MANY;
  m->phase = now.phase;
}

enum access { READ, WRITE, ATOMIC };
const char *const verbs[] = {"reads", "writes", "changes by an atomic function"};

[[noreturn]] void report_race(const mark &m, const char *earlier, access how, const char *at) {
  const shadow *s = find(at);
  char who[96];
  dim3 dim = kohl_cuda_here.block_dim, grid = kohl_cuda_here.grid_dim;
  if (m.block == MANY || m.thread == MANY || m.thread & WARP_OF_MANY) {
    snprintf(who, sizeof who, "several %s", m.block == MANY ? "blocks" : "of its threads");
  } else {
    snprintf(who, sizeof who, "block (%u,%u,%u), thread (%u,%u,%u)", m.block % grid.x, m.block / grid.x % grid.y,
             m.block / grid.x / grid.y, m.thread % dim.x, m.thread / dim.x % dim.y, m.thread / dim.x / dim.y);
  }
  report("race: %s byte %zu of %zu of %s memory, %s by %s without a barrier between", verbs[how],
         static_cast<size_t>(at - s->data), s->bytes, s->shared ? "shared" : "global", earlier, who);
}

void check(granule *g, bool shared, access how, const char *at) {
  bool among_atomics = how == ATOMIC && g->write.atomic;
  if (!among_atomics && !before_now(g->write, shared)) report_race(g->write, "written", how, at);
  if (how == READ) {
    add(&g->read, shared, false);
    return;
  }
  if (!before_now(g->read, shared)) report_race(g->read, "read", how, at);
  g->read.launch = 0;
  add(&g->write, shared, how == ATOMIC);
}

void split(granule *g) {
  g->bytes = new granule[4];
  for (int i = 0; i < 4; i++) g->bytes[i] = granule{g->read, g->write, nullptr};
}

/* Memory that kernels may read without it being the device's: constants of the program. */
struct segment {
  const char *begin, *end;
};
std::vector<segment> segments;

int add_segments(dl_phdr_info *info, size_t, void *) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const char *begin = reinterpret_cast<const char *>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    segments.push_back(segment{begin, begin + info->dlpi_phdr[i].p_memsz});
  }
  return 0;
}

bool of_the_program(const char *at) {
  if (segments.empty()) dl_iterate_phdr(add_segments, nullptr);
  for (const segment &each : segments) {
    if (at >= each.begin && at < each.end) return true;
  }
  return false;
}

void access_memory(const void *where, size_t bytes, access how) {
  const char *at = static_cast<const char *>(where);
  if (!now.name || static_cast<size_t>(at - now.stack) < now.stack_bytes) return;
  const shadow *s = find(at);
  if (!s) {
    bool argument = static_cast<size_t>(at - now.arguments) < now.argument_bytes;
    if (how == READ && (argument || of_the_program(at))) return;
    report("%s %zu bytes at %p, which are in no allocation of the device", verbs[how], bytes, where);
  }
  size_t from = static_cast<size_t>(at - s->data), to = from + bytes;
  if (to > s->bytes)
    report("%s %zu bytes at byte %zu of an allocation of %zu bytes", verbs[how], bytes, from, s->bytes);
  if (how != WRITE && memchr(s->defined + from, 0, bytes)) {
    report("%s %zu bytes at byte %zu of %zu of %s memory, which nobody has written", verbs[how], bytes, from, s->bytes,
           s->shared ? "shared" : "global");
  }
  if (how == WRITE) memset(s->defined + from, 1, bytes);
  for (size_t i = from; i < to;) {
    granule *g = &s->granules[i / 4];
    bool whole = i % 4 == 0 && i + 4 <= to;
    if (!whole && !g->bytes) split(g);
    if (!g->bytes) {
      check(g, s->shared, how, s->data + i);
      i += 4;
      continue;
    }
    size_t end = (i | 3) + 1 < to ? (i | 3) + 1 : to;
    for (; i < end; i++) check(&g->bytes[i % 4], s->shared, how, s->data + i);
  }
}

}  // namespace

shadow *shadow_create(char *data, size_t bytes, bool shared) {
  size_t granules = (bytes + 3) / 4;
  shadow *made = new shadow{data, bytes, shared, static_cast<granule *>(zeroed(granules * sizeof(granule))),
                            static_cast<unsigned char *>(zeroed(bytes))};
  shadows[data] = made;
  return made;
}

void shadow_destroy(shadow *s) {
  size_t granules = (s->bytes + 3) / 4;
  for (size_t i = 0; i < granules; i++) delete[] s->granules[i].bytes;
  munmap(s->granules, granules * sizeof(granule) + 1);
  munmap(s->defined, s->bytes + 1);
  shadows.erase(s->data);
  last_found[0] = last_found[1] = nullptr;
  delete s;
}

void shadow_written(shadow *s, size_t from, size_t bytes) { memset(s->defined + from, 1, bytes); }
void shadow_block_begins(shadow *s) { memset(s->defined, 0, s->bytes); }
void shadow_atomic(void *at, size_t bytes) { access_memory(at, bytes, ATOMIC); }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
#define ACCESS(bytes)                                                             \
  void __tsan_read##bytes(void *at) { access_memory(at, bytes, READ); }           \
  void __tsan_write##bytes(void *at) { access_memory(at, bytes, WRITE); }         \
  void __tsan_unaligned_read##bytes(void *at) { access_memory(at, bytes, READ); } \
  void __tsan_unaligned_write##bytes(void *at) { access_memory(at, bytes, WRITE); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
void __tsan_read_range(void *at, size_t bytes) { access_memory(at, bytes, READ); }
void __tsan_write_range(void *at, size_t bytes) { access_memory(at, bytes, WRITE); }
}

#endif
