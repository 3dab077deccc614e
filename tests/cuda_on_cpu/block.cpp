/* Runs the blocks of a kernel one after another, the threads of each on fibers.
 *
 * A fiber runs thread after thread until one waits at a barrier or a warp function; the next fiber then goes on with
 * the next thread.  When every thread waits or has ended, the barriers that are complete are opened, and their threads
 * go on in the same order.  A kernel without barriers therefore costs no switch at all. */
#include <stdio.h>
#include <string.h>

#include <vector>

#include "fiber.h"
#include "order.h"
#include "runtime.h"

kohl_cuda_position kohl_cuda_here;
kernel_now now;

namespace {

enum state { FRESH, READY, AT_BARRIER, AT_WARP, ENDED };
enum warp_op { WARP_BARRIER, WARP_READ, WARP_VOTE };

struct thread {
  state at;
  fiber *runs_on;
  const char *file; /* of the barrier that it waits at */
  int line;
  warp_op op;
  unsigned mask;
  uint64_t value; /* brought to a warp function, then its result */
  int source;
};

constexpr unsigned LANES = 32, MAX_THREADS = 1024;
constexpr size_t SHARED_GUARD = 64, SHARED_LIMIT = 48 * 1024;

struct shared {
  const void *tag;
  size_t bytes;
  unsigned char *memory; /* between guards */
  struct shadow *shadow;
  bool open; /* the current block has asked for it */
};

const kohl_cuda_call *call;
thread threads[MAX_THREADS];
unsigned count, order[MAX_THREADS], next_fresh, ended, warp_phases[MAX_THREADS / LANES];
fiber scheduler;
std::vector<fiber *> idle;
std::vector<shared> declarations;
fiber *running;

void stand_at(unsigned index) {
  dim3 dim = kohl_cuda_here.block_dim;
  now.thread = index;
  now.warp_phase = warp_phases[index / LANES];
  kohl_cuda_here.thread = uint3{index % dim.x, index / dim.x % dim.y, index / dim.x / dim.y};
}

void fiber_body() {
  for (;;) {
    fiber *self = running;
    while (next_fresh < count) {
      unsigned index = order[next_fresh++];
      threads[index].runs_on = self;
      threads[index].at = READY;
      stand_at(index);
      call->call(call->arguments);
      threads[now.thread].at = ENDED;
      ended++;
    }
    idle.push_back(self);
    fiber_switch(self, &scheduler);
  }
}

/* Goes on with a fiber until it has nothing more to do or waits. */
void go_on(fiber *chosen) {
  running = chosen;
  now.stack = chosen->stack;
  now.stack_bytes = chosen->bytes;
  fiber_switch(&scheduler, chosen);
}

thread *wait(state how) {
  thread *self = &threads[now.thread];
  self->at = how;
  fiber_switch(self->runs_on, &scheduler);
  return self;
}

/* "thread (x,y,z)" for a report. */
struct thread_name {
  char text[64];
  explicit thread_name(unsigned index) {
    dim3 dim = kohl_cuda_here.block_dim;
    snprintf(text, sizeof text, "thread (%u,%u,%u)", index % dim.x, index / dim.x % dim.y, index / dim.x / dim.y);
  }
};

const char *short_name(const char *file) {
  const char *slash = file ? strrchr(file, '/') : nullptr;
  return slash ? slash + 1 : file;
}

/* All live threads wait at the block's barrier: opens it where all of them, and at the same one. */
bool open_barrier() {
  const thread *first = nullptr;
  unsigned waiting = 0, first_index = 0, ended_index = 0;
  for (unsigned i = 0; i < count; i++) {
    if (threads[i].at == ENDED) ended_index = i;
    if (threads[i].at != AT_BARRIER) continue;
    waiting++;
    if (!first) first = &threads[i], first_index = i;
    if (threads[i].line == first->line && !strcmp(threads[i].file, first->file)) continue;
    report("divergent barriers: %s waits at %s:%d, %s at line %d", thread_name(first_index).text,
           short_name(first->file), first->line, thread_name(i).text, threads[i].line);
  }
  if (!waiting || waiting + ended < count) return false;
  if (ended) {
    report("divergent barrier: %s waits at %s:%d, %s has ended", thread_name(first_index).text, short_name(first->file),
           first->line, thread_name(ended_index).text);
  }
  now.phase++;
  for (unsigned i = 0; i < count; i++) threads[i].at = READY;
  return true;
}

unsigned lanes_of(unsigned warp) { return count - warp * LANES < LANES ? count - warp * LANES : LANES; }

/* Gives every lane of a complete warp function its result. */
void answer(unsigned warp, unsigned mask) {
  uint64_t brought[LANES], vote = 0;
  thread *lane = threads + warp * LANES;
  for (unsigned i = 0; i < LANES; i++) brought[i] = mask >> i & 1 ? lane[i].value : 0;
  for (unsigned i = 0; i < LANES; i++) vote |= (mask >> i & 1) && brought[i] ? 1u << i : 0;
  for (unsigned i = 0; i < LANES; i++) {
    if (!(mask >> i & 1)) continue;
    int source = lane[i].source;
    if (lane[i].op == WARP_READ && (source < 0 || source >= static_cast<int>(LANES) || !(mask >> source & 1))) {
      report("shuffle: %s reads from lane %d, which takes no part", thread_name(warp * LANES + i).text, source);
    }
    if (lane[i].op == WARP_READ) lane[i].value = brought[source];
    if (lane[i].op == WARP_VOTE) lane[i].value = vote;
    lane[i].at = READY;
  }
}

/* Opens the warp functions of one warp for which every live lane of the mask has come. */
bool open_warp(unsigned warp) {
  thread *lane = threads + warp * LANES;
  unsigned lanes = lanes_of(warp), live = 0, here = 0;
  bool opened = false;
  for (unsigned i = 0; i < lanes; i++) live |= lane[i].at != ENDED ? 1u << i : 0;
  for (unsigned i = 0; i < lanes; i++) here |= lane[i].at == AT_WARP ? 1u << i : 0;
  for (unsigned i = 0; i < lanes; i++) {
    unsigned wanted = lane[i].mask & live;
    if (lane[i].at != AT_WARP || wanted & ~here) continue;
    for (unsigned j = 0; j < lanes; j++) {
      if (!(wanted >> j & 1) || (lane[j].mask == lane[i].mask && lane[j].op == lane[i].op)) continue;
      report("divergent warp: %s and %s call different warp functions or with different masks %08x and %08x",
             thread_name(warp * LANES + i).text, thread_name(warp * LANES + j).text, lane[i].mask, lane[j].mask);
    }
    if (lane[i].op == WARP_BARRIER && wanted == live) warp_phases[warp]++;
    answer(warp, wanted);
    here &= ~wanted;
    opened = true;
  }
  return opened;
}

bool open_any() {
  bool opened = false;
  for (unsigned warp = 0; warp * LANES < count; warp++) opened = open_warp(warp) || opened;
  return open_barrier() || opened;
}

[[noreturn]] void report_stuck() {
  unsigned barrier = count, warp = count;
  for (unsigned i = 0; i < count; i++) {
    if (threads[i].at == AT_BARRIER) barrier = i;
    if (threads[i].at == AT_WARP) warp = i;
  }
  if (barrier == count) report("divergent warp: %s waits for lanes that do not come", thread_name(warp).text);
  report("divergent barrier: %s waits at %s:%d, %s for the lanes of its warp", thread_name(barrier).text,
         short_name(threads[barrier].file), threads[barrier].line, thread_name(warp).text);
}

void close_shared() {
  for (shared &declared : declarations) {
    if (!declared.open) continue;
    declared.open = false;
#ifndef __SANITIZE_ADDRESS__
    for (size_t i = 0; i < SHARED_GUARD; i++) {
      if (declared.memory[declared.bytes + i] == 0xa5 && declared.memory[-1 - static_cast<long>(i)] == 0xa5) continue;
      report("a write beyond a shared array of %zu bytes", declared.bytes);
    }
#endif
  }
}

void run_block() {
  next_fresh = ended = 0;
  now.phase = 0;
  memset(warp_phases, 0, sizeof warp_phases);
  order_fill(order, count, now.block);
  for (unsigned i = 0; i < count; i++) threads[i].at = FRESH;
  for (;;) {
    while (next_fresh < count) {
      if (idle.empty()) idle.push_back(fiber_create(fiber_body));
      fiber *chosen = idle.back();
      idle.pop_back();
      go_on(chosen);
    }
    if (ended == count) break;
    if (!open_any()) report_stuck();
    for (unsigned i = 0; i < count; i++) {
      thread *turn = &threads[order[i]];
      if (turn->at != READY) continue;
      stand_at(order[i]);
      go_on(turn->runs_on);
    }
  }
  close_shared();
}

}  // namespace

void kernel_run(const kohl_cuda_call *what) {
  dim3 grid = what->grid;
  call = what;
  count = what->block.x * what->block.y * what->block.z;
  scheduler = fiber();
  now.name = what->name;
  now.launch++;
  now.block = 0;
  now.arguments = static_cast<const char *>(what->arguments);
  now.argument_bytes = what->argument_bytes;
  kohl_cuda_here.block_dim = what->block;
  kohl_cuda_here.grid_dim = grid;
  for (unsigned z = 0; z < grid.z; z++) {
    for (unsigned y = 0; y < grid.y; y++) {
      for (unsigned x = 0; x < grid.x; x++) {
        kohl_cuda_here.block = uint3{x, y, z};
        run_block();
        now.block++;
      }
    }
  }
  memory_check_canaries();
  for (shared &declared : declarations) {
    shadow_destroy(declared.shadow);
    free(declared.memory - SHARED_GUARD);
  }
  declarations.clear();
  now.name = nullptr;
}

void *kohl_host_shared(const void *tag, size_t bytes) {
  if (!now.name) report("shared memory is asked for outside a kernel");
  shared *found = nullptr;
  size_t total = 0;
  for (shared &declared : declarations) {
    if (declared.tag == tag) found = &declared;
    total += declared.bytes;
  }
  if (!found) {
    if (total + bytes > SHARED_LIMIT)
      report("%zu bytes of static shared memory, at most %zu", total + bytes, SHARED_LIMIT);
    void *memory;
    size_t all = SHARED_GUARD + bytes + SHARED_GUARD;
#ifdef __SANITIZE_ADDRESS__
    all = SHARED_GUARD + bytes; /* the guard behind is AddressSanitizer's */
#endif
    if (posix_memalign(&memory, 128, all)) report("no memory for %zu bytes of shared memory", bytes);
    memset(memory, 0xa5, all);
    unsigned char *data = static_cast<unsigned char *>(memory) + SHARED_GUARD;
    declarations.push_back(shared{tag, bytes, data, shadow_create(reinterpret_cast<char *>(data), bytes, true), false});
    found = &declarations.back();
  }
  if (found->bytes != bytes) report("a shared array has %zu bytes here and %zu there", bytes, found->bytes);
  if (!found->open) {
    found->open = true;
    memset(found->memory, 0xff, bytes); /* as float: NaN */
    shadow_block_begins(found->shadow);
  }
  return found->memory;
}

void kohl_cuda_barrier(const char *file, int line) {
  threads[now.thread].file = file;
  threads[now.thread].line = line;
  wait(AT_BARRIER);
}

unsigned kohl_cuda_lane(void) { return now.thread % LANES; }

static uint64_t warp_function(warp_op op, unsigned mask, uint64_t value, int source) {
  if (!(mask >> kohl_cuda_lane() & 1)) report("a warp function's mask %08x lacks the caller's lane", mask);
  thread *self = &threads[now.thread];
  self->op = op;
  self->mask = mask;
  self->value = value;
  self->source = source;
  return wait(AT_WARP)->value;
}

void kohl_cuda_warp_barrier(unsigned mask) { warp_function(WARP_BARRIER, mask, 0, 0); }
uint64_t kohl_cuda_warp_read(unsigned mask, uint64_t value, int source) {
  return warp_function(WARP_READ, mask, value, source);
}
unsigned kohl_cuda_warp_vote(unsigned mask, bool predicate) {
  return static_cast<unsigned>(warp_function(WARP_VOTE, mask, predicate, 0));
}

uint64_t kohl_cuda_atomic(void *at, unsigned bytes, int operation, uint64_t value, uint64_t compare) {
  uint64_t old = 0;
  if (reinterpret_cast<uintptr_t>(at) % bytes) report("an atomic function on %p, which is not aligned", at);
  shadow_atomic(at, bytes);
  memcpy(&old, at, bytes);
  uint64_t made = operation == KOHL_CUDA_ADD        ? old + value
                  : operation == KOHL_CUDA_OR       ? old | value
                  : operation == KOHL_CUDA_AND      ? old & value
                  : operation == KOHL_CUDA_EXCHANGE ? value
                  : old == compare                  ? value
                                                    : old;
  memcpy(at, &made, bytes);
  return old;
}
