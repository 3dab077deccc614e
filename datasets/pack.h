/* A pack: all pictures of a list, decoded and fitted once, in one file that is mapped into memory.
 *
 * Training from it gives the bits that training from the files gives, without decoding: the samples stand in the same
 * order with the same labels and parts, and a picture that was bad then keeps its place and is bad.
 * It is made for one way of decoding and fitting, and refused for any other: pictures are never fitted twice.
 *
 * The file is little-endian, fixed binary and needs no parser:
 *
 *   0      header, 128 bytes (pack_format.h)
 *   128    records, 40 bytes a sample: where its path is, label, part, CRC32C of its picture, whether it is bad,
 * weight, group, number of labels labels u32, those of the first sample first; none where every sample has one texts,
 * each with a zero: the classes, the groups, then the samples' paths zeros up to a multiple of 4096 then   pictures u8
 * [samples][h][w][3], zeros for the bad ones, up to the last byte of the file
 *
 * From Python: np.memmap(path, np.uint8, "r", offset, (n, h, w, 3)).  Every byte is under a CRC32C: that of the header,
 * that of records to pictures, both checked on opening, and that of its picture, checked when it is first read. */
#ifndef KOHL_DATASETS_PACK_H
#define KOHL_DATASETS_PACK_H

#include "datasets/source.h"
#include "kernels/picture/preprocessing.h"

typedef struct kohl_pack kohl_pack;

typedef struct kohl_pack_info {
  kohl_decode_options decode; /* how the pictures were made */
  kohl_fit fit;
  size_t count, class_count; /* samples and classes */
  bool weights;              /* samples have weights */
  size_t bad;                /* samples that are bad */
  size_t bytes;              /* of the file */
} kohl_pack_info;

/* A sample of a pack. */
typedef struct kohl_pack_sample {
  const char *path; /* of the file it was made from; the pack's */
  int label;        /* index into the pack's classes */
  kohl_split split;
  bool bad;              /* the file could not be decoded */
  float weight;          /* 1 where samples have none */
  const char *group;     /* NULL where samples have none */
  const int32_t *labels; /* label_count classes, the first being label; NULL where every sample has one */
  size_t label_count;
} kohl_pack_sample;

/* Whether a file begins as a pack does; false where it cannot be read.  No errors. */
bool kohl_pack_recognise(const char *path);

/* Opens a pack and checks all of it but the pictures' bytes.  Errors (KOHL_BAD_INPUT) name file, field, value and what
 * was expected.  *out is the caller's until kohl_pack_close. */
kohl_status kohl_pack_open(kohl_context *ctx, const char *path, kohl_pack **out);

/* The same over memory, which must outlive the pack and not change; name begins the error texts. */
kohl_status kohl_pack_open_memory(kohl_context *ctx, const char *name, const uint8_t *bytes, size_t length,
                                  kohl_pack **out);
void kohl_pack_close(kohl_context *ctx, kohl_pack *pack);

const kohl_pack_info *kohl_pack_about(const kohl_pack *pack);
const char *kohl_pack_name(const kohl_pack *pack); /* as it was opened */
const char *kohl_pack_class(const kohl_pack *pack, size_t i);
kohl_pack_sample kohl_pack_sample_at(const kohl_pack *pack, size_t i);

/* *rgb = the picture [h][w][3] of sample i < count, the pack's.  KOHL_BAD_INPUT naming pack and picture: it is bad, its
 * bytes are damaged (found when it is first read), or the file became shorter since it was opened.  Any thread, each
 * with a context of its own. */
kohl_status kohl_pack_picture(kohl_context *ctx, kohl_pack *pack, size_t i, const uint8_t **rgb);

/* KOHL_BAD_INPUT when pictures fitted as pre says are not those of the pack: names the field and both values. */
kohl_status kohl_pack_check_fit(kohl_context *ctx, const kohl_pack *pack, const kohl_preprocessing *pre);

/* The pack's list: kohl_samples_open for a pack.  The list owns the pack (samples->pack), and its sample i is picture
 * i. Bad samples are marked and counted, and each is named by one warning. */
kohl_status kohl_samples_from_pack(kohl_context *ctx, const char *path, const kohl_source_options *options,
                                   kohl_samples *out);

/* Writing. */
typedef struct kohl_pack_options {
  int workers;                                             /* decoding threads, as in kohl_loader_options */
  double bad_limit;                                        /* the share of bad pictures that is too much */
  void (*progress)(void *user, size_t done, size_t count); /* after each batch; may be NULL */
  void *progress_user;
} kohl_pack_options;

kohl_pack_options kohl_pack_options_default(void); /* one worker per processor, 1 % */

/* Decodes and fits every sample and writes the pack, which appears under its name complete or not at all.  Of pre only
 * decode and fit count.  Bad pictures are named by a warning each, marked in samples, and packed as bad; too many of
 * them are KOHL_BAD_INPUT, and no file is made. */
kohl_status kohl_pack_write(kohl_context *ctx, kohl_samples *samples, const kohl_preprocessing *pre,
                            const kohl_pack_options *options, const char *path);

#endif
