/* Names of chosen kernels; see record.h. */
#include "kernels/core/record.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 96 };

/* "conv2d_fwd=igemm_avx512"; for an id of "" what all kernels of the op and direction begin with. */
static size_t name_of(char name[NAME], const char *op, kohl_direction direction, const char *id) {
  return (size_t)snprintf(name, NAME, "%s_%s=%s", op, kohl_direction_name(direction), id);
}

/* The next entry of a text that begins with n bytes of name; whole: that is it. */
static const char *find(const char *text, const char *name, size_t n, bool whole) {
  for (const char *at = text; *at;) {
    const size_t entry = strcspn(at, ",");
    if (entry >= n && (!whole || entry == n) && strncmp(at, name, n) == 0) return at;
    at += entry + (at[entry] == ',');
  }
  return NULL;
}

static void append(char *text, size_t room, const char *name) {
  const size_t used = strlen(text), n = strlen(name);
  if (find(text, name, n, true) || used + n + 2 > room) return;
  snprintf(text + used, room - used, "%s%s", used ? "," : "", name);
}

void kohl_record_add(kohl_kernel_record *record, const kohl_kernel *kernel) {
  char name[NAME];
  name_of(name, kernel->op, kernel->direction, kernel->id);
  append(record->text, sizeof record->text, name);
}

bool kohl_record_names(const kohl_kernel_record *record, const char *op, kohl_direction direction) {
  char name[NAME];
  const size_t n = name_of(name, op, direction, "");
  return find(record->text, name, n, false) != NULL;
}

bool kohl_record_has(const kohl_kernel_record *record, const kohl_kernel *kernel) {
  char name[NAME];
  const size_t n = name_of(name, kernel->op, kernel->direction, kernel->id);
  return find(record->text, name, n, true) != NULL;
}

/* Whether the recorded kernels of an op and direction are all known and of class CHAIN. */
static bool all_chain(const kohl_kernel_record *record, const kohl_op *op, kohl_direction direction) {
  char name[NAME];
  const size_t n = name_of(name, op->name, direction, "");
  for (const char *at = find(record->text, name, n, false); at; at = find(at, name, n, false)) {
    const size_t entry = strcspn(at, ",");
    bool chain = false;
    for (size_t i = 0; i < op->count && !chain; i++) {
      const kohl_kernel *kernel = &op->kernels[i];
      chain = kernel->direction == direction && strlen(kernel->id) == entry - n &&
              strncmp(kernel->id, at + n, entry - n) == 0 && kernel->accuracy == KOHL_ACCURACY_CHAIN;
    }
    if (!chain) return false;
    at += entry + (at[entry] == ',');
  }
  return true;
}

void kohl_record_replace(kohl_kernel_record *record, const kohl_op *op, const kohl_kernel *kernel) {
  char name[NAME];
  name_of(name, kernel->op, kernel->direction, kernel->id);
  append(record->replaced, sizeof record->replaced, name);
  if (kernel->accuracy != KOHL_ACCURACY_CHAIN || !all_chain(record, op, kernel->direction)) record->other_bits = true;
}
