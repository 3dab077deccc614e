/* Between the two parts of cuda_selftest: kernels (selftest.cu) and runtime calls (selftest_calls.cu). */
#ifndef KOHL_TESTS_CUDA_ON_CPU_SELFTEST_H
#define KOHL_TESTS_CUDA_ON_CPU_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

/* Lanes in which a flaw must be reported. */
enum { PLAIN = 1, ASAN = 2, TSAN = 4, ALL = 7 };

/* Runs work in a process of its own with that KOHL_CUDA_ORDER; true when it ended with code 0.  What it says on
 * standard error goes to text. */
bool succeeds(void (*work)(void), const char *order, char *text, size_t bytes);

/* One line of TAP; text explains a failure. */
void say(bool right, const char *what, const char *name, const char *text);

void check_calls(int lane);

#endif
