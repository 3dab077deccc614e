/* Which kernels were chosen, by name, so that a run which goes on later chooses them again.
 *
 * A choice is the first kernel of a list that is allowed and accepts.  The first one of those recorded that accepts is
 * the same one wherever it can run: whatever stood before it had refused, or was not allowed then.  So names are
 * enough, and no step has to be remembered. */
#ifndef KOHL_KERNELS_CORE_RECORD_H
#define KOHL_KERNELS_CORE_RECORD_H

#include "kernels/core/kernel.h"

enum { KOHL_RECORD_TEXT = 8192 };

/* All zero is an empty one. */
typedef struct kohl_kernel_record {
  char text[KOHL_RECORD_TEXT]; /* "conv2d_fwd=igemm_avx512,...", each once; what has no room is left out */
  char replaced[256];          /* the same of what was chosen in the place of recorded kernels */
  bool other_bits;             /* one of these, or of what it replaces, is not of class CHAIN, or is not known here */
} kohl_kernel_record;

/* Adds a kernel. */
void kohl_record_add(kohl_kernel_record *record, const kohl_kernel *kernel);

/* Whether any kernel of the op and direction is in it; whether this one is. */
bool kohl_record_names(const kohl_kernel_record *record, const char *op, kohl_direction direction);
bool kohl_record_has(const kohl_kernel_record *record, const kohl_kernel *kernel);

/* Notes that a kernel was chosen though others of its op and direction are recorded. */
void kohl_record_replace(kohl_kernel_record *record, const kohl_op *op, const kohl_kernel *kernel);

#endif
