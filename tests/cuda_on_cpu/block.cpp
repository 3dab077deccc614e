/* Runs the blocks of a kernel one after another, the threads of each on fibers.
 *
 * A fiber runs thread after thread until one waits at a barrier or a warp function; the next fiber then goes on with
 * the next thread.  A warp goes as far as it can before the next one begins: what is ordered by warp functions alone is
 * not ordered between warps.  When all threads of the block wait at its barrier, it opens.  A kernel without barriers
 * costs one switch for each warp. */
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

const kohl_cuda_call *call;
thread threads[MAX_THREADS];
unsigned count, ended, fresh_warp, next_fresh; /* next_fresh: in lane_order */
unsigned warp_order[MAX_THREADS / LANES], lane_order[LANES], warp_phases[MAX_THREADS / LANES];
fiber scheduler;
/* Fibers that have nothing to do. */
struct fibers : std::vector<fiber *> {
  ~fibers() {
    for (fiber *each : *this) fiber_destroy(each);
  }
} idle;
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
    while (next_fresh < LANES) {
      unsigned index = fresh_warp * LANES + lane_order[next_fresh++];
      if (index >= count) continue;
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

/* Until every lane has ended or waits for another warp. */
void run_warp(unsigned warp, bool fresh) {
  fresh_warp = warp;
  next_fresh = fresh ? 0 : LANES;
  do {
    while (next_fresh < LANES) {
      if (idle.empty()) idle.push_back(fiber_create(fiber_body));
      fiber *chosen = idle.back();
      idle.pop_back();
      go_on(chosen);
    }
    for (unsigned lane : lane_order) {
      unsigned index = warp * LANES + lane;
      if (index >= count || threads[index].at != READY) continue;
      stand_at(index);
      go_on(threads[index].runs_on);
    }
  } while (open_warp(warp));
}

void run_block() {
  unsigned warps = (count + LANES - 1) / LANES;
  ended = 0;
  now.phase = 0;
  memset(warp_phases, 0, sizeof warp_phases);
  order_fill(warp_order, warps, now.block);
  order_fill(lane_order, LANES, now.block + 1);
  for (unsigned i = 0; i < count; i++) threads[i].at = FRESH;
  for (unsigned i = 0; i < warps; i++) run_warp(warp_order[i], true);
  while (ended < count) {
    if (!open_barrier()) report_stuck();
    for (unsigned i = 0; i < warps; i++) run_warp(warp_order[i], false);
  }
  shared_block_ends();
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
  shared_kernel_ends();
  now.name = nullptr;
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
