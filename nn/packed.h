/* Packed weights kept in a file, so that a later session maps them instead of reading, checking, folding and packing
 * the model's.  The file is a cache: it holds nothing that cannot be made again, fits one plan on one kind of processor
 * only (up to the batch), and whatever is wrong with it, the answer is to pack anew.
 *
 * Little-endian: a header, a table with a line per weights buffer of the plan in the order of their numbers, zeros up
 * to a multiple of 4096, then plan->weights_bytes bytes as they lie in the arena, which end the file.
 *
 * What is checked when: opening compares length, CRC32C of header and table, the digest, and every place in the table
 * with the plan's; that takes no time.  The weights have a CRC32C per buffer, which kohl_packed_check compares; it
 * reads all of them, so a session does it before its first run, which reads them anyway, and not when it opens. */
#ifndef KOHL_NN_PACKED_H
#define KOHL_NN_PACKED_H

#include "nn/model.h"
#include "nn/plan.h"

#define KOHL_PACKED_MAGIC "KOHLWEIG"
enum { KOHL_PACKED_VERSION = 1, KOHL_PACKED_PAGE = 4096 };

typedef struct kohl_packed_header {
  char magic[8];
  uint32_t version, count; /* buffers */
  uint64_t digest;         /* kohl_packed_digest */
  uint64_t data, bytes;    /* where the weights begin, and their bytes */
  uint32_t table_crc;      /* CRC32C of the table */
  uint32_t header_crc;     /* CRC32C of the 44 bytes before it */
} kohl_packed_header;

typedef struct kohl_packed_line {
  uint64_t offset, bytes; /* among the weights */
  uint32_t crc;           /* CRC32C of these bytes */
  uint32_t reserved;      /* 0 */
} kohl_packed_line;

typedef struct kohl_packed kohl_packed; /* an open file */

/* What became of opening; the context's text says why it is not KOHL_PACKED_FITS. */
typedef enum kohl_packed_state {
  KOHL_PACKED_FITS,
  KOHL_PACKED_ABSENT,  /* there is no file */
  KOHL_PACKED_OTHER,   /* of other weights, kernels or shapes, or of another version */
  KOHL_PACKED_DAMAGED, /* one of ours, cut or changed */
  KOHL_PACKED_FOREIGN, /* not ours, or it cannot be read: to be left alone */
  KOHL_PACKED_FAILED,  /* memory ran out */
} kohl_packed_state;

/* Of all that packed bytes follow from: the tensors (by their recorded CRC32C), the graph, what the plan made of it
 * (kernels, descs but for the batch, folded batch-norms, merged siblings, places of the buffers), and this library's
 * version.  The CPU level is in the kernels' names.  Guards against mistakes, not against somebody's intent.
 * KOHL_BAD_INPUT: the weights are not those of a file with checksums, so that nothing is known of them. */
kohl_status kohl_packed_digest(kohl_context *ctx, const kohl_model *model, const kohl_plan *plan, uint64_t *digest);

/* Maps the file at path.  *out is the caller's until kohl_packed_close; NULL unless it fits.  It must not be shortened
 * by others while it is open (SIGBUS); kohl replaces files instead. */
kohl_packed_state kohl_packed_open(kohl_context *ctx, const char *path, const kohl_plan *plan, uint64_t digest,
                                   kohl_packed **out);

/* The same for bytes in memory, which stay the caller's and must live until close.  name is for texts. */
kohl_packed_state kohl_packed_open_memory(kohl_context *ctx, const char *name, const void *bytes, size_t length,
                                          const kohl_plan *plan, uint64_t digest, kohl_packed **out);
void kohl_packed_close(kohl_context *ctx, kohl_packed *packed); /* NULL is allowed */

/* plan->weights_bytes bytes, aligned to a page where the file is mapped.  Never to be written. */
const char *kohl_packed_weights(const kohl_packed *packed);

/* Compares all weights with their CRC32C, with the context's threads: KOHL_BAD_INPUT names the file and the layer. */
kohl_status kohl_packed_check(kohl_context *ctx, const kohl_packed *packed, const kohl_plan *plan);

/* Writes the file: temporary file, fsync, rename, fsync of the folder.  Removes what killed processes have left of such
 * files beside it.  Errors are those of kernels/core/place.h. */
kohl_status kohl_packed_write(kohl_context *ctx, const char *path, const kohl_plan *plan, uint64_t digest,
                              const void *weights);

#endif
