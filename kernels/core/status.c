/* Status codes as sentences. */
#include "kernels/core/context.h"

const char *kohl_status_text(kohl_status status) {
  switch (status) {
    case KOHL_OK: return "done";
    case KOHL_USAGE: return "wrong usage";
    case KOHL_BAD_INPUT: return "bad input";
    case KOHL_NOT_FINITE: return "a value is NaN or infinite";
    case KOHL_NO_RESOURCE: return "out of memory or another resource";
    case KOHL_INTERRUPTED: return "interrupted";
  }
  return "unknown status";
}

const char *kohl_version(void) { return KOHL_VERSION; }
