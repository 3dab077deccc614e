/* A small TF.js model, its files, and edits of them. */
#ifndef KOHL_TESTS_UNIT_TFJS_FILES_H
#define KOHL_TESTS_UNIT_TFJS_FILES_H

#include "convert/source.h"

/* model.json of a network of two layers with weights; its shards a.bin and b.bin of TFJS_A and TFJS_B bytes, whose
 * border lies inside a float32. */
enum { TFJS_A = 57, TFJS_B = 41, TFJS_BYTES = TFJS_A + TFJS_B, TFJS_TEXT = 1 << 16 };
extern const char tfjs_json[], tfjs_module[]; /* the same as JSON and as a JavaScript module */
extern uint8_t tfjs_bytes[TFJS_BYTES];

/* A context and an empty folder; the folder goes with everything in it. */
extern kohl_context *tfjs_ctx;
extern char tfjs_folder[64], tfjs_log[512];
extern size_t tfjs_taken, tfjs_most; /* bytes that the context has given out, and the most so far */
void tfjs_setup(void);
void tfjs_teardown(void);

/* Writes a file of the folder; the path is good until the next call. */
const char *tfjs_write(const char *name, const void *bytes, size_t length);

/* A module of base64, as nsfwjs's shards are; returns its length. */
size_t tfjs_shard_module(const uint8_t *bytes, size_t length, char *out);

/* Writes model.json or model.min.js with its shards. */
void tfjs_write_model(const char *json);
void tfjs_write_modules(const char *module);

/* text with the first `find` replaced, which must be in it; good until the next call.  NULL: text itself. */
const char *tfjs_edit(const char *text, const char *find, const char *replace);

/* Opens, reads all numbers, builds the network where there is one, and closes. */
kohl_status tfjs_read_all(const char *path);

/* The file is refused in one line that has these words and begins with the path. */
void tfjs_refuse(const char *name, const char *path, const char *words);

/* Any answer is allowed, as long as it is a good one. */
void tfjs_survive(const char *path);

#endif
