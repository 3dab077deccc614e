/* Tests the tester: kernels that are wrong in one way each, which must be reported, and their right twins, which must
 * not.  `cuda_selftest LANE` (plain, asan or tsan) runs each in processes of its own, in two orders of threads, and
 * prints TAP.  A kernel that is wrong counts as reported where the runtime, a sanitizer or the comparison of its result
 * says so. */
#include "kernels/core/cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cuda_on_cpu/selftest.h"

enum { THREADS = 128, BLOCKS = 3, COUNT = THREADS * BLOCKS };

/* Each kernel has out[COUNT] of ints, and flaw: false in the right twin.  in[i] is i % 7. */
#define CASE_KERNEL(name) static __global__ void name(int *out, const int *in, bool flaw)

CASE_KERNEL(reduction) {
  KOHL_SHARED(int, part, [THREADS]);
  const unsigned t = threadIdx.x;
  part[t] = in[blockIdx.x * THREADS + t];
  __syncthreads();
  for (unsigned half = THREADS / 2; half > 0; half /= 2) {
    if (t < half) part[t] += part[t + half];
    if (!flaw) __syncthreads();
  }
  if (flaw) __syncthreads();
  out[blockIdx.x * THREADS + t] = part[0];
}

/* The flaw shows in no value while threads run in ascending order. */
CASE_KERNEL(neighbour) {
  KOHL_SHARED(int, value, [THREADS]);
  const unsigned t = threadIdx.x;
  value[t] = (int)t;
  if (!flaw) __syncthreads();
  out[blockIdx.x * THREADS + t] = t ? value[t - 1] : 0;
}

/* Shared memory is used a second time before everybody has read it. */
CASE_KERNEL(reuse) {
  KOHL_SHARED(int, value, [THREADS]);
  const unsigned t = threadIdx.x;
  int sum = 0;
  for (int round = 1; round <= 3; round++) {
    value[t] = (int)t * round;
    __syncthreads();
    sum += value[(t + 1) % THREADS];
    if (!flaw) __syncthreads();
  }
  out[blockIdx.x * THREADS + t] = sum;
}

CASE_KERNEL(pairs) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  if (flaw)
    out[i / 2] = (int)i;
  else
    out[i] = (int)i;
}

CASE_KERNEL(between_blocks) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  out[i] = (int)i;
  __syncthreads();
  if (flaw && threadIdx.x == 0) out[(blockIdx.x + 1) % BLOCKS * THREADS] = -1;
}

/* Reads what another block of the same launch writes. */
CASE_KERNEL(reads_other_block) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  out[i] = (int)i;
  __syncthreads();
  const unsigned other = flaw ? 0 : blockIdx.x;
  if (threadIdx.x == 1) out[i] = out[other * THREADS] / 1000 + 5;
}

CASE_KERNEL(ends_early) {
  if (flaw && threadIdx.x >= THREADS / 2) return;
  __syncthreads();
  out[blockIdx.x * THREADS + threadIdx.x] = 1;
}

CASE_KERNEL(two_barriers) {
  if (flaw && threadIdx.x % 2) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[blockIdx.x * THREADS + threadIdx.x] = 1;
}

CASE_KERNEL(beyond_shared) {
  KOHL_SHARED(int, value, [THREADS]);
  const unsigned t = threadIdx.x;
  int *at = value;
  at[t + (flaw && t == THREADS - 1 ? 1 : 0)] = 3;
  out[blockIdx.x * THREADS + t] = at[t];
}

CASE_KERNEL(undefined_shared) {
  KOHL_SHARED(int, value, [THREADS]);
  const unsigned t = threadIdx.x;
  if (!flaw || t != 17) value[t] = 2;
  __syncthreads();
  out[blockIdx.x * THREADS + t] = value[(t + 1) % THREADS];
}

/* What the block before it left there. */
CASE_KERNEL(stale_shared) {
  KOHL_SHARED(int, value, [1]);
  if (threadIdx.x == 0 && (!flaw || blockIdx.x == 0)) value[0] = 4;
  __syncthreads();
  out[blockIdx.x * THREADS + threadIdx.x] = value[0];
}

CASE_KERNEL(writes_beyond) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  if (flaw ? i <= COUNT : i < COUNT) out[i] = 1;
  if (flaw && i == COUNT - 1) out[i + 1] = 1;
}

CASE_KERNEL(writes_before) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  out[i] = 1;
  if (flaw && i == 0) out[-1] = 1;
}

CASE_KERNEL(reads_beyond) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  out[i] = in[i + (flaw ? 1 : 0)] / 8 + 1;
}

CASE_KERNEL(drops_tail) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  if (i < COUNT - (flaw ? 1 : 0)) out[i] = 1;
}

CASE_KERNEL(shuffled_sum) {
  int sum = (int)threadIdx.x;
  for (int mask = 16; mask > 0; mask /= 2) sum += kohl_shuffle_xor(sum, mask);
  out[blockIdx.x * THREADS + threadIdx.x] = sum;
}

CASE_KERNEL(shuffle_of_ended) {
  if (flaw && threadIdx.x == 40) return;
  out[blockIdx.x * THREADS + threadIdx.x] = kohl_shuffle_down((int)threadIdx.x, 1u);
}

CASE_KERNEL(shuffle_apart) {
  int value = (int)threadIdx.x;
  if (!flaw || threadIdx.x % 2) value = kohl_shuffle(value, 1);
  if (flaw && threadIdx.x % 2 == 0) __syncwarp();
  out[blockIdx.x * THREADS + threadIdx.x] = value;
}

/* Within a warp, through shared memory. */
CASE_KERNEL(warp_neighbour) {
  KOHL_SHARED(int, value, [THREADS]);
  const unsigned t = threadIdx.x, next = t / 32 * 32 + (t + 1) % 32;
  value[t] = 0;
  __syncthreads();
  value[t] = (int)t;
  if (!flaw) __syncwarp();
  out[blockIdx.x * THREADS + t] = value[next];
}

/* A warp barrier does not order warps. */
CASE_KERNEL(warp_barrier_between_warps) {
  KOHL_SHARED(int, value, [THREADS]);
  const unsigned t = threadIdx.x;
  value[t] = 0;
  __syncthreads();
  value[t] = (int)t;
  if (flaw)
    __syncwarp();
  else
    __syncthreads();
  out[blockIdx.x * THREADS + t] = value[(t + 32) % THREADS];
}

CASE_KERNEL(atomic_count) {
  if (threadIdx.x == 0) out[blockIdx.x * THREADS + 1] = 0;
  __syncthreads();
  atomicAdd(&out[blockIdx.x * THREADS + 1], 1);
  if (flaw && threadIdx.x == 9) out[blockIdx.x * THREADS + 2] = out[blockIdx.x * THREADS + 1];
}

CASE_KERNEL(bytes_apart) {
  const unsigned i = blockIdx.x * THREADS + threadIdx.x;
  unsigned char *bytes = reinterpret_cast<unsigned char *>(out);
  bytes[i] = (unsigned char)(i % 200);
  if (flaw) bytes[(i + 1) % COUNT] = (unsigned char)((i + 1) % COUNT % 200); /* the same value */
}

static int *given_in, *given_out; /* the device's */

/* Runs kernel on fresh memory; copies out to result. */
static void run(void (*kernel)(int *, const int *, bool), bool flaw, int *result) {
  int source[COUNT];
  for (int i = 0; i < COUNT; i++) source[i] = i % 7;
  cudaMalloc(&given_in, sizeof source);
  cudaMalloc(&given_out, sizeof source);
  cudaMemcpy(given_in, source, sizeof source, cudaMemcpyHostToDevice);
  cudaMemset(given_out, 0, sizeof source);
  kohl_host_launch(nullptr, "selftest", dim3(BLOCKS), dim3(THREADS), kernel, given_out, given_in, flaw);
  cudaMemcpy(result, given_out, sizeof source, cudaMemcpyDeviceToHost);
  cudaFree(given_in);
  cudaFree(given_out);
}

static const struct kernel_case {
  const char *name;
  void (*kernel)(int *, const int *, bool);
  int lanes;            /* that must report the flaw */
  const char *expected; /* in what the race lane says; NULL: whatever */
} kernel_cases[] = {
    {"a reduction without barriers", reduction, ALL, "race"},
    {"a neighbour's value without a barrier", neighbour, ALL, "race"},
    {"shared memory used again too early", reuse, ALL, "race"},
    {"two threads that write one element", pairs, ALL, "race"},
    {"two blocks that write one element", between_blocks, ALL, "race"},
    {"a block that reads what another one writes", reads_other_block, TSAN, "race"},
    {"threads that end before a barrier", ends_early, ALL, "divergent"},
    {"two barriers at once", two_barriers, ALL, "divergent"},
    {"a write beyond a shared array", beyond_shared, ALL, NULL},
    {"shared memory that nobody wrote", undefined_shared, ALL, "nobody has written"},
    {"shared memory that the block before wrote", stale_shared, ALL, "nobody has written"},
    {"a write behind an allocation", writes_beyond, ALL, NULL},
    {"a write before an allocation", writes_before, ALL, NULL},
    {"a read behind an allocation", reads_beyond, ASAN | TSAN, "allocation"},
    {"a tail that is dropped", drops_tail, ALL, NULL},
    {"a shuffled sum", shuffled_sum, 0, NULL},
    {"a shuffle from a thread that has ended", shuffle_of_ended, ALL, "shuffle"},
    {"different warp functions at once", shuffle_apart, ALL, "divergent"},
    {"a neighbour in the warp without a warp barrier", warp_neighbour, ALL, "race"},
    {"a warp barrier between warps", warp_barrier_between_warps, ALL, "race"},
    {"a plain read among atomic additions", atomic_count, TSAN, "race"},
    {"bytes written twice with one value", bytes_apart, TSAN, "race"},
};

/* Runs work in a process of its own; true when it ended with code 0.  What it says goes to text. */
bool succeeds(void (*work)(), const char *order, char *text, size_t bytes) {
  int ends[2], status = 0;
  fflush(stdout);
  if (pipe(ends)) exit(1);
  pid_t child = fork();
  if (child < 0) exit(1);
  if (!child) {
    dup2(ends[1], 2);
    close(ends[0]);
    setenv("KOHL_CUDA_ORDER", order, 1);
    work();
    _exit(0);
  }
  close(ends[1]);
  size_t filled = 0;
  for (ssize_t got; (got = read(ends[0], text + filled, bytes - 1 - filled)) > 0;) filled += (size_t)got;
  text[filled] = 0;
  close(ends[0]);
  waitpid(child, &status, 0);
  return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Shared with the processes that run it. */
struct trial {
  const kernel_case *of;
  bool flaw, first;
  int right[COUNT]; /* what the right twin gave first */
};
static trial *t;

static void run_trial() {
  int result[COUNT];
  run(t->of->kernel, t->flaw, result);
  if (t->first) memcpy(t->right, result, sizeof result);
  if (!memcmp(result, t->right, sizeof result)) return;
  fprintf(stderr, "wrong values\n");
  _exit(1);
}

static int failures;

void say(bool right, const char *what, const char *name, const char *text) {
  printf("%s - %s: %s\n", right ? "ok" : "not ok", name, what);
  if (right) return;
  failures++;
  printf("# %.400s\n", text);
}

static void check_kernel(const kernel_case *c, int lane) {
  static const char *const orders[] = {"ascending", "descending", "3"};
  char text[4096] = "", flawed[4096] = "";
  bool reported = false, right = true;
  *t = trial{c, false, true, {0}};
  for (const char *order : orders) {
    right = right && succeeds(run_trial, order, text, sizeof text);
    t->first = false;
  }
  say(right, "right, not reported", c->name, text);
  if (!(c->lanes & lane)) return;
  t->flaw = true;
  for (const char *order : orders) {
    if (succeeds(run_trial, order, flawed, sizeof flawed)) continue;
    reported = lane != TSAN || !c->expected || strstr(flawed, c->expected);
    break;
  }
  say(reported, "wrong, reported", c->name, flawed);
}

int main(int argc, char **argv) {
  const char *name = argc == 2 ? argv[1] : "";
  int lane = !strcmp(name, "plain") ? PLAIN : !strcmp(name, "asan") ? ASAN : !strcmp(name, "tsan") ? TSAN : 0;
  if (!lane) return fprintf(stderr, "usage: cuda_selftest plain|asan|tsan\n"), 2;
  void *memory = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  t = static_cast<trial *>(memory);
  for (const kernel_case &c : kernel_cases) check_kernel(&c, lane);
  check_calls(lane);
  return failures ? 1 : 0;
}
