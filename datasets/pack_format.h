/* The bytes of a pack, for its reader and its writer; pack.h says what it is.  All numbers are little-endian and are
 * used in place, which the structs below can be since they have no holes. */
#ifndef KOHL_DATASETS_PACK_FORMAT_H
#define KOHL_DATASETS_PACK_FORMAT_H

#include "datasets/pack.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packs are read and written in place: little-endian machines only"
#endif

#define KOHL_PACK_MAGIC "KOHLPACK"
enum { KOHL_PACK_VERSION = 1, KOHL_PACK_PAGE = 4096, KOHL_PACK_PATH = 1 << 16 /* bytes of a text, at most */ };

typedef struct kohl_pack_header {
  char magic[8];
  uint32_t version, classes;
  uint64_t samples;
  uint64_t texts;    /* bytes of all texts */
  uint64_t pictures; /* offset of the pictures: 128 + 40 * samples + 4 * labels + texts, rounded up to 4096 */
  uint64_t bytes;    /* of the file: pictures + samples * h * w * 3 */
  uint32_t h, w, resize, mode, filter;                    /* kohl_fit; mode and filter as their enums count */
  uint8_t background[3], orient, fast, fit_background[3]; /* kohl_decode_options; orient and fast are 0 or 1 */
  uint32_t bad;                                           /* samples that are */
  double fraction;
  uint64_t labels;      /* of all samples together where they may have several, else 0 */
  uint32_t groups;      /* their number, 0: samples have none */
  uint32_t weights;     /* 1: samples have weights */
  uint8_t reserved[16]; /* zeros */
  uint32_t index_crc;   /* CRC32C of the bytes 128 .. pictures - 1 */
  uint32_t header_crc;  /* CRC32C of the 124 bytes before it */
} kohl_pack_header;

typedef struct kohl_pack_record {
  uint64_t text;         /* offset of the path among the texts */
  uint32_t path;         /* its bytes without the zero */
  uint32_t label, split; /* split as kohl_split counts */
  uint32_t bad;          /* 0 or 1 */
  uint32_t crc;          /* CRC32C of the picture */
  float weight;          /* 0 or more; 1 where samples have none */
  uint32_t group;        /* its number; 0 where there are none */
  uint32_t labels;       /* how many follow, the first being `label`; 0 where samples have one */
} kohl_pack_record;

_Static_assert(sizeof(kohl_pack_header) == 128, "the header is 128 bytes");
_Static_assert(sizeof(kohl_pack_record) == 40, "a record is 40 bytes");

#endif
