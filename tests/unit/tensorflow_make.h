/* Checkpoints of TensorFlow made byte by byte, with CRCs that are right, for the tests of what no reader may take.
 *
 * Texts of bytes: a message of protocol buffers is a tag (8 * field + wire type), then a number or a length and
 * bytes. */
#ifndef KOHL_TESTS_UNIT_TENSORFLOW_MAKE_H
#define KOHL_TESTS_UNIT_TENSORFLOW_MAKE_H

#include "convert/source.h"
#include "tests/fuzz/tensorflow_table.h"

typedef struct text {
  const char *at;
  size_t length;
} text;
#define T(literal) \
  { literal, sizeof(literal) - 1 }

/* A varint of more than 64 bits. */
#define ELEVEN "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"

/* The file that is made. */
extern uint8_t made_bytes[65536];
extern table_out made;

/* For tcase_add_checked_fixture. */
void make_setup(void);
void make_teardown(void);

/* A file of these blocks of data (restart points included); the index has the keys "b", "d", "f". */
void make_table(const text *blocks, size_t count);

/* A file of one block of data with these entries, each a key and a value. */
void make_entries(const text (*entries)[2], size_t count);

/* Opens what was made, with 16 zeros as shard, and reads every tensor: the first failure must say the words, or none
 * may happen where words is NULL. */
void expect_refused(const char *name, const char *words);

#endif
