/* Fibers: stacks that are switched by hand, in a few instructions on x86-64 and aarch64 and by ucontext elsewhere.
 * AddressSanitizer is told of every switch.  One thread of the operating system uses them at a time. */
#ifndef KOHL_TESTS_CUDA_ON_CPU_FIBER_H
#define KOHL_TESTS_CUDA_ON_CPU_FIBER_H

#include <stddef.h>

struct fiber {
  void *context;   /* saved stack pointer, or the ucontext_t */
  char *stack;     /* lowest address; NULL: the stack of whoever runs fibers */
  size_t bytes;    /* of the stack */
  void *fake;      /* AddressSanitizer's, while the fiber is away */
  void (*entry)(); /* never returns */
};

/* Makes a fiber that starts in entry when first switched to; ends the process where there is no memory. */
fiber *fiber_create(void (*entry)());
void fiber_destroy(fiber *away);
/* Leaves `from` (the fiber that runs now) for `to`; returns when somebody switches back. */
void fiber_switch(fiber *from, fiber *to);

#endif
