/* What kohl calls of Cairo (cairo.def), as pointers into the library that was opened.
 *
 * libcairo.so.2 has kept its interface since 2005, so that the few calls are declared here and a build needs no headers
 * of it. */
#ifndef KOHL_TRAIN_REPORT_CAIRO_LIBRARY_H
#define KOHL_TRAIN_REPORT_CAIRO_LIBRARY_H

#include "kernels/core/context.h"

#define KOHL_CAIRO "libcairo.so.2"

typedef struct _cairo kohl_cairo; /* the tags are cairo.h's, which makes the types the same */
typedef struct _cairo_surface kohl_cairo_surface;
typedef int (*kohl_cairo_write)(void *user, const unsigned char *bytes, unsigned length);
typedef struct kohl_cairo_extents {
  double x_bearing, y_bearing, width, height, x_advance, y_advance;
} kohl_cairo_extents;

enum {
  KOHL_CAIRO_OK = 0,          /* CAIRO_STATUS_SUCCESS */
  KOHL_CAIRO_NO_MEMORY = 1,   /* CAIRO_STATUS_NO_MEMORY */
  KOHL_CAIRO_WRITE_ERROR = 11 /* CAIRO_STATUS_WRITE_ERROR */
};
enum { KOHL_CAIRO_RGB24 = 1, KOHL_CAIRO_ROUND = 1 /* line join */, KOHL_CAIRO_BOLD = 1 };

typedef struct kohl_cairo_library {
  void *handle; /* of dlopen; NULL: not there */
#define CALL(result, name, parameters) result(*name) parameters;
#include "train/report/cairo.def"
#undef CALL
} kohl_cairo_library;

/* Opens the library called `name`.  False where it is absent or lacks a call; *library is all zeros then, and why (of
 * `bytes` bytes) says it in one line.  It stays open until the process ends: it keeps fonts that know its code. */
bool kohl_cairo_library_open(const char *name, kohl_cairo_library *library, char *why, size_t bytes);

#endif
