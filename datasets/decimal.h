/* Decimal numbers in texts, with a point for the decimals whatever the locale says. */
#ifndef KOHL_DATASETS_DECIMAL_H
#define KOHL_DATASETS_DECIMAL_H

#include <stddef.h>

/* The number that length bytes of text are ("-1.5", "2e-3", ".5"), correctly rounded; infinite where it is too large.
 * NaN where they are none, or more than 64. */
double kohl_decimal_read(const char *text, size_t length);

#endif
