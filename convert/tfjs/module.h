/* Models that were packed for the web as JavaScript: a module of one literal, the object of model.json or a text of
 * base64 that is a shard.  npm's nsfwjs is made of these.
 *
 * Nothing is run, and no name has a value.  What comes before the literal is passed over: it is short, and ends in
 * "exports=" or "export default".  Behind the literal stand brackets only. */
#ifndef KOHL_CONVERT_TFJS_MODULE_H
#define KOHL_CONVERT_TFJS_MODULE_H

#include "kernels/core/alloc.h"

enum { KOHL_TFJS_MODULE_HEAD = 4096 /* bytes before the literal */ };

/* The object as JSON text, the caller's until kohl_free, at most twice as long as the module.  Of JavaScript's notation
 * it knows names as keys, !0 and !1, numbers that begin with a point, and texts in single quotes.  Its form is checked
 * by whoever reads the JSON.  KOHL_BAD_INPUT names path, byte and what was expected. */
kohl_status kohl_tfjs_module_object(kohl_context *ctx, const char *path, const char *bytes, size_t length, char **json,
                                    size_t *json_length);

/* Where the text lies, without its quotes; it has no escapes. */
kohl_status kohl_tfjs_module_text(kohl_context *ctx, const char *path, const char *bytes, size_t length, size_t *from,
                                  size_t *text_length);

#endif
