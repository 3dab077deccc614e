/* Memory between canaries: known bytes before and after, so that a stray write is seen. */
#ifndef KOHL_TESTS_KERNELCHECK_CANARY_H
#define KOHL_TESTS_KERNELCHECK_CANARY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct guarded {
  unsigned char *base; /* NULL: nothing allocated */
  void *data;          /* bytes bytes, `shift` bytes past an address aligned to 64 */
  size_t bytes, before;
} guarded;

/* Memory for bytes bytes; ends the program when there is none.  shift < 64. */
guarded guarded_make(size_t bytes, size_t shift);
void guarded_free(guarded *memory);

/* Bytes of canaries behind the data; before it there are memory->before. */
size_t guarded_after(const guarded *memory);

/* True when all bytes around data are as they were made; else *offset is the first wrong one counted from data
 * (negative: before it). */
bool guarded_intact(const guarded *memory, long *offset);

/* Fills data with quiet NaNs of one recognisable payload.  `other` takes a second payload, so that a kernel that
 * depends on what it finds gives two different answers. */
void guarded_poison(guarded *memory, bool other);

/* The bits of that NaN. */
enum { GUARDED_NAN = 0x7fc5eed1, GUARDED_OTHER_NAN = 0x7fd0bad2 };

#endif
