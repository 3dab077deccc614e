/* Fibers; the idea of the switch: push what the calling convention says a callee keeps, exchange stack pointers, pop.
 */
#include "fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
enum { STACK_BYTES = 1 << 18 };
#else
enum { STACK_BYTES = 1 << 17 };
#endif

#if defined(__x86_64__)
extern "C" void kohl_fiber_swap(void **save, void *load);
asm(R"(
.text
.p2align 4
.type kohl_fiber_swap, @function
kohl_fiber_swap:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size kohl_fiber_swap, .-kohl_fiber_swap
)");
/* Six registers, the address to return to, and the zero that ends a backtrace. */
static void *first_context(char *top, void (*entry)()) {
  void **sp = reinterpret_cast<void **>(top) - 2;
  sp[0] = reinterpret_cast<void *>(entry);
  sp[1] = nullptr;
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  return sp;
}
#elif defined(__aarch64__)
extern "C" void kohl_fiber_swap(void **save, void *load);
asm(R"(
.text
.p2align 2
.type kohl_fiber_swap, %function
kohl_fiber_swap:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size kohl_fiber_swap, .-kohl_fiber_swap
)");
static void *first_context(char *top, void (*entry)()) {
  void **sp = reinterpret_cast<void **>(top) - 20;
  memset(sp, 0, 160);
  sp[11] = reinterpret_cast<void *>(entry); /* x30 */
  return sp;
}
#else
#include <ucontext.h>
static void kohl_fiber_swap(void **save, void *load) {
  ucontext_t here;
  *save = &here;
  swapcontext(&here, static_cast<ucontext_t *>(load));
}
static void *first_context(char *top, void (*entry)()) {
  ucontext_t *context = reinterpret_cast<ucontext_t *>(top - (sizeof(ucontext_t) + 63) / 64 * 64);
  getcontext(context);
  context->uc_stack.ss_sp = top - STACK_BYTES;
  context->uc_stack.ss_size = static_cast<size_t>(reinterpret_cast<char *>(context) - (top - STACK_BYTES));
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}
#endif

/* The switch that has just happened: where it came from, for AddressSanitizer. */
static fiber *left, *entered;

static void arrive() {
#if defined(__SANITIZE_ADDRESS__)
  const void *bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(entered->fake, &bottom, &bytes);
  if (!left->stack) { /* the stack of the thread that runs fibers is known from the first switch away from it */
    left->stack = static_cast<char *>(const_cast<void *>(bottom));
    left->bytes = bytes;
  }
#endif
}

static void start() {
  arrive();
  entered->entry();
}

fiber *fiber_create(void (*entry)()) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void *memory =
      mmap(nullptr, STACK_BYTES + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE)) {
    fprintf(stderr, "cuda_on_cpu: no memory for another fiber\n");
    _exit(1);
  }
  fiber *made = new fiber();
  made->stack = static_cast<char *>(memory) + page;
  made->bytes = STACK_BYTES;
  made->entry = entry;
  made->context = first_context(made->stack + STACK_BYTES, start);
  return made;
}

void fiber_destroy(fiber *away) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  munmap(away->stack - page, away->bytes + page);
  delete away;
}

void fiber_switch(fiber *from, fiber *to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from->fake, to->stack, to->bytes);
#endif
  left = from;
  entered = to;
  kohl_fiber_swap(&from->context, to->context);
  arrive();
}
